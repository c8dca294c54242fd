// The hypervisor's copy of a channel's instance block, in which the addresses are the card's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "emulator/hypervisor/shadow_space.h"

namespace gpuvm {

// One guest page directory and its shadow; channels that name the same directory share it (docs/gpuvm.md).
struct SharedSpace {
  SharedSpace(Guest& owner, const AddressSpace& guest_space) : guest(guest_space), shadow(owner) {}
  AddressSpace guest;
  ShadowSpace shadow;
  bool dirty = true;  // flushed or new, not synced since
};

class InstanceShadow {
 public:
  InstanceShadow(Guest& owner, uint64_t guest_instance, uint64_t page);
  ~InstanceShadow();
  InstanceShadow(const InstanceShadow&) = delete;
  InstanceShadow& operator=(const InstanceShadow&) = delete;

  uint64_t guest() const { return guest_; }  // guest address of the guest's block
  uint64_t host() const { return page_; }    // card address of ours

  // Copies and translates the guest's block if it has changed since it was last copied.
  void sync();
  // The reference's barrier: stores what the guest stored as it is (S2).
  void store_raw(uint64_t offset, unsigned width, uint64_t value);
  // The address space that the guest's block names, its limit included.
  AddressSpace guest_space() const;

  void set_space(std::shared_ptr<SharedSpace> space);
  const std::shared_ptr<SharedSpace>& space() const { return space_; }
  // A para-virtual directory, in place of a shadow of the guest's; 0: none.
  void set_pv_directory(uint64_t host_directory);
  uint64_t pv_directory() const { return pv_directory_; }
  AddressSpace shadow_space() const;

 private:
  uint64_t root() const;
  void translate(std::span<std::byte> block) const;
  uint64_t translate_userd(uint64_t userd) const;

  Guest& owner_;
  uint64_t guest_;
  uint64_t page_;
  std::optional<uint64_t> version_;
  std::shared_ptr<SharedSpace> space_;
  uint64_t pv_directory_ = 0;
};

}  // namespace gpuvm
