#include "emulator/card/surface_fill.h"

#include <algorithm>
#include <cstring>

namespace gpuvm {
namespace {

using Block = std::array<std::byte, GpuMemory::kPiece>;

// Every pixel size divides a block of this, so a run that starts at a pixel's start is a part of it.
Block repeated(const std::array<uint32_t, 4>& pixel, uint32_t pixel_bytes) {
  Block block;
  for (size_t at = 0; at < block.size(); at += pixel_bytes)
    std::memcpy(&block[at], pixel.data(), pixel_bytes);
  return block;
}

class Filler {
 public:
  Filler(MethodContext& context, const SurfaceFill& fill)
      : context_(context),
        fill_(fill),
        line_bytes_(uint64_t{fill.width} * fill.pixel_bytes),
        pattern_(repeated(fill.pixel, fill.pixel_bytes)),
        mask_(repeated(fill.mask, fill.pixel_bytes)),
        whole_(std::ranges::all_of(mask_, [](std::byte b) { return b == std::byte{0xff}; })) {}

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
    // A run longer than what is left of the block is cut: the phase repeats with every pixel.
    std::array<std::byte, GpuMemory::kPiece + 16> merged;
    const auto out = std::span(merged).first(bytes);
    if (!whole_) {
      if (auto fault = context_.memory.read(context_.space, at, out)) return fault;
    }
    for (uint64_t i = 0; i < bytes;) {
      const uint64_t from = (phase + i) % pattern_.size();
      const uint64_t run = std::min(bytes - i, pattern_.size() - from);
      if (whole_) {
        std::memcpy(&out[i], &pattern_[from], run);
      } else {
        for (uint64_t n = 0; n < run; ++n)
          out[i + n] = (out[i + n] & ~mask_[from + n]) | (pattern_[from + n] & mask_[from + n]);
      }
      i += run;
    }
    return context_.memory.write(context_.space, at, out);
  }

  MethodContext& context_;
  const SurfaceFill& fill_;
  uint64_t line_bytes_;
  Block pattern_, mask_;
  bool whole_;
};

}  // namespace

std::optional<MmuFault> fill_surface(MethodContext& context, const SurfaceFill& fill,
                                     CopyProgress& progress) {
  const uint64_t bytes = uint64_t{fill.width} * fill.pixel_bytes * fill.height;
  if (bytes == 0) return std::nullopt;
  if (uint64_t{fill.width} * fill.pixel_bytes > kMaxOperationBytes || bytes > kMaxOperationBytes ||
      fill.height > kMaxOperationLines)
    return MmuFault{fill.to.address, FaultReason::kLimit, true};
  return Filler(context, fill).run(progress);
}

}  // namespace gpuvm
