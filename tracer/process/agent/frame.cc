#include "tracer/process/agent/frame.h"

#include "tracer/process/agent/kernel.h"

namespace gpuvm::agent {
namespace {

constexpr unsigned kSse = 1, kAvx = 2, kOpmask = 5, kZmmHigh = 6, kZmm16 = 7;
constexpr unsigned kComponentBytes[8] = {0, 0, 256, 0, 0, 64, 512, 1024};

}  // namespace

void Frame::make(unsigned component, unsigned bytes) {
  if (has(component)) return;
  uint8_t* at = component == kSse ? xsave() + 160 : xsave() + process.xsave_offset[component];
  zero_bytes(at, bytes);
  *reinterpret_cast<uint64_t*>(xsave() + 512) |= uint64_t{1} << component;
}

// Register `reg` is in up to three pieces: bytes 0-15, 16-31, 32-63; or, from 16 on, in one.
uint8_t* Frame::piece(unsigned reg, unsigned number, unsigned* component, unsigned* bytes) const {
  if (reg >= 16) {
    *component = kZmm16, *bytes = 64;
    return number == 0 ? xsave() + process.xsave_offset[kZmm16] + 64 * (reg - 16) : nullptr;
  }
  switch (number) {
    case 0:
      *component = kSse, *bytes = 16;
      return xsave() + 160 + 16 * reg;
    case 1:
      *component = kAvx, *bytes = 16;
      return xsave() + process.xsave_offset[kAvx] + 16 * reg;
    case 2:
      *component = kZmmHigh, *bytes = 32;
      return xsave() + process.xsave_offset[kZmmHigh] + 32 * reg;
    default:
      return nullptr;
  }
}

void Frame::read_vector(unsigned reg, uint8_t* out) const {
  zero_bytes(out, 64);
  unsigned component = 0, bytes = 0;
  for (unsigned n = 0, at = 0; const uint8_t *p = piece(reg, n, &component, &bytes); ++n, at += bytes) {
    if (saved(component) && has(component)) copy_bytes(out + at, p, bytes);
  }
}

void Frame::write_vector(unsigned reg, const uint8_t* in, unsigned used) {
  uint8_t whole[64] = {};
  copy_bytes(whole, in, used);
  unsigned component = 0, bytes = 0;
  for (unsigned n = 0, at = 0; uint8_t *p = piece(reg, n, &component, &bytes); ++n, at += bytes) {
    if (!saved(component)) continue;
    make(component, component == kSse ? 256 : kComponentBytes[component]);
    copy_bytes(p, whole + at, bytes);
  }
}

uint64_t Frame::mask_register(unsigned reg) const {
  if (!saved(kOpmask) || !has(kOpmask)) return 0;
  return *reinterpret_cast<const uint64_t*>(xsave() + process.xsave_offset[kOpmask] + 8 * reg);
}

void Frame::set_mask_register(unsigned reg, uint64_t value) {
  if (!saved(kOpmask)) return;
  make(kOpmask, kComponentBytes[kOpmask]);
  *reinterpret_cast<uint64_t*>(xsave() + process.xsave_offset[kOpmask] + 8 * reg) = value;
}

}  // namespace gpuvm::agent
