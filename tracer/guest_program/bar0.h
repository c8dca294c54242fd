// The card behind the driver's back, as root may have it: /sys/bus/pci/devices/*.
#pragma once

#include <cstdint>
#include <string>

#include "traces/core/result.h"

namespace gpuvm::guest {

// The folder of the card in sysfs.
Result<std::string> card_folder();

// BAR0, mapped.
class Registers {
 public:
  static Result<Registers> open();

  uint32_t read(uint64_t offset) const { return *reinterpret_cast<volatile uint32_t*>(base_ + offset); }
  void write(uint64_t offset, uint32_t value) const {
    *reinterpret_cast<volatile uint32_t*>(base_ + offset) = value;
  }
  // The window into VRAM, of 64 KiB at kPraminBase << 16 and more.
  volatile uint64_t* pramin() const { return reinterpret_cast<volatile uint64_t*>(base_ + kPramin); }

  // envytools bus/pbus.xml
  static constexpr uint64_t kPraminBase = 0x1700, kPramin = 0x700000;

 private:
  explicit Registers(volatile uint8_t* base) : base_(base) {}
  volatile uint8_t* base_;
};

}  // namespace gpuvm::guest
