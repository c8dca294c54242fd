// 2D, class 0x902d: solid rectangles, and copies that may stretch, mirror, convert and mask.
// Sources: envytools rnndb graph/g80_2d.xml, Mesa nvc0_surface.c.
#include "emulator/card/condition.h"
#include "emulator/card/engines.h"
#include "emulator/card/method_state.h"
#include "emulator/card/query.h"
#include "emulator/card/rectangle.h"
#include "emulator/card/surface_blit.h"
#include "emulator/card/surface_fill.h"

namespace gpuvm {
namespace {

constexpr uint32_t kDestination =
    0x200;  // surface: +0 format, +4 linear, +14 pitch, +18 width, +1c height, +20 address
constexpr uint32_t kSource = 0x230;
constexpr uint32_t kClipX = 0x280;  // y, width, height
constexpr uint32_t kClipEnable = 0x290;
constexpr uint32_t kCondition = 0x264;  // address, mode
constexpr uint32_t kRasterOperation = 0x2a0, kFactors = 0x2a8;
constexpr uint32_t kOperation = 0x2ac;
constexpr uint32_t kSourceCopy = 3, kRasterOperationOnly = 4, kSourceTimesFactors = 5;
constexpr uint32_t kPatternFormat = 0x2e8, kPatternOf32Bits = 2;
constexpr uint32_t kPatternColors = 0x2f0, kPatternBitmap = 0x2f8;
constexpr uint32_t kDrawShape = 0x580;
constexpr uint32_t kDrawColor = 0x588;
constexpr uint32_t kDrawPointX = 0x600;
constexpr uint32_t kDrawSecondPointY = 0x60c;
constexpr uint32_t kBlitControl = 0x88c, kFromCorner = 1u << 0, kLinear = 1u << 4;
constexpr uint32_t kBlitX = 0x8b0;
constexpr uint32_t kBlitY = 0x8b4;
constexpr uint32_t kBlitWidth = 0x8b8;
constexpr uint32_t kBlitHeight = 0x8bc;
constexpr uint32_t kBlitDuDx = 0x8c0;  // fraction, whole
constexpr uint32_t kBlitDvDy = 0x8c8;
constexpr uint32_t kBlitSourceX = 0x8d0;  // fraction, whole
constexpr uint32_t kBlitSourceY = 0x8d8, kBlitSourceYInt = 0x8dc;
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
  TwodObject() { state_.set(kCondition + 8, kConditionAlways); }

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

  // A whole number and 32 bits of fraction.
  int64_t fixed(uint32_t fraction) const {
    return static_cast<int64_t>(uint64_t{state_[fraction + 4]} << 32 | state_[fraction]);
  }
  // Source pixels a destination pixel; 0 is what a fresh object has, and stands for one.
  int64_t step(uint32_t fraction) const {
    const int64_t value = fixed(fraction);
    return value == 0 ? kOne : value;
  }
  static constexpr int64_t kOne = int64_t{1} << 32;

  // What of the destination may be written.
  Rectangle reached(const Surface& to) const {
    Rectangle area{0, 0, to.width, to.height};
    if ((state_[kClipEnable] & 1) != 0)
      area.cut(Rectangle::at(state_[kClipX], state_[kClipX + 4], state_[kClipX + 8], state_[kClipX + 12]));
    return area;
  }

  uint32_t operation() const { return state_[kOperation] == 0 ? kSourceCopy : state_[kOperation]; }

  std::optional<MmuFault> fill(MethodContext& context) {
    const Surface to = surface(kDestination);
    if (!progress_.begun() && operation() != kSourceCopy)
      context.work.not_done("2D", "a fill with a raster operation or blending");
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
    // Once a blit, not once a turn: what the query says may change meanwhile.
    if (!progress_.begun()) {
      bool wanted = true;
      if (auto fault = evaluate_condition(context, state_, wanted, kCondition)) return fault;
      if (!wanted) return std::nullopt;
    }
    const Surface from = surface(kSource);
    const Surface to = surface(kDestination);
    if (!drawable(from) || !drawable(to)) {
      context.work.not_done("2D", "a blit of an unknown format");
      return std::nullopt;
    }
    const bool one_to_one = step(kBlitDuDx) == kOne && step(kBlitDvDy) == kOne;
    const bool whole = state_[kBlitSourceX] == 0 && state_[kBlitSourceY] == 0;
    const bool as_it_is = state_[kSource] == state_[kDestination] && operation() == kSourceCopy;
    if (one_to_one && as_it_is && (whole || (state_[kBlitControl] & kLinear) == 0))
      return copy(context, from, to);
    return convert(context, from, to);
  }

  Rectangle blit_area(const Surface& to) const {
    Rectangle area = Rectangle::at(state_[kBlitX], state_[kBlitY], state_[kBlitWidth], state_[kBlitHeight]);
    area.cut(reached(to));
    return area;
  }

  std::optional<MmuFault> copy(MethodContext& context, const Surface& from, const Surface& to) {
    // A destination pixel's source is as far from it everywhere.
    const int64_t right = int64_t{state_[kBlitSourceX + 4]} - state_[kBlitX];
    const int64_t down = int64_t{state_[kBlitSourceYInt]} - state_[kBlitY];
    Rectangle area = blit_area(to);
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

  std::optional<MmuFault> convert(MethodContext& context, const Surface& from, const Surface& to) {
    SurfaceBlit blit;
    blit.from = from.from(0, 0);
    blit.to = to.from(0, 0);
    blit.from_width = from.width;
    blit.from_height = from.height;
    blit.from_bytes = from.pixel_bytes;
    blit.to_bytes = to.pixel_bytes;
    blit.area = blit_area(to);
    blit.du = step(kBlitDuDx);
    blit.dv = step(kBlitDvDy);
    const auto first = [](int64_t start, int64_t step, uint32_t cut) {
      return static_cast<int64_t>(static_cast<uint64_t>(start) + static_cast<uint64_t>(step) * cut);
    };
    blit.u = first(fixed(kBlitSourceX), blit.du, blit.area.left - state_[kBlitX]);
    blit.v = first(fixed(kBlitSourceY), blit.dv, blit.area.top - state_[kBlitY]);
    blit.corner = (state_[kBlitControl] & kFromCorner) != 0;
    if (const char* missing = prepare(blit, state_[kSource], state_[kDestination])) {
      context.work.not_done("2D", missing);
      return std::nullopt;
    }
    return blit_surface(context, blit, progress_);
  }

  // What becomes of a pixel on its way. Returns what of it is not modelled.
  const char* prepare(SurfaceBlit& blit, uint32_t from_format, uint32_t to_format) const {
    switch (operation()) {
      case kSourceCopy:
        break;
      case kSourceTimesFactors:
        blit.factors = state_[kFactors];
        break;
      case kRasterOperationOnly: {
        const uint32_t bitmap = state_[kPatternBitmap];
        const bool plain = state_[kPatternBitmap + 4] == bitmap && (bitmap == 0 || bitmap == ~0u);
        if (!plain || state_[kPatternFormat] != kPatternOf32Bits || blit.to_bytes != 4 ||
            from_format != to_format)
          return "a raster operation with a pattern or other than of 32 bits";
        blit.operation = static_cast<uint8_t>(state_[kRasterOperation]);
        blit.pattern = state_[kPatternColors + (bitmap != 0 ? 4 : 0)];
        break;
      }
      default:
        return "blending";
    }
    const shader::SurfaceFormat* from = shader::find_surface_format(from_format);
    const shader::SurfaceFormat* to = shader::find_surface_format(to_format);
    blit.linear = (state_[kBlitControl] & kLinear) != 0 && from != nullptr && !from->integer();
    if (from_format == to_format && !blit.linear && !blit.factors) return nullptr;  // bits as they are
    if (from == nullptr || to == nullptr || from->integer() != to->integer() ||
        (blit.factors && to->integer()))
      return "a blit between formats that it does not convert";
    blit.from_format = from;
    blit.to_format = to;
    return nullptr;
  }

  MethodState state_;
  CopyProgress progress_;
};

}  // namespace

std::unique_ptr<EngineObject> make_twod_object(ChannelParts&) {
  return std::make_unique<TwodObject>();
}

}  // namespace gpuvm
