// The machine that a device under test is plugged into: some memory, and a note of every interrupt. Memory
// costs nothing until it is touched, as fuzzers make a machine for each input.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "emulator/memory/dma_port.h"
#include "emulator/memory/sparse_array.h"
#include "emulator/pci/pci_device.h"

namespace gpuvm::test {

class TestMachine : public DmaPort, public InterruptSink {
 public:
  explicit TestMachine(size_t ram_bytes = size_t{1} << 20) : ram_(ram_bytes) {}

  bool read(uint64_t address, std::span<std::byte> out) override {
    ++dma_reads;
    if (!contains(address, out.size())) return false;
    if (!out.empty()) std::memcpy(out.data(), ram_.data() + address, out.size());
    return true;
  }
  bool write(uint64_t address, std::span<const std::byte> in) override {
    ++dma_writes;
    if (!contains(address, in.size())) return false;
    if (!in.empty()) std::memcpy(ram_.data() + address, in.data(), in.size());
    return true;
  }
  void set_intx(bool asserted) override {
    intx = asserted;
    ++intx_changes;
  }
  void send_msi(uint64_t address, uint32_t data) override { messages.emplace_back(address, data); }

  template <typename T>
  T load(uint64_t address) const {
    T value;
    std::memcpy(&value, ram_.data() + address, sizeof value);
    return value;
  }
  template <typename T>
  void store(uint64_t address, T value) {
    std::memcpy(ram_.data() + address, &value, sizeof value);
  }
  std::span<std::byte> ram() { return {ram_.data(), ram_.size()}; }

  uint64_t dma_reads = 0;
  uint64_t dma_writes = 0;
  bool intx = false;
  unsigned intx_changes = 0;
  std::vector<std::pair<uint64_t, uint32_t>> messages;

 private:
  bool contains(uint64_t address, uint64_t bytes) const {
    return address <= ram_.size() && bytes <= ram_.size() - address;
  }
  SparseArray<std::byte> ram_;
};

}  // namespace gpuvm::test
