#include "emulator/card/gpu_memory.h"

#include <algorithm>
#include <array>

#include "traces/core/result.h"

namespace gpuvm {
namespace {

// Bytes from `va` to the end of its page.
uint64_t rest_of_page(const Translation& t, uint64_t va) {
  return t.page_bytes - (va - t.page_base);
}

}  // namespace

std::optional<MmuFault> GpuMemory::read(const AddressSpace& space, uint64_t va, std::span<std::byte> out) {
  while (!out.empty()) {
    const Translation t = translate(memory_, space, va);
    if (!t.mapped) return MmuFault{va, t.reason, false};
    const size_t bytes = std::min<uint64_t>(out.size(), rest_of_page(t, va));
    if (!memory_.read_bytes(t.aperture, t.address, out.first(bytes))) {
      return MmuFault{va, FaultReason::kPageNotPresent, false};
    }
    va += bytes;
    out = out.subspan(bytes);
  }
  return std::nullopt;
}

std::optional<MmuFault> GpuMemory::write(const AddressSpace& space, uint64_t va,
                                         std::span<const std::byte> in) {
  while (!in.empty()) {
    const Translation t = translate(memory_, space, va);
    if (!t.mapped) return MmuFault{va, t.reason, true};
    if (t.read_only) return MmuFault{va, FaultReason::kReadOnly, true};
    const size_t bytes = std::min<uint64_t>(in.size(), rest_of_page(t, va));
    if (!memory_.write_bytes(t.aperture, t.address, in.first(bytes))) {
      return MmuFault{va, FaultReason::kPageNotPresent, true};
    }
    va += bytes;
    in = in.subspan(bytes);
  }
  return std::nullopt;
}

std::optional<MmuFault> GpuMemory::write32(const AddressSpace& space, uint64_t va, uint32_t value) {
  return write(space, va, std::as_bytes(std::span(&value, 1)));
}

std::optional<MmuFault> GpuMemory::copy(const AddressSpace& space, uint64_t to, uint64_t from,
                                        uint64_t bytes) {
  GPUVM_CHECK(bytes <= kPiece);
  std::array<std::byte, kPiece> buffer;
  const auto span = std::span(buffer).first(bytes);
  if (auto fault = read(space, from, span)) return fault;
  return write(space, to, span);
}

}  // namespace gpuvm
