// Translation of page table entries, with everything that does not depend on the entry worked out beforehand.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emulator/hypervisor/partition.h"

namespace gpuvm {

class EntryRules {
 public:
  EntryRules(const Partition& partition, unsigned page_shift);

  // The host's entry for a guest's; 0 = not present. `lookups` counts frames of system memory.
  uint64_t translate(uint64_t raw, uint64_t& lookups) const {
    if (!checked_) return reference(raw, lookups);
    lookups += raw & (raw >> (fermi::Pte::kTarget + 1)) & 1;  // present, and system memory
    return apply(rules_[(raw >> fermi::Pte::kTarget) & 3], raw);
  }
  // Does a block of the shadow (table_block.h) hold what the guest's translates to? Nothing is stored, which
  // is what makes a rebuild of an unchanged table nearly as cheap as reading it. False says nothing under the
  // reference policy; `lookups` counts only if the answer is yes.
  bool block_holds(const std::byte* guest, const std::byte* shadow, uint64_t& lookups) const;

 private:
  struct Rule {
    uint64_t last_frame = ~uint64_t{0};  // where the last page may begin; the top bit set: nowhere
    uint64_t add = 0;
  };
  // Without a branch, so that compilers can do several at once.
  static uint64_t apply(const Rule& rule, uint64_t raw) {
    // Not Pte::address() shifted back: that costs the loops two shifts of every entry.
    constexpr uint64_t kFrames = fermi::Pte{~uint64_t{0}}.address() >> fermi::kSmallShift;
    const uint64_t frame = (raw >> fermi::Pte::kAddress) & kFrames;
    const uint64_t beyond = (rule.last_frame - frame) >> 63;
    return (raw + rule.add) & (0 - (raw & 1 & ~beyond));
  }
  uint64_t reference(uint64_t raw, uint64_t& lookups) const;

  struct Comparison {
    bool alike;  // false: not all entries are of the memory that was asked for, and the rest says nothing
    uint64_t difference;
    uint64_t lookups;
  };
  Comparison compare_vram(const std::byte* guest, const std::byte* shadow) const;
  Comparison compare_system(const std::byte* guest, const std::byte* shadow) const;
  Comparison compare_any(const std::byte* guest, const std::byte* shadow) const;

  bool checked_;
  Rule rules_[4];  // by memory target
  PartitionView view_;
};

}  // namespace gpuvm
