#include "tracer/process/recorder/ioctls.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>

namespace gpuvm {
namespace {

constexpr Ioctl kIoctls[] = {
#include "tracer/process/recorder/ioctls/amdgpu.inc"
#include "tracer/process/recorder/ioctls/drm.inc"
#include "tracer/process/recorder/ioctls/i915.inc"
#include "tracer/process/recorder/ioctls/kfd.inc"
#include "tracer/process/recorder/ioctls/nouveau.inc"
#include "tracer/process/recorder/ioctls/xe.inc"
};

// Its argument is as long as what is asked: the size in the request says nothing.
constexpr uint32_t kSizeBits = 0x3fff0000;
constexpr Ioctl kNvif = {0xc0006447, "DRM_IOCTL_NOUVEAU_NVIF",
                         "version 0 1,type 1 1,owner 4 1,route 5 1,token 8 8,object 16 8"};

// The text up to `end`, and what stands behind it.
std::string_view cut(std::string_view* text, char end) {
  const size_t at = std::min(text->find(end), text->size());
  const std::string_view part = text->substr(0, at);
  text->remove_prefix(std::min(at + 1, text->size()));
  return part;
}

size_t number(std::string_view text) {
  size_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

const Ioctl* find_ioctl(uint32_t request) {
  for (const Ioctl& entry : kIoctls) {
    if (entry.request == request) return &entry;
  }
  if ((request & ~kSizeBits) == kNvif.request) return &kNvif;
  // A structure grows with the kernel, and its ioctl stays the same one. Where each driver has numbers of its
  // own only the size tells them apart.
  const uint32_t type = request >> 8 & 0xff, number = request & 0xff;
  if (type == 'd' && number >= 0x40 && number < 0xa0) return nullptr;
  for (const Ioctl& entry : kIoctls) {
    if ((entry.request & ~kSizeBits) == (request & ~kSizeBits)) return &entry;
  }
  return nullptr;
}

std::string describe_argument(const Ioctl& ioctl, Bytes argument) {
  std::string out = "{";
  for (std::string_view rest = ioctl.fields; !rest.empty();) {
    std::string_view field = cut(&rest, ',');
    const std::string_view name = cut(&field, ' ');
    const size_t offset = number(cut(&field, ' ')), bytes = number(field);
    if (offset + bytes > argument.size()) continue;
    if (out.size() > 1) out += ' ';
    out += fmt::format("{}=0x", name);
    if (bytes <= 8) {
      uint64_t value = 0;
      std::memcpy(&value, argument.data() + offset, bytes);
      out += fmt::format("{:x}", value);
    } else {
      for (const std::byte b : argument.subspan(offset, bytes))
        out += fmt::format("{:02x}", static_cast<uint8_t>(b));
    }
  }
  return out + "}";
}

}  // namespace gpuvm
