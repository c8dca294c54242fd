#include "emulator/card/clear.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "emulator/card/clip_rectangles.h"
#include "emulator/card/condition.h"
#include "emulator/shader/surface_format.h"

namespace gpuvm {
namespace {

constexpr uint32_t kTargets = 0x800, kTargetStride = 0x40;  // of 8 colour targets
constexpr uint32_t kScissors = 0xe00;                       // enable, left and right, top and bottom
constexpr uint32_t kViewportHorizontal = 0xc00;             // x, width; y, height
constexpr uint32_t kColor = 0xd80, kDepth = 0xd90, kStencil = 0xda0;
constexpr uint32_t kZeta = 0xfe0;  // address, format, tile mode, bytes of a layer / 4
constexpr uint32_t kScreenScissor = 0xff4;
constexpr uint32_t kClearFlags = 0x10f8;
constexpr uint32_t kZetaSize = 0x1228, kZetaEnable = 0x1538, kZetaBaseLayer = 0x179c;
constexpr uint32_t kStencilMask = 0x139c;
constexpr uint32_t kMultisampleMode = 0x15d0;

constexpr uint32_t kFlagStencilMask = 1u << 0, kFlagScissor = 1u << 8, kFlagViewport = 1u << 12;
constexpr uint32_t kLinear = 1u << 12, kVolume = 1u << 16;

// Of two registers with the position in the lower half and the size in the upper one.
Rectangle sized(uint32_t x, uint32_t y) {
  return Rectangle::at(x & 0xffff, y & 0xffff, x >> 16, y >> 16);
}
// With the end in the upper half.
Rectangle bounded(uint32_t x, uint32_t y) {
  return {x & 0xffff, y & 0xffff, x >> 16, y >> 16};
}

// Pixels that the state lets a clear reach.
Rectangle reached(const MethodState& state) {
  Rectangle area = sized(state[kScreenScissor], state[kScreenScissor + 4]);
  const uint32_t flags = state[kClearFlags];
  if ((flags & kFlagScissor) != 0 && (state[kScissors] & 1) != 0)
    area.cut(bounded(state[kScissors + 4], state[kScissors + 8]));
  if ((flags & kFlagViewport) != 0)
    area.cut(sized(state[kViewportHorizontal], state[kViewportHorizontal + 4]));
  return area;
}

// Samples of a pixel, as log2 across and down (rnndb g80_msaa_mode).
struct Samples {
  uint8_t x, y;
};
Samples samples_of(uint32_t mode) {
  static constexpr Samples kModes[] = {{0, 0}, {1, 0}, {1, 1}, {2, 1}, {2, 1}, {1, 0},
                                       {2, 2}, {0, 0}, {1, 1}, {1, 1}, {2, 1}, {2, 1}};
  return mode < std::size(kModes) ? kModes[mode] : Samples{0, 0};
}

// Where depth and stencil are in a sample (rnndb G80_ZETA_FORMAT; those without coverage samples).
struct ZetaFormat {
  uint8_t id, bytes;
  uint8_t depth_bits, depth_at;  // 32 bits: a float
  uint8_t stencil_bits, stencil_at;
};
constexpr ZetaFormat kZetaFormats[] = {
    {0x0a, 4, 32, 0, 0, 0},   // Z32_FLOAT
    {0x13, 2, 16, 0, 0, 0},   // Z16
    {0x14, 4, 24, 8, 8, 0},   // S8_Z24
    {0x15, 4, 24, 0, 0, 0},   // Z24_X8
    {0x16, 4, 24, 0, 8, 24},  // Z24_S8
    {0x19, 8, 32, 0, 8, 32},  // Z32_FLOAT, S8_X24
};

uint32_t depth_code(float depth, unsigned bits) {
  if (bits == 32) return std::bit_cast<uint32_t>(depth);
  const double clamped = depth >= 0 ? std::min(double{depth}, 1.0) : 0;  // of NaN as well
  return static_cast<uint32_t>(std::nearbyint(clamped * ((1u << bits) - 1)));
}

void put(SurfaceFill& fill, unsigned at, unsigned bits, uint32_t field) {
  const uint32_t mask = bits == 32 ? ~0u : (1u << bits) - 1;
  fill.pixel[at / 32] |= (field & mask) << (at % 32);
  fill.mask[at / 32] |= mask << (at % 32);
}

}  // namespace

std::optional<MmuFault> Clear::clear(MethodContext& context, const MethodState& state, uint32_t value) {
  // Once a clear, not once a turn: what the query says may change meanwhile.
  if (!colour_done_ && part_ == 0 && !progress_.begun()) {
    bool wanted = true;
    if (auto fault = evaluate_condition(context, state, wanted)) return fault;
    if (!wanted) return std::nullopt;
  }
  if (!colour_done_ && (value & 0x3c) != 0) {
    if (auto fault = colour(context, state, value)) return fault;
    if (context.again) return std::nullopt;
  }
  colour_done_ = true;
  if ((value & 3) != 0) {
    if (auto fault = depth_stencil(context, state, value)) return fault;
    if (context.again) return std::nullopt;
  }
  colour_done_ = false;
  return std::nullopt;
}

std::optional<MmuFault> Clear::paint(MethodContext& context, const MethodState& state, const Target& target,
                                     SurfaceFill fill) {
  const uint32_t width = target.linear ? target.width / fill.pixel_bytes : target.width;
  Rectangle area = reached(state);
  const Samples samples = samples_of(state[kMultisampleMode]);
  area.cut({0, 0, width >> samples.x, target.height >> samples.y});
  const std::vector<Rectangle> parts = clipped(state, area);
  for (; part_ < parts.size(); ++part_) {
    const Rectangle& part = parts[part_];
    fill.width = (part.right - part.left) << samples.x;
    fill.height = (part.bottom - part.top) << samples.y;
    fill.to = {.address = target.address + (target.volume ? 0 : target.layer_bytes * target.layer),
               .pitch = target.linear ? target.width : target.width * fill.pixel_bytes,
               .linear = target.linear,
               .height = target.height,
               .tile_mode = target.tile_mode & 0xfff,
               .z = target.volume ? target.layer : 0,
               .x = (part.left << samples.x) * fill.pixel_bytes,
               .y = part.top << samples.y};
    if (auto fault = fill_surface(context, fill, progress_)) return fault;
    if (context.again) return std::nullopt;
  }
  part_ = 0;
  return std::nullopt;
}

std::optional<MmuFault> Clear::colour(MethodContext& context, const MethodState& state, uint32_t value) {
  const uint32_t base = kTargets + ((value >> 6) & 7) * kTargetStride;
  const uint32_t id = state[base + 0x10];
  if (id == 0) return std::nullopt;  // there is no target
  const shader::SurfaceFormat* format = shader::find_surface_format(id);
  if (format == nullptr) {
    context.work.not_done("3D", "CLEAR_BUFFERS of an unknown format");
    return std::nullopt;
  }
  const uint32_t mode = state[base + 0x14];
  const Target target{.address = state.address(base),
                      .width = state[base + 8],
                      .height = state[base + 12],
                      .tile_mode = mode,
                      .layer_bytes = uint64_t{state[base + 0x1c]} * 4,
                      .layer = state[base + 0x20] + ((value >> 10) & 0x7ff),
                      .linear = (mode & kLinear) != 0,
                      .volume = ((mode | state[base + 0x18]) & kVolume) != 0};
  SurfaceFill fill;
  fill.pixel_bytes = format->bytes();
  fill.pixel =
      shader::pack(*format, {state[kColor], state[kColor + 4], state[kColor + 8], state[kColor + 12]});
  fill.mask = shader::mask_of(*format, (value >> 2) & 0xf);
  return paint(context, state, target, fill);
}

std::optional<MmuFault> Clear::depth_stencil(MethodContext& context, const MethodState& state,
                                             uint32_t value) {
  if ((state[kZetaEnable] & 1) == 0) return std::nullopt;
  const auto* format = std::ranges::find(kZetaFormats, state[kZeta + 8], &ZetaFormat::id);
  if (format == std::end(kZetaFormats)) {
    context.work.not_done("3D", "CLEAR_BUFFERS of an unknown depth format");
    return std::nullopt;
  }
  const Target target{.address = state.address(kZeta),
                      .width = state[kZetaSize],
                      .height = state[kZetaSize + 4],
                      .tile_mode = state[kZeta + 12],
                      .layer_bytes = uint64_t{state[kZeta + 16]} * 4,
                      .layer = state[kZetaBaseLayer] + ((value >> 10) & 0x7ff),
                      .linear = false,
                      .volume = false};
  SurfaceFill fill;
  fill.pixel_bytes = format->bytes;
  fill.mask = {};
  if ((value & 1) != 0)
    put(fill, format->depth_at, format->depth_bits,
        depth_code(std::bit_cast<float>(state[kDepth]), format->depth_bits));
  if ((value & 2) != 0 && format->stencil_bits != 0) {
    put(fill, format->stencil_at, format->stencil_bits, state[kStencil]);
    if ((state[kClearFlags] & kFlagStencilMask) != 0)
      fill.mask[format->stencil_at / 32] &=
          ~(0xffu << (format->stencil_at % 32)) | (state[kStencilMask] & 0xff) << (format->stencil_at % 32);
  }
  return paint(context, state, target, fill);
}

}  // namespace gpuvm
