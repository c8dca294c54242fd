// BAR1 and BAR3: windows onto GPU virtual memory, through the page tables of an instance block. A small TLB
// holds translations until the guest flushes, as the hardware's does.
#pragma once

#include <array>
#include <cstdint>

#include "emulator/memory/physical_memory.h"
#include "emulator/mmu/walker.h"

namespace gpuvm {

class BarWindow {
 public:
  explicit BarWindow(PhysicalMemory& memory) : memory_(memory) {}

  // The register that names the instance block (PBUS.HOST_MEM.BAR1_CHAN, BAR3_CHAN). Without its enable bit
  // the window shows VRAM from address 0.
  void set_instance(uint32_t pointer, fermi::Geometry geometry);
  void flush() { ++generation_; }

  // Unmapped addresses read as all ones; writes to them are dropped.
  uint64_t read(uint64_t offset, unsigned width);
  void write(uint64_t offset, unsigned width, uint64_t value);

 private:
  struct Entry {
    uint64_t generation = 0;
    uint64_t page = ~uint64_t{0};
    uint64_t address = 0;
    Aperture aperture = Aperture::kInvalid;
    bool read_only = false;
  };
  // nullptr: not mapped.
  const Entry* look_up(uint64_t offset);

  PhysicalMemory& memory_;
  uint32_t pointer_ = 0;
  fermi::Geometry geometry_;
  uint64_t generation_ = 1;
  std::array<Entry, 64> entries_{};
};

}  // namespace gpuvm
