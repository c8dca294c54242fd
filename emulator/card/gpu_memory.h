// Memory as a channel sees it: virtual addresses through the page tables of its instance block.
#pragma once

#include <algorithm>
#include <optional>
#include <span>

#include "emulator/memory/physical_memory.h"
#include "emulator/mmu/walker.h"

namespace gpuvm {

class GpuMemory {
 public:
  explicit GpuMemory(PhysicalMemory& memory) : memory_(memory) {}

  // The fault that stopped the transfer, if one did; pages before it were transferred.
  std::optional<MmuFault> read(const AddressSpace& space, uint64_t va, std::span<std::byte> out);
  std::optional<MmuFault> write(const AddressSpace& space, uint64_t va, std::span<const std::byte> in);
  std::optional<MmuFault> write32(const AddressSpace& space, uint64_t va, uint32_t value);
  // How much of a copy is done in one go: to the end of a small page on either side, so that the traffic does
  // not depend on the page sizes in use.
  static uint64_t piece(uint64_t to, uint64_t from, uint64_t bytes) {
    return std::min({bytes, kPiece - from % kPiece, kPiece - to % kPiece});
  }
  // `bytes`: at most a piece.
  std::optional<MmuFault> copy(const AddressSpace& space, uint64_t to, uint64_t from, uint64_t bytes);

  static constexpr uint64_t kPiece = 4096;

  // For those who keep translations themselves.
  Translation look_up(const AddressSpace& space, uint64_t va) { return translate(memory_, space, va); }
  PhysicalMemory& physical() { return memory_; }

 private:
  PhysicalMemory& memory_;
};

}  // namespace gpuvm
