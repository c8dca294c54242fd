// 2D, class 0x902d: solid rectangles and unscaled copies between pitch-linear surfaces.
// Source: envytools rnndb graph/g80_2d.xml.
#include <algorithm>
#include <array>

#include "emulator/card/engines.h"
#include "emulator/card/method_state.h"
#include "emulator/card/query.h"

namespace gpuvm {
namespace {

constexpr uint32_t kDestination =
    0x200;  // surface: +0 format, +4 linear, +14 pitch, +18 width, +1c height, +20 address
constexpr uint32_t kSource = 0x230;
constexpr uint32_t kClipEnable = 0x290;
constexpr uint32_t kOperation = 0x2ac;
constexpr uint32_t kSourceCopy = 3;
constexpr uint32_t kDrawShape = 0x580;
constexpr uint32_t kDrawColor = 0x588;
constexpr uint32_t kDrawPointX = 0x600;
constexpr uint32_t kDrawSecondPointY = 0x60c;
constexpr uint32_t kBlitX = 0x8b0;
constexpr uint32_t kBlitY = 0x8b4;
constexpr uint32_t kBlitWidth = 0x8b8;
constexpr uint32_t kBlitHeight = 0x8bc;
constexpr uint32_t kBlitDuDx = 0x8c0;  // fraction, whole
constexpr uint32_t kBlitDvDy = 0x8c8;
constexpr uint32_t kBlitSourceX = 0x8d4;
constexpr uint32_t kBlitSourceYInt = 0x8dc;
constexpr uint32_t kShapeRectangles = 4;

// Bytes a pixel of a G80_SURFACE_FORMAT, 0 if this card does not draw it.
uint32_t bytes_per_pixel(uint32_t format) {
  struct Range {
    uint8_t first, last, bytes;
  };
  static constexpr Range kRanges[] = {{0xc0, 0xc5, 16}, {0xc6, 0xce, 8}, {0xcf, 0xe7, 4}, {0xe8, 0xe9, 2},
                                      {0xea, 0xf2, 2},  {0xf3, 0xf7, 1}, {0xf8, 0xf8, 2}, {0xf9, 0xfa, 4},
                                      {0xfb, 0xfc, 2},  {0xfd, 0xfd, 4}};
  for (const Range& r : kRanges) {
    if (format >= r.first && format <= r.last) return r.bytes;
  }
  return 0;
}

class TwodObject : public EngineObject {
 public:
  std::optional<MmuFault> method(MethodContext& context, uint32_t method, uint32_t value) override {
    state_.set(method, value);
    if (method == kDrawSecondPointY) return fill(context);
    if (method == kBlitSourceYInt) return blit(context);
    return std::nullopt;
  }

 private:
  struct Surface {
    uint64_t address;
    uint32_t pitch, width, height, pixel_bytes;
    bool linear;

    uint32_t tile_mode, slice;

    // From a pixel on.
    SurfaceView from(uint32_t x, uint32_t y) const {
      return {.address = address,
              .pitch = linear ? pitch : width * pixel_bytes,
              .linear = linear,
              .height = height,
              .tile_mode = tile_mode,
              .z = slice,
              .x = x * pixel_bytes,
              .y = y};
    }
  };
  Surface surface(uint32_t base) const {
    return {state_.address(base + 0x20),   state_[base + 0x14],   state_[base + 0x18], state_[base + 0x1c],
            bytes_per_pixel(state_[base]), state_[base + 4] != 0, state_[base + 8],    state_[base + 0x10]};
  }
  static bool drawable(const Surface& s) { return s.pixel_bytes != 0; }

  // Source pixels a destination pixel, as a 32.32 fixed-point number: 0 if never set.
  bool scaled() const {
    const auto is_one = [this](uint32_t method) {
      return state_[method] == 0 && (state_[method + 4] == 1 || state_[method + 4] == 0);
    };
    return !is_one(kBlitDuDx) || !is_one(kBlitDvDy);
  }

  // What is done as if it had not been asked for.
  void count_ignored(MethodContext& context) const {
    if ((state_[kClipEnable] & 1) != 0) context.work.not_done("2D", "the clip rectangle");
    if (const uint32_t operation = state_[kOperation]; operation != 0 && operation != kSourceCopy)
      context.work.not_done("2D", "a raster operation or blending");
  }

  std::optional<MmuFault> fill(MethodContext& context) {
    const Surface to = surface(kDestination);
    if (progress_.line == 0 && progress_.bytes == 0) count_ignored(context);
    if (state_[kDrawShape] != kShapeRectangles || !drawable(to) || to.pixel_bytes > 4) {
      context.work.not_done("2D", "a fill of this shape or format");
      return std::nullopt;
    }
    const uint32_t left = std::min(state_[kDrawPointX], to.width);
    const uint32_t top = std::min(state_[kDrawPointX + 4], to.height);
    const uint32_t right = std::min(state_[kDrawPointX + 8], to.width);
    const uint32_t bottom = std::min(state_[kDrawPointX + 12], to.height);
    if (left >= right || top >= bottom) return std::nullopt;
    const uint64_t line_bytes = uint64_t{right - left} * to.pixel_bytes;
    const uint64_t lines = bottom - top;
    if (line_bytes * lines > kMaxOperationBytes || lines > kMaxOperationLines)
      return MmuFault{to.address, FaultReason::kLimit, true};

    // A page and a pixel of it, to begin at any byte of a pixel.
    const uint32_t color = state_[kDrawColor];
    const auto pixel = std::as_bytes(std::span(&color, 1)).first(to.pixel_bytes);
    std::array<std::byte, GpuMemory::kPiece + sizeof color> pattern;
    for (size_t i = 0; i < pattern.size(); ++i) pattern[i] = pixel[i % pixel.size()];
    for (; progress_.line < lines; ++progress_.line, progress_.bytes = 0) {
      if (progress_.bytes == 0) context.cost += kCostOfAccess;
      while (progress_.bytes < line_bytes) {
        if (context.exhausted()) {
          context.again = true;
          return std::nullopt;
        }
        const SurfaceView view = to.from(left, top);
        const uint64_t at = view.at(progress_.bytes, progress_.line);
        const uint64_t run = std::min(line_bytes - progress_.bytes, view.run(progress_.bytes));
        const uint64_t piece = GpuMemory::piece(at, 0, run);
        const auto bytes = std::span(pattern).subspan(progress_.bytes % pixel.size(), piece);
        if (auto fault = context.memory.write(context.space, at, bytes)) return fault;
        progress_.bytes += piece;
      }
    }
    progress_ = {};
    return std::nullopt;
  }

  std::optional<MmuFault> blit(MethodContext& context) {
    const Surface from = surface(kSource);
    const Surface to = surface(kDestination);
    if (progress_.line == 0 && progress_.bytes == 0) count_ignored(context);
    if (!drawable(from) || !drawable(to) || state_[kSource] != state_[kDestination] || scaled()) {
      context.work.not_done("2D", "a blit that scales or converts");
      return std::nullopt;
    }
    const uint32_t x = state_[kBlitX], y = state_[kBlitY];
    const uint32_t source_x = state_[kBlitSourceX], source_y = state_[kBlitSourceYInt];
    if (x >= to.width || y >= to.height || source_x >= from.width || source_y >= from.height)
      return std::nullopt;
    const uint32_t width = std::min({state_[kBlitWidth], to.width - x, from.width - source_x});
    const uint32_t height = std::min({state_[kBlitHeight], to.height - y, from.height - source_y});
    if (uint64_t{width} * to.pixel_bytes > kMaxOperationBytes)
      return MmuFault{to.address, FaultReason::kLimit, true};
    return copy_lines(context, {from.from(source_x, source_y), to.from(x, y), width * to.pixel_bytes, height},
                      progress_);
  }

  MethodState state_;
  CopyProgress progress_;
};

}  // namespace

std::unique_ptr<EngineObject> make_twod_object(ChannelParts&) {
  return std::make_unique<TwodObject>();
}

}  // namespace gpuvm
