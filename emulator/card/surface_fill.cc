#include "emulator/card/surface_fill.h"

#include <algorithm>
#include <cstring>

namespace gpuvm {
namespace {

constexpr size_t kMaxPixelBytes = 16;
// A piece, from any byte of a pixel on.
using Block = std::array<std::byte, GpuMemory::kPiece + kMaxPixelBytes>;

void repeat(Block& block, const std::array<uint32_t, 4>& pixel, size_t pixel_bytes) {
  std::memcpy(block.data(), pixel.data(), pixel_bytes);
  for (size_t filled = pixel_bytes; filled < block.size(); filled *= 2)
    std::memcpy(block.data() + filled, block.data(), std::min(filled, block.size() - filled));
}

class Filler {
 public:
  // `mask`: of a pixel, its first `fill.pixel_bytes`.
  Filler(MethodContext& context, const SurfaceFill& fill, std::span<const std::byte> mask)
      : context_(context),
        fill_(fill),
        line_bytes_(uint64_t{fill.width} * fill.pixel_bytes),
        whole_(std::ranges::all_of(mask, [](std::byte b) { return b == std::byte{0xff}; })) {
    repeat(pattern_, fill.pixel, fill.pixel_bytes);
    if (!whole_) repeat(mask_, fill.mask, fill.pixel_bytes);
  }

  std::optional<MmuFault> run(CopyProgress& progress) {
    while (progress.line < fill_.height) {
      if (progress.bytes == 0) context_.cost += kCostOfAccess;
      // Whole GOBs go as they lie in memory, eight lines at once.
      const bool gobs = covers_gobs(progress.line);
      while (progress.bytes < line_bytes_) {
        if (context_.exhausted()) {
          context_.again = true;
          return std::nullopt;
        }
        const uint64_t at = fill_.to.at(progress.bytes, progress.line);
        const bool gob = gobs && covers_gob(progress.bytes);
        const uint64_t run =
            gob ? kGobSize : std::min(line_bytes_ - progress.bytes, fill_.to.run(progress.bytes));
        const uint64_t piece = GpuMemory::piece(at, 0, run);
        if (auto fault = write(at, progress.bytes % fill_.pixel_bytes, piece)) return fault;
        progress.bytes += gob ? BlockLinear::kGobBytes : piece;
      }
      progress.line += gobs ? BlockLinear::kGobLines : 1;
      progress.bytes = 0;
    }
    progress = {};
    return std::nullopt;
  }

 private:
  static constexpr uint64_t kGobSize = BlockLinear::kGobBytes * BlockLinear::kGobLines;

  // A band of eight lines is done at once only if all of it is whole GOBs.
  bool covers_gobs(uint32_t line) const {
    return !fill_.to.linear && (fill_.to.y + line) % BlockLinear::kGobLines == 0 &&
           fill_.height - line >= BlockLinear::kGobLines && fill_.to.x % BlockLinear::kGobBytes == 0 &&
           line_bytes_ % BlockLinear::kGobBytes == 0 && fill_.to.address % kGobSize == 0;
  }
  bool covers_gob(uint64_t byte) const { return byte % BlockLinear::kGobBytes == 0; }

  // `phase`: of the first byte in its pixel.
  std::optional<MmuFault> write(uint64_t at, uint64_t phase, uint64_t bytes) {
    const auto pattern = std::span(pattern_).subspan(phase, bytes);
    if (whole_) return context_.memory.write(context_.space, at, pattern);
    std::array<std::byte, GpuMemory::kPiece> merged;
    const auto out = std::span(merged).first(bytes);
    if (auto fault = context_.memory.read(context_.space, at, out)) return fault;
    for (uint64_t i = 0; i < bytes; ++i) {
      const std::byte mask = mask_[phase + i];
      out[i] = (out[i] & ~mask) | (pattern[i] & mask);
    }
    return context_.memory.write(context_.space, at, out);
  }

  MethodContext& context_;
  const SurfaceFill& fill_;
  uint64_t line_bytes_;
  bool whole_;
  Block pattern_, mask_;
};

}  // namespace

std::optional<MmuFault> fill_surface(MethodContext& context, const SurfaceFill& fill,
                                     CopyProgress& progress) {
  const uint64_t bytes = uint64_t{fill.width} * fill.pixel_bytes * fill.height;
  const auto mask = std::as_bytes(std::span(fill.mask)).first(fill.pixel_bytes);
  if (bytes == 0 || std::ranges::all_of(mask, [](std::byte b) { return b == std::byte{0}; }))
    return std::nullopt;
  if (uint64_t{fill.width} * fill.pixel_bytes > kMaxOperationBytes || bytes > kMaxOperationBytes ||
      fill.height > kMaxOperationLines)
    return MmuFault{fill.to.address, FaultReason::kLimit, true};
  return Filler(context, fill, mask).run(progress);
}

}  // namespace gpuvm
