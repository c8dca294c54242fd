// What the guests of one hypervisor share: the card, and what it is driven with.
#pragma once

#include "emulator/card/card.h"
#include "emulator/hypervisor/use_point.h"
#include "traces/mode.h"

namespace gpuvm {

class SubmissionQueue;

struct Host {
  Card& card;
  const ModePolicy& mode;
  fermi::Geometry geometry;      // the card's; a guest may have chosen the other one
  uint64_t empty_directory = 0;  // a page directory that maps nothing: for address spaces that may not exist
  uint64_t poll_table = 0;       // the card's BAR1 entries, one a channel
  uint64_t bar3_directory = 0;   // the card's BAR3 directory, one entry a slot
  UsePointObserver* observer = nullptr;
  SubmissionQueue* submissions = nullptr;  // none: doorbells reach the card at once

  // Register writes to the card, as a driver of it would make them.
  void write(gf100::Reg reg, unsigned index, uint32_t value) {
    card.bar_write(0, gf100::offset_of(reg, index), 4, value);
  }
  // The card has free flush slots at all times, so nothing is waited for (S16).
  void flush_tlb(uint64_t directory, uint32_t trigger) {
    write(gf100::Reg::kPffbVmPd, 0, fermi::directory_pointer(directory));
    write(gf100::Reg::kPffbVmFlush, 0, trigger);
  }
};

}  // namespace gpuvm
