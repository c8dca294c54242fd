// Which BAR a physical address lies in: from a log's PCIDEV lines, from the user, or guessed from the
// traffic.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "traces/core/result.h"
#include "traces/event.h"
#include "traces/import/mmiotrace_line.h"
#include "traces/meta.h"

namespace gpuvm {

inline constexpr size_t kBars = 7;  // 0-5 and the expansion ROM
using Bars = std::array<BarInfo, kBars>;

// "0=BASE:SIZE,1=BASE:SIZE": numbers as 0x… or decimal, sizes also with K, M or G behind. Errors: the part
// that does not read so, a BAR above 6, given twice, of size 0, past the end of the address space, or
// overlapping another.
Result<Bars> parse_bars(std::string_view text);

Bars bars_of(const PciDevLine& line);

class BarMap {
 public:
  BarMap() = default;
  explicit BarMap(const Bars& bars);

  struct Place {
    uint8_t bar;      // kNoBar: none
    uint64_t offset;  // in the BAR; the address itself if there is none
  };
  Place find(uint64_t address) {
    // Neighbours are nearly always in the same BAR.
    if (address - last_.base < last_.size) return {last_.bar, address - last_.base};
    return search(address);
  }
  bool empty() const { return ranges_.empty(); }

 private:
  struct Range {
    uint64_t base = 0;
    uint64_t size = 0;
    uint8_t bar = kNoBar;
  };
  Place search(uint64_t address);

  std::vector<Range> ranges_;  // at most kBars; I/O BARs are not in it
  Range last_;
};

// What a log tells about BARs that it does not list. Feed it the first lines; it keeps a bounded number of
// facts. A card of NVIDIA's is known by PMC.BOOT_0 or by a mapping of its whole BAR0, one of AMD's by the
// size of its registers; of any other the regions are found, their numbers are not.
class BarGuesser {
 public:
  void see(const MmiotraceLine& line);
  bool saw_boot0() const;
  // All sizes 0: no traffic that looks like a card's.
  Bars guess() const;

 private:
  // Addresses are gathered in blocks of 16 MiB, the size of an NVIDIA card's BAR0.
  struct Block {
    uint64_t number = 0;  // address / 16 MiB
    uint64_t accesses = 0;
    uint64_t wide_writes = 0;  // of 8 bytes
    uint64_t map_end = 0;      // highest mapped address of a mapping that begins here
    bool boot0 = false;        // its first register reads as a PMC.BOOT_0
    bool whole = false;        // a mapping of all 16 MiB
  };
  Block* block_of(uint64_t address);
  // What the log's MAP lines say was mapped, mappings that overlap as one.
  struct Region {
    uint64_t base = 0;
    uint64_t size = 0;
    uint64_t accesses = 0;
  };
  Region* region_of(uint64_t address);
  void map(uint64_t base, uint64_t length);
  Bars guess_nvidia() const;
  std::optional<Bars> guess_amd() const;
  Bars guess_any() const;

  std::vector<Block> blocks_;  // at most kMaxBlocks
  size_t last_ = 0;
  std::vector<Region> regions_;  // by base, at most kMaxRegions
  size_t last_region_ = 0;
};

}  // namespace gpuvm
