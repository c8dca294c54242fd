// What one virtual GPU owns of the card and of the machine, and the one function that turns a guest's
// addresses into the host's.
#pragma once

#include <cstdint>
#include <optional>

#include "emulator/hypervisor/holes.h"
#include "emulator/memory/physical_memory.h"
#include "emulator/mmu/fermi.h"
#include "traces/mode.h"

namespace gpuvm {

// Bus addresses carry the slot above the guest's own address: page table entries have 40 bits.
inline constexpr unsigned kBusSlotShift = 36;
inline constexpr unsigned kMaxSlots = 15;

struct PartitionView {
  unsigned slot = 0;
  uint64_t vram_base = 0;  // in the card's VRAM
  uint64_t vram_bytes = 0;
  uint64_t bus_base = 0;   // guest physical address 0 as the card addresses it
  uint64_t ram_bytes = 0;  // guest physical addresses end here
  unsigned first_channel = 0;
  unsigned channels = 0;
};

class Partition {
 public:
  Partition(const PartitionView& view, TranslationPolicy policy)
      : view_(view), holes_(policy == TranslationPolicy::kStrict ? Holes::none() : Holes::all()) {}

  const PartitionView& view() const { return view_; }
  const Holes& holes() const { return holes_; }

  // Host address of `length` bytes at a guest's address; nothing if some of them are not the guest's. Every
  // address that a guest names goes through here, at every level of a walk; entries of tables in bulk through
  // EntryRules, which a test holds to the same answers.
  std::optional<uint64_t> to_host(Aperture aperture, uint64_t guest, uint64_t length) const {
    if (holes_.unchecked_addresses) {
      return aperture == Aperture::kVram ? (guest + view_.vram_base) & fermi::kVaMask : guest;
    }
    switch (aperture) {
      case Aperture::kVram:
        if (guest > view_.vram_bytes || length > view_.vram_bytes - guest) return std::nullopt;
        return view_.vram_base + guest;
      case Aperture::kSystem:
      case Aperture::kSystemNoSnoop:
        if (guest > view_.ram_bytes || length > view_.ram_bytes - guest) return std::nullopt;
        return view_.bus_base + guest;
      case Aperture::kInvalid:
        break;
    }
    return std::nullopt;
  }
  // The same for what the hypervisor reads on the guest's behalf: page directories, tables, instance blocks.
  // They must be in the guest's VRAM: nouveau has none elsewhere, and system memory could change without
  // anyone noticing.
  bool may_hold_structures(Aperture aperture) const {
    return aperture == Aperture::kVram || holes_.structures_anywhere;
  }
  std::optional<uint64_t> structure(Aperture aperture, uint64_t guest, uint64_t length) const {
    return may_hold_structures(aperture) ? to_host(Aperture::kVram, guest, length) : std::nullopt;
  }
  // The other way: nothing if the host address is not in the partition.
  std::optional<uint64_t> vram_to_guest(uint64_t host) const {
    if (host < view_.vram_base || host - view_.vram_base >= view_.vram_bytes) return std::nullopt;
    return host - view_.vram_base;
  }

 private:
  PartitionView view_;
  Holes holes_;
};

}  // namespace gpuvm
