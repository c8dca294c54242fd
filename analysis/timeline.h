// Counts over time in a fixed number of bins, for a stream whose length is not known beforehand.
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

  // Times before the first one count as the first.
  void add(uint64_t time_ns, Lane lane) {
    if (bins_.empty()) start_ns_ = time_ns;
    const uint64_t since = time_ns < start_ns_ ? 0 : time_ns - start_ns_;
    while (since / bin_ns_ >= kBins) halve();
    const size_t bin = since / bin_ns_;
    if (bin >= bins_.size()) bins_.resize(bin + 1);
    ++bins_[bin][static_cast<size_t>(lane)];
  }

  uint64_t start_ns() const { return start_ns_; }
  uint64_t bin_ns() const { return bin_ns_; }
  const std::vector<Bin>& bins() const { return bins_; }

 private:
  // Twice the time in half the bins. Ends: bin_ns_ reaches 2^63 after at most 53 calls.
  void halve() {
    for (size_t i = 0; i < bins_.size(); ++i) {
      if (i % 2 == 0) {
        bins_[i / 2] = bins_[i];
      } else {
        for (size_t lane = 0; lane < kLanes; ++lane) bins_[i / 2][lane] += bins_[i][lane];
      }
    }
    bins_.resize((bins_.size() + 1) / 2);
    bin_ns_ *= 2;
  }

  uint64_t start_ns_ = 0;
  uint64_t bin_ns_ = 1024;
  std::vector<Bin> bins_;
};

}  // namespace gpuvm
