// The two memories a GPU address can end in: its own VRAM, and the machine's through the bus.
#pragma once

#include <cstdint>
#include <span>

#include "emulator/memory/dma_port.h"
#include "emulator/memory/vram.h"
#include "emulator/memory/work_cost.h"

namespace gpuvm {

// Memory target codes of instance pointers, USERD pointers and the host memory window (envytools
// g80_mem_target). 1 is no memory there; page directory entries and page table entries have codes of their
// own, see fermi.h.
enum class Aperture : uint8_t { kVram = 0, kInvalid = 1, kSystem = 2, kSystemNoSnoop = 3 };

// Whether an access to a window onto pages runs over the end of one: the next may be anywhere.
constexpr bool crosses_page(uint64_t offset, unsigned width) {
  return offset % Vram::kPageBytes + width > Vram::kPageBytes;
}

class PhysicalMemory {
 public:
  PhysicalMemory(Vram& vram, DmaPort& dma) : vram_(vram), dma_(dma) {}

  Vram& vram() { return vram_; }
  const Vram& vram() const { return vram_; }

  // False: some of the range is not memory; nothing is transferred then.
  bool read_bytes(Aperture aperture, uint64_t address, std::span<std::byte> out) {
    charge_access(aperture, out.size());
    if (aperture == Aperture::kVram) return vram_.read_bytes(address, out);
    return aperture != Aperture::kInvalid && dma_.read(address, out);
  }
  bool write_bytes(Aperture aperture, uint64_t address, std::span<const std::byte> in) {
    charge_access(aperture, in.size());
    if (aperture == Aperture::kVram) return vram_.write_bytes(address, in);
    return aperture != Aperture::kInvalid && dma_.write(address, in);
  }

  // width 1, 2, 4 or 8 bytes; all ones where there is no memory.
  uint64_t read(Aperture aperture, uint64_t address, unsigned width) {
    if (aperture == Aperture::kVram) {
      charge(kCostOfVramAccess);
      return vram_.read(address, width);
    }
    return read_elsewhere(aperture, address, width);
  }
  void write(Aperture aperture, uint64_t address, unsigned width, uint64_t value) {
    if (aperture == Aperture::kVram) {
      charge(kCostOfVramAccess);
      return vram_.write(address, width, value);
    }
    write_elsewhere(aperture, address, width, value);
  }

  // The cost of all that was done so far, in nanoseconds (work_cost.h): what a piece of work costs is how far
  // it moves this. Memory counts for itself; who works adds what else it does.
  uint64_t& cost() { return cost_; }
  void charge(uint64_t ns) { cost_ += ns; }

 private:
  // What is not in VRAM. Out of line, so that what is stays short enough to be put where it is called.
  uint64_t read_elsewhere(Aperture aperture, uint64_t address, unsigned width);
  void write_elsewhere(Aperture aperture, uint64_t address, unsigned width, uint64_t value);
  void charge_access(Aperture aperture, uint64_t bytes) {
    charge(aperture == Aperture::kVram ? kCostOfVramAccess + bytes / kVramBytesPerNs
                                       : kCostOfTransfer + bytes / kBusBytesPerNs);
  }

  Vram& vram_;
  DmaPort& dma_;
  uint64_t cost_ = 0;
};

}  // namespace gpuvm
