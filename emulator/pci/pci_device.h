// What a host bus sees of a device: configuration space, BARs, interrupts. The physical card is one; so is
// each virtual GPU of the hypervisor.
#pragma once

#include <cstdint>

#include "traces/meta.h"

namespace gpuvm {

// Where a device's interrupts go.
class InterruptSink {
 public:
  virtual ~InterruptSink() = default;
  virtual void set_intx(bool asserted) = 0;
  virtual void send_msi(uint64_t address, uint32_t data) = 0;
};

class PciDevice {
 public:
  virtual ~PciDevice() = default;

  // Lets virtual time pass: work that is due by `now_ns` (non-decreasing) is done in order of its due time.
  virtual void advance(uint64_t now_ns) = 0;
  // When the next piece of work is due, UINT64_MAX if there is none.
  virtual uint64_t next_due() const = 0;

  // width: 1, 2, 4 or 8 bytes. Anything outside the BAR or the device reads as all ones; such writes are
  // dropped.
  virtual uint64_t bar_read(unsigned bar, uint64_t offset, unsigned width) = 0;
  virtual void bar_write(unsigned bar, uint64_t offset, unsigned width, uint64_t value) = 0;
  // width: 1, 2 or 4 bytes; offset 0-255.
  virtual uint32_t config_read(unsigned offset, unsigned width) = 0;
  virtual void config_write(unsigned offset, unsigned width, uint32_t value) = 0;
  virtual void reset() = 0;

  virtual const DeviceInfo& info() const = 0;
  // Digests of what the guest can see: memory contents, and registers that do not follow the clock.
  virtual uint64_t memory_digest() = 0;
  virtual uint64_t register_digest() = 0;
  // Does up to so many pages of what memory_digest() has to do; false: it has much more to do still. For
  // those who cannot wait for all of it at once.
  virtual bool digest_some(uint64_t /*pages*/) { return true; }
};

}  // namespace gpuvm
