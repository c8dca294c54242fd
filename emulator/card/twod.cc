// 2D, class 0x902d: solid rectangles and unscaled copies between pitch-linear surfaces.
// Source: envytools rnndb graph/g80_2d.xml.
#include "emulator/card/engines.h"
#include "emulator/card/method_state.h"
#include "emulator/card/query.h"
#include "emulator/card/rectangle.h"
#include "emulator/card/surface_fill.h"

namespace gpuvm {
namespace {

constexpr uint32_t kDestination =
    0x200;  // surface: +0 format, +4 linear, +14 pitch, +18 width, +1c height, +20 address
constexpr uint32_t kSource = 0x230;
constexpr uint32_t kClipX = 0x280;  // y, width, height
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

  // What of the destination may be written.
  Rectangle reached(const Surface& to) const {
    Rectangle area{0, 0, to.width, to.height};
    if ((state_[kClipEnable] & 1) != 0)
      area.cut(Rectangle::at(state_[kClipX], state_[kClipX + 4], state_[kClipX + 8], state_[kClipX + 12]));
    return area;
  }

  // What is done as if it had not been asked for.
  void count_ignored(MethodContext& context) const {
    if (const uint32_t operation = state_[kOperation];
        !progress_.begun() && operation != 0 && operation != kSourceCopy)
      context.work.not_done("2D", "a raster operation or blending");
  }

  std::optional<MmuFault> fill(MethodContext& context) {
    const Surface to = surface(kDestination);
    count_ignored(context);
    if (state_[kDrawShape] != kShapeRectangles || !drawable(to) || to.pixel_bytes > 4) {
      context.work.not_done("2D", "a fill of this shape or format");
      return std::nullopt;
    }
    Rectangle area{state_[kDrawPointX], state_[kDrawPointX + 4], state_[kDrawPointX + 8],
                   state_[kDrawPointX + 12]};
    area.cut(reached(to));
    if (area.empty()) return std::nullopt;
    return fill_surface(context,
                        {.to = to.from(area.left, area.top),
                         .pixel_bytes = to.pixel_bytes,
                         .width = area.right - area.left,
                         .height = area.bottom - area.top,
                         .pixel = {state_[kDrawColor]}},
                        progress_);
  }

  std::optional<MmuFault> blit(MethodContext& context) {
    const Surface from = surface(kSource);
    const Surface to = surface(kDestination);
    count_ignored(context);
    if (!drawable(from) || !drawable(to) || state_[kSource] != state_[kDestination] || scaled()) {
      context.work.not_done("2D", "a blit that scales or converts");
      return std::nullopt;
    }
    // A destination pixel's source is as far from it everywhere.
    const int64_t right = int64_t{state_[kBlitSourceX]} - state_[kBlitX];
    const int64_t down = int64_t{state_[kBlitSourceYInt]} - state_[kBlitY];
    Rectangle area = Rectangle::at(state_[kBlitX], state_[kBlitY], state_[kBlitWidth], state_[kBlitHeight]);
    area.cut(reached(to));
    area.cut(Rectangle{0, 0, from.width, from.height}.moved(-right, -down));
    if (area.empty()) return std::nullopt;
    const uint64_t line_bytes = uint64_t{area.right - area.left} * to.pixel_bytes;
    if (line_bytes > kMaxOperationBytes) return MmuFault{to.address, FaultReason::kLimit, true};
    return copy_lines(
        context,
        {from.from(static_cast<uint32_t>(area.left + right), static_cast<uint32_t>(area.top + down)),
         to.from(area.left, area.top), static_cast<uint32_t>(line_bytes), area.bottom - area.top},
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
