// Looks at everything that the card may walk for a guest, and says what in it is not the guest's. Addresses
// and layouts are written out again, so that a wrong constant of the hypervisor does not hide its own effect.
#pragma once

#include <algorithm>
#include <string>
#include <unordered_map>

#include <fmt/format.h>

#include "emulator/hypervisor/hypervisor.h"

namespace gpuvm::test {

class FrameCheck {
 public:
  explicit FrameCheck(Hypervisor& hv) : hv_(hv), vram_(hv.card().vram()) {
    for (unsigned vm = 0; vm < hv.vms(); ++vm)
      reserve_ = std::max(reserve_, hv.partition(vm).vram_base + hv.partition(vm).vram_bytes);
  }

  // Empty: no frame outside the partitions and memories of those that they are mapped for.
  std::string problem() {
    for (unsigned vm = 0; vm < hv_.vms(); ++vm) {
      problem_.clear();
      own_ = hv_.partition(vm);
      for (unsigned chid = 0; chid < own_.channels; ++chid) {
        block(card_reg(0x3000 + 8 * (own_.first_channel + chid)));
        // USERD pages in the card's BAR1.
        entry(table_of(0x1704) + 8 * (uint64_t{own_.first_channel} + chid), 0x1000);
      }
      // The card may be asked for what the guest sees of its part of BAR3, see bar3_limit().
      const uint64_t bar3 = word((uint64_t{card_reg(0x1714) & 0x0fffffff} << 12) + 0x200);
      directory_entry(word(bar3 + 8 * uint64_t{own_.slot}), 0, bar3_limit(vm));
      if (!problem_.empty()) return "VM " + std::to_string(vm) + ": " + problem_;
    }
    return {};
  }
  uint64_t frames_seen() const { return frames_; }
  // The last address of a guest's BAR3 behind which there is anything.
  uint64_t bar3_limit(unsigned vm) {
    const uint64_t last = hv_.vm(vm).info().bars[3].size - 1;
    const uint32_t pointer = hv_.vm(vm).registers().peek(gf100::Reg::kPbusBar3);
    const uint64_t at = uint64_t{pointer & 0x0fffffff} << 12;
    if (pointer >> 31 == 0 || at + 0x1000 > hv_.partition(vm).vram_bytes) return 0;
    return std::min(last, word(hv_.partition(vm).vram_base + at + 0x208) & 0xffffffffff);
  }

 private:
  uint32_t card_reg(uint32_t offset) { return static_cast<uint32_t>(hv_.card().bar_read(0, offset, 4)); }
  uint64_t word(uint64_t address) const { return vram_.read64(address); }
  // The first small table of a BAR of the card.
  uint64_t table_of(uint32_t bar_register) {
    const uint64_t directory = word((uint64_t{card_reg(bar_register) & 0x0fffffff} << 12) + 0x200);
    return word(directory) >> 36 << 12;
  }
  void block(uint32_t pointer) {
    if (pointer >> 31 == 0) return;
    const uint64_t at = uint64_t{pointer & 0x0fffffff} << 12;
    if ((pointer >> 28 & 3) != 0 || at < reserve_) problem_ = "an instance block that a guest can write";
    const uint64_t directory = word(at + 0x200) & 0xfffffff000;
    if (directory < reserve_) problem_ = "a directory that a guest can write";
    if (!problem_.empty() || !vram_.contains(directory, 0x10000)) return;
    const uint64_t limit = word(at + 0x208) & 0xffffffffff;
    for (uint64_t page = 0; page < 16; ++page) {
      if (vram_.filled_lines((directory >> 12) + page) == 0) continue;
      for (uint64_t i = 0; i < 512; ++i) {
        const uint64_t base = (page * 512 + i) << 27;
        const uint64_t pde = word(directory + page * 0x1000 + 8 * i);
        if (pde != 0 && base <= limit) directory_entry(pde, base, limit);
      }
    }
  }
  // What lies at or below the limit: the card looks no further, and a shadow need not be longer.
  void directory_entry(uint64_t pde, uint64_t base, uint64_t limit) {
    const auto below = [&](uint64_t entries, unsigned shift) {
      return std::min(entries, ((limit - base) >> shift) + 1);
    };
    if ((pde & 3) != 0) table((pde >> 4 & 0xfffffff) << 12, below(1024u >> (pde >> 2 & 3), 17), 0x20000);
    if ((pde >> 32 & 3) != 0) table(pde >> 36 << 12, below(32768, 12), 0x1000);
  }
  void table(uint64_t at, uint64_t entries, uint64_t page_bytes) {
    if (at < reserve_ || !vram_.contains(at, entries * 8)) {
      problem_ = "a table that a guest can write";
      return;
    }
    for (uint64_t done = 0; done < entries; done += 512) {
      const uint64_t page = (at + 8 * done) >> 12;
      // A page that has not changed since it was found right is right, for the same guest and page size.
      Seen& seen = seen_[page];
      const Seen now{vram_.page_version(page), own_.slot, page_bytes,
                     std::min<uint64_t>(512, entries - done)};
      if (seen == now) continue;
      for (uint64_t i = 0; i < now.entries; ++i) entry((page << 12) + 8 * i, page_bytes);
      if (problem_.empty()) seen = now;
    }
  }
  void entry(uint64_t at, uint64_t page_bytes) {
    const uint64_t raw = word(at);
    if ((raw & 1) == 0) return;
    ++frames_;
    const uint64_t address = (raw >> 4 & 0xfffffff) << 12;
    const unsigned target = raw >> 33 & 3;
    const uint64_t base = target == 0 ? own_.vram_base : own_.bus_base;
    const uint64_t size = target == 0 ? own_.vram_bytes : own_.ram_bytes;
    if (target == 1 || address < base || page_bytes > size || address - base > size - page_bytes)
      problem_ =
          fmt::format("entry 0x{:x} at 0x{:x} maps {} bytes that are not the guest's", raw, at, page_bytes);
  }

  struct Seen {
    uint64_t version = 0;
    unsigned slot = 0;
    uint64_t page_bytes = 0;
    uint64_t entries = 0;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  Hypervisor& hv_;
  const Vram& vram_;
  uint64_t reserve_ = 0;  // the partitions end here
  PartitionView own_;
  std::string problem_;
  uint64_t frames_ = 0;
  std::unordered_map<uint64_t, Seen> seen_;
};

}  // namespace gpuvm::test
