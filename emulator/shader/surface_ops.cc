// Images by coordinates: loads, stores and addresses. Mesa makes of three dimensions two before it comes to
// these.
#include "emulator/memory/block_linear.h"
#include "emulator/shader/executor.h"
#include "emulator/shader/executors.h"
#include "emulator/shader/global_access.h"
#include "emulator/shader/surface_format.h"

namespace gpuvm::shader {
namespace {

constexpr unsigned kElementBytes[8] = {1, 1, 2, 2, 4, 8, 16, 0};

// What an instruction addresses: `inside` are the lanes whose coordinates are.
struct Places {
  Addresses at{};
  uint32_t inside = 0;
};

// `step`: bytes that a unit of x stands for. `bytes`: of an element.
Places places(Executor& e, const Instruction& i, uint32_t mask, const Image& image, unsigned step,
              unsigned bytes) {
  const unsigned form = bits(i.word, 44, 2);  // dimensions - 1; 3: two, and an offset of 256-byte units
  const Lanes& x = e.warp().reg(i.a);
  const auto coordinate = [&](unsigned n) -> const Lanes& {
    const unsigned index = i.a + n;
    return e.warp().reg(i.a == kZeroRegister || index >= kZeroRegister ? kZeroRegister : index);
  };
  const SurfaceFormat* format = find_surface_format(image.format);
  const uint64_t line_bytes =
      image.linear ? image.width : uint64_t{image.width} * (format != nullptr ? format->bytes() : 4);
  const BlockLinear layout{static_cast<uint32_t>(line_bytes), image.height, image.tile_mode};
  Places result;
  if (image.address == 0) return result;
  for (unsigned l = 0; l < kLanes; ++l) {
    if (((mask >> l) & 1) == 0) continue;
    const uint64_t first = uint64_t{x[l]} * step;
    const uint32_t y = form >= 1 ? coordinate(1)[l] : 0;
    if (first + bytes > line_bytes || y >= std::max(image.height, 1u)) continue;
    const uint64_t layer = form == 3 ? uint64_t{coordinate(2)[l]} << 8 : 0;
    const uint64_t offset =
        image.linear ? uint64_t{y} * line_bytes + first : layout.offset(static_cast<uint32_t>(first), y, 0);
    result.at[l] = image.address + layer + offset;
    result.inside |= 1u << l;
  }
  return result;
}

const Image* image_of(Executor& e, const Instruction& i, uint32_t mask) {
  if (mask == 0) return nullptr;
  const auto first = static_cast<unsigned>(std::countr_zero(mask));
  const uint32_t slot = bit(i.word, 46) ? bits(i.word, 26, 6) : e.warp().reg(i.b)[first];
  if (slot < e.launch.images.size()) return &e.launch.images[slot];
  e.fail(Trap::Kind::kIllegalInstruction);
  return nullptr;
}

}  // namespace

void execute_sulea(Executor& e, const Instruction& i, uint32_t mask) {
  const unsigned bytes = kElementBytes[bits(i.word, 5, 3)];
  const Image* image = image_of(e, i, mask);
  if (image == nullptr) return;
  const Places found = places(e, i, mask, *image, 1, std::max(bytes, 1u));
  Lanes low{}, high{};
  for (unsigned l = 0; l < kLanes; ++l) {
    low[l] = static_cast<uint32_t>(found.at[l]);
    high[l] = static_cast<uint32_t>(found.at[l] >> 32);
  }
  e.warp().set(i.destination, low, mask);
  e.set_pair_high(i.destination, high, mask);
  // True where there is nothing.
  e.warp().set_predicate(bits(i.word, 54, 3), ~found.inside, mask);
}

void execute_suld(Executor& e, const Instruction& i, uint32_t mask) {
  const unsigned bytes = kElementBytes[bits(i.word, 5, 3)];
  if (bytes == 0) return e.fail(Trap::Kind::kIllegalInstruction);
  const Image* image = image_of(e, i, mask);
  if (image == nullptr) return;
  const Places found = places(e, i, mask, *image, 1, bytes);
  const unsigned words = std::max(bytes / 4, 1u);
  const auto set = [&](unsigned lane, const Element& element) {
    for (unsigned n = 0; n < words; ++n) e.warp().set_lane(i.destination + n, lane, element[n]);
  };
  for (unsigned l = 0; l < kLanes; ++l) {
    if (((mask & ~found.inside) >> l) & 1) set(l, {});
  }
  const bool is_signed = bytes < 4 && bit(i.word, 5);
  load_elements(e, found.inside, found.at, bytes, [&](unsigned lane, Element element) {
    const unsigned unused = bytes < 4 ? 32 - 8 * bytes : 0;
    if (is_signed) element[0] = static_cast<uint32_t>(static_cast<int32_t>(element[0] << unused) >> unused);
    set(lane, element);
  });
}

void execute_sust(Executor& e, const Instruction& i, uint32_t mask) {
  const Image* image = image_of(e, i, mask);
  if (image == nullptr) return;
  const auto component = [&](unsigned lane, unsigned n) {
    return e.warp().reg(std::min<unsigned>(i.destination + n, kZeroRegister))[lane];
  };
  const unsigned raw = kElementBytes[bits(i.word, 5, 3)];
  const unsigned components = bits(i.word, 49, 4);
  if (components == 0) {
    // Bytes as they are.
    if (raw == 0) return e.fail(Trap::Kind::kIllegalInstruction);
    const Places found = places(e, i, mask, *image, 1, raw);
    return store_elements(e, found.inside, found.at, raw, [&](unsigned l) {
      return Element{component(l, 0), component(l, 1), component(l, 2), component(l, 3)};
    });
  }
  if (image->address == 0) return;
  const SurfaceFormat* format = find_surface_format(image->format);
  if (format == nullptr) return e.fail(Trap::Kind::kIllegalInstruction);
  const Places found = places(e, i, mask, *image, format->bytes(), format->bytes());
  store_elements(e, found.inside, found.at, format->bytes(), [&](unsigned l) -> Element {
    return pack(*format, {component(l, 0), component(l, 1), component(l, 2), component(l, 3)});
  });
}

}  // namespace gpuvm::shader
