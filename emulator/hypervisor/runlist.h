// The card has one runlist; every guest believes it owns it.
#pragma once

#include <bitset>
#include <cstdint>

#include "emulator/card/fifo.h"
#include "emulator/hypervisor/host.h"
#include "emulator/hypervisor/partition.h"

namespace gpuvm {

class Runlist {
 public:
  // `buffers`: two pages of the hypervisor, used in turn as drivers do.
  Runlist(Host& host, uint64_t buffers) : host_(host), buffers_(buffers) {}

  // Replaces a guest's channels in the list by `set`, and gives the whole list to the card. `control`: the
  // guest's PLAYLIST_WR_LEN, whose length is replaced. An empty list is given to the card,
  // too (GPUvm forgot it, B6). `who` is committing_for() meanwhile.
  void replace(const PartitionView& guest, const std::bitset<Fifo::kChannels>& set, uint32_t control,
               ChannelEvents* who);
  // Whom the card's word that it has taken a list is for; nullptr: nobody.
  ChannelEvents* committing_for() const { return committing_for_; }

 private:
  Host& host_;
  uint64_t buffers_;
  unsigned next_ = 0;
  std::bitset<Fifo::kChannels> set_;
  ChannelEvents* committing_for_ = nullptr;
};

}  // namespace gpuvm
