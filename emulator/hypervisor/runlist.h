// The card has one runlist; every guest believes it owns it.
#pragma once

#include <bitset>
#include <cstdint>

#include "emulator/card/fifo.h"
#include "emulator/hypervisor/host.h"

namespace gpuvm {

class Runlist {
 public:
  // `buffers`: two pages of the hypervisor, used in turn as drivers do.
  Runlist(Host& host, uint64_t buffers) : host_(host), buffers_(buffers) {}

  // Replaces the channels [first, first + count) of the list by those of `own`, and gives the whole list to
  // the card. `control`: the guest's PLAYLIST_WR_LEN, of which the bits above the length are kept. An empty
  // list is given to the card, too (GPUvm forgot it, B6).
  void replace(unsigned first, unsigned count, const std::bitset<Fifo::kChannels>& own, uint32_t control);
  const std::bitset<Fifo::kChannels>& channels() const { return set_; }

 private:
  Host& host_;
  uint64_t buffers_;
  unsigned next_ = 0;
  std::bitset<Fifo::kChannels> set_;
};

}  // namespace gpuvm
