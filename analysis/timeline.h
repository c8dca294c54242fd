// Counts over time, or over the order of accesses, in a fixed number of bins, for a stream whose length is
// not known beforehand.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace gpuvm {

// What a timeline tells apart.
enum class Lane : uint8_t { kRegisters, kPramin, kBar1, kBar3, kOther, kDma, kInterrupt };
inline constexpr size_t kLanes = 7;

class Timeline {
 public:
  static constexpr size_t kBins = 480;
  using Bin = std::array<uint64_t, kLanes>;

  explicit Timeline(uint64_t finest_bin = 1) : bin_width_(finest_bin) {}

  // Places before the first one count as the first.
  void add(uint64_t place, Lane lane) {
    if (bins_.empty()) start_ = place;
    const uint64_t since = place < start_ ? 0 : place - start_;
    while (since / bin_width_ >= kBins) halve();
    const size_t bin = since / bin_width_;
    if (bin >= bins_.size()) bins_.resize(bin + 1);
    ++bins_[bin][static_cast<size_t>(lane)];
  }

  uint64_t start() const { return start_; }
  uint64_t bin_width() const { return bin_width_; }
  const std::vector<Bin>& bins() const { return bins_; }

 private:
  // Twice the width in half the bins; never more than 64 times, since 480 bins of 2^56 hold any place.
  void halve() {
    for (size_t i = 0; i < bins_.size(); ++i) {
      if (i % 2 == 0) {
        bins_[i / 2] = bins_[i];
      } else {
        for (size_t lane = 0; lane < kLanes; ++lane) bins_[i / 2][lane] += bins_[i][lane];
      }
    }
    bins_.resize((bins_.size() + 1) / 2);
    bin_width_ *= 2;
  }

  uint64_t start_ = 0;
  uint64_t bin_width_;
  std::vector<Bin> bins_;
};

}  // namespace gpuvm
