#include "emulator/card/surface_blit.h"

#include <algorithm>
#include <cstring>

#include "emulator/card/shader_memory.h"
#include "emulator/shader/float_math.h"
#include "emulator/shader/texture_sampling.h"

namespace gpuvm {
namespace {

using shader::as_bits;
using shader::as_float;
using Components = std::array<uint32_t, 4>;

constexpr uint32_t kPiece = 64;  // pixels between two looks at the limit

class Blitter {
 public:
  Blitter(MethodContext& context, const SurfaceBlit& blit)
      : context_(context), blit_(blit), reader_(memory_, counters_) {
    memory_.set_turn(context);
  }

  std::optional<MmuFault> run(CopyProgress& progress) {
    const uint32_t width = blit_.area.right - blit_.area.left, height = blit_.area.bottom - blit_.area.top;
    for (; progress.line < height; ++progress.line, progress.bytes = 0) {
      while (progress.bytes < width) {
        if (context_.exhausted()) {
          context_.again = true;
          return std::nullopt;
        }
        context_.cost += kCostOfAccess;
        const auto end = static_cast<uint32_t>(std::min<uint64_t>(progress.bytes + kPiece, width));
        for (auto x = static_cast<uint32_t>(progress.bytes); x < end; ++x) {
          if (auto fault = draw(x, progress.line)) return fault;
        }
        progress.bytes = end;
      }
    }
    progress = {};
    return std::nullopt;
  }

 private:
  std::optional<MmuFault> draw(uint32_t x, uint32_t y) {
    // Sums of what a guest chooses: they may wrap.
    const auto along = [](int64_t start, int64_t step, uint32_t n) {
      return static_cast<int64_t>(static_cast<uint64_t>(start) + static_cast<uint64_t>(step) * n);
    };
    const int64_t u = along(blit_.u, blit_.du, x), v = along(blit_.v, blit_.dv, y);
    shader::Pixel pixel{};
    if (blit_.from_format == nullptr) {
      pixel = read(u >> 32, v >> 32);
    } else {
      pixel = shader::pack(*blit_.to_format, blit_.linear ? mixed(u, v) : components(u >> 32, v >> 32));
    }
    if (memory_.fault()) return memory_.fault();
    const uint64_t at = blit_.to.at(uint64_t{blit_.area.left + x} * blit_.to_bytes, blit_.area.top + y);
    if (blit_.operation) {
      if (auto fault = join(pixel[0], at)) return fault;
    }
    return context_.memory.write(context_.space, at, std::as_bytes(std::span(pixel)).first(blit_.to_bytes));
  }

  std::optional<MmuFault> join(uint32_t& pixel, uint64_t at) {
    uint32_t old = 0;
    if (auto fault = context_.memory.read(context_.space, at, std::as_writable_bytes(std::span(&old, 1))))
      return fault;
    uint32_t result = 0;
    for (unsigned n = 0; n < 8; ++n) {
      if (((*blit_.operation >> n) & 1) == 0) continue;
      result |= ((n & 4) != 0 ? blit_.pattern : ~blit_.pattern) & ((n & 2) != 0 ? pixel : ~pixel) &
                ((n & 1) != 0 ? old : ~old);
    }
    pixel = result;
    return std::nullopt;
  }

  shader::Pixel read(int64_t x, int64_t y) {
    const auto inside = [](int64_t at, uint32_t size) {
      return static_cast<uint32_t>(std::clamp<int64_t>(at, 0, int64_t{size} - 1));
    };
    shader::Pixel pixel{};
    reader_.read(
        blit_.from.at(uint64_t{inside(x, blit_.from_width)} * blit_.from_bytes, inside(y, blit_.from_height)),
        std::as_writable_bytes(std::span(pixel)).first(blit_.from_bytes));
    return pixel;
  }

  // As the destination's format wants them: floats or integers.
  Components components(int64_t x, int64_t y) {
    Components out = shader::unpack(*blit_.from_format, read(x, y));
    // A single red component stands for all three.
    if (blit_.from_format->only_red()) out[1] = out[2] = out[0];
    if (blit_.factors) {
      static constexpr unsigned kShift[4] = {16, 8, 0, 24};
      for (unsigned i = 0; i < 4; ++i)
        out[i] = as_bits(as_float(out[i]) * static_cast<float>(*blit_.factors >> kShift[i] & 0xff) / 255);
    }
    return out;
  }

  Components mixed(int64_t u, int64_t v) {
    constexpr int64_t kHalf = int64_t{1} << 31;
    if (blit_.corner) {
      u -= std::min(u, kHalf);
      v -= std::min(v, kHalf);
    }
    const auto fraction = [](int64_t at) { return static_cast<double>(at & 0xffffffff) * 0x1p-32; };
    const double a = fraction(u), b = fraction(v);
    std::array<double, 4> sum{};
    for (unsigned corner = 0; corner < 4; ++corner) {
      const double weight = ((corner & 1) != 0 ? a : 1 - a) * ((corner & 2) != 0 ? b : 1 - b);
      if (weight == 0) continue;
      const Components part = components((u >> 32) + (corner & 1), (v >> 32) + (corner >> 1));
      for (unsigned i = 0; i < 4; ++i) sum[i] += weight * as_float(part[i]);
    }
    Components out;
    for (unsigned i = 0; i < 4; ++i) out[i] = as_bits(static_cast<float>(sum[i]));
    return out;
  }

  MethodContext& context_;
  const SurfaceBlit& blit_;
  ShaderMemory memory_;
  ShaderCounters counters_;  // of shaders; nobody asks for a blit's
  shader::TexelReader reader_;
};

}  // namespace

std::optional<MmuFault> blit_surface(MethodContext& context, const SurfaceBlit& blit,
                                     CopyProgress& progress) {
  if (blit.area.empty() || blit.from_width == 0 || blit.from_height == 0) return std::nullopt;
  const uint64_t line = uint64_t{blit.area.right - blit.area.left} * blit.to_bytes;
  const uint64_t lines = blit.area.bottom - blit.area.top;
  if (line > kMaxOperationBytes || lines > kMaxOperationLines || line * lines > kMaxOperationBytes)
    return MmuFault{blit.to.address, FaultReason::kLimit, true};
  return Blitter(context, blit).run(progress);
}

}  // namespace gpuvm
