// PCI type 0 configuration space of a GF100: identification, BARs, INTx and an MSI capability.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "traces/meta.h"

namespace gpuvm {

class ConfigSpace {
 public:
  explicit ConfigSpace(const DeviceInfo& info);

  // width 1, 2 or 4 bytes, inside 256 bytes; else all ones / dropped.
  uint32_t read(unsigned offset, unsigned width) const;
  void write(unsigned offset, unsigned width, uint32_t value);
  void reset();

  struct Target {
    unsigned bar;
    uint64_t offset;
  };
  // Which BAR an absolute bus address lies in, as the guest has programmed them and enabled memory decoding.
  std::optional<Target> decode(uint64_t bus_address) const;
  // Whether the guest has switched the BARs on.
  bool memory_enabled() const;
  // Bus address of a BAR; 0 if absent.
  uint64_t bar_base(unsigned bar) const;

  struct Msi {
    uint64_t address;
    uint32_t data;
  };
  // The message to send, if the guest has enabled MSI.
  std::optional<Msi> msi() const;
  bool intx_disabled() const;

 private:
  uint32_t word(unsigned offset) const;
  void set(unsigned offset, uint32_t value, uint32_t write_mask);

  DeviceInfo info_;
  std::array<uint8_t, 256> bytes_{};
  std::array<uint8_t, 256> reset_{};
  std::array<uint8_t, 256> writable_{};
};

}  // namespace gpuvm
