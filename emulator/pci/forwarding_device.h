// A device in front of another: what a derived class does not override goes through.
#pragma once

#include "emulator/pci/pci_device.h"

namespace gpuvm {

class ForwardingDevice : public PciDevice {
 public:
  // `next` outlives this one.
  explicit ForwardingDevice(PciDevice& next) : next_(next) {}

  void advance(uint64_t now_ns) override { next_.advance(now_ns); }
  uint64_t next_due() const override { return next_.next_due(); }
  uint64_t bar_read(unsigned bar, uint64_t offset, unsigned width) override {
    return next_.bar_read(bar, offset, width);
  }
  void bar_write(unsigned bar, uint64_t offset, unsigned width, uint64_t value) override {
    next_.bar_write(bar, offset, width, value);
  }
  uint32_t config_read(unsigned offset, unsigned width) override { return next_.config_read(offset, width); }
  void config_write(unsigned offset, unsigned width, uint32_t value) override {
    next_.config_write(offset, width, value);
  }
  void reset() override { next_.reset(); }
  const DeviceInfo& info() const override { return next_.info(); }
  uint64_t memory_digest() override { return next_.memory_digest(); }
  uint64_t register_digest() override { return next_.register_digest(); }
  bool digest_some(uint64_t pages) override { return next_.digest_some(pages); }

 private:
  PciDevice& next_;
};

}  // namespace gpuvm
