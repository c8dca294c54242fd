// BAR1 or BAR3 as a guest sees it: a window onto its own GPU virtual memory, resolved by the hypervisor's
// translated copy of the guest's tables as of the last flush.
#pragma once

#include <memory>
#include <vector>

#include "emulator/hypervisor/shadow_space.h"

namespace gpuvm {

class VirtualBar {
 public:
  struct Page {
    uint64_t generation = 0;
    uint64_t host = 0;  // address of the page's first byte, as the card addresses it
    Aperture aperture = Aperture::kInvalid;
    bool mapped = false;
    bool read_only = false;

    uint64_t at(uint64_t offset) const { return host + offset % Vram::kPageBytes; }
  };
  // `user`: kBar1User, kBar3User.
  VirtualBar(Guest& owner, SpaceUser user, uint64_t bytes);
  virtual ~VirtualBar() { detach(); }
  VirtualBar(const VirtualBar&) = delete;
  VirtualBar& operator=(const VirtualBar&) = delete;

  // The guest writes PBUS.HOST_MEM.BARn_CHAN.
  void set_instance(uint32_t pointer);
  void geometry_changed() { set_instance(pointer_); }
  // TLB flush of the directory at a guest address; nothing: of all.
  void flush(std::optional<uint64_t> directory);
  // A store into an instance block.
  void instance_written(uint64_t guest_page);
  // A para-virtual directory takes the place of the guest's; 0: none.
  void set_pv_directory(uint64_t host_directory);
  // A para-virtual directory is complete; if it is this window's, this is a use point.
  void pv_flushed(uint64_t host_directory);
  // The para-virtual tables have changed.
  void pv_tables_changed();

  uint64_t bytes() const { return bytes_; }
  // `offset` is below bytes().
  const Page& resolve(uint64_t offset) {
    Page& page = pages_[offset >> 12];
    if (page.generation != generation_) fill(page, offset);
    return page;
  }
  // Nothing of the guest is left; publish() has still to be called.
  void clear();
  // Tells the card what the window shows now. Called whenever that may have changed.
  virtual void publish() = 0;

 protected:
  // The page directory that the window goes by, or one that maps nothing.
  uint64_t root() const;
  bool enabled() const { return fermi::instance_valid(pointer_); }
  Guest& owner_;

 private:
  void detach();
  bool read_instance();
  void rebuild();
  void tell() const;
  void fill(Page& page, uint64_t offset) const;

  const SpaceUser user_;
  const uint64_t bytes_;
  uint32_t pointer_ = 0;
  std::optional<uint64_t> instance_;  // guest address of the instance block, if it may be one
  AddressSpace guest_;                // as the block says, the limit cut to the window
  std::unique_ptr<ShadowSpace> space_;
  uint64_t pv_directory_ = 0;
  uint64_t generation_ = 1;
  std::vector<Page> pages_;
};

// BAR1. The card's own shows nothing but the USERD pages of all guests' channels, one after the other: an
// access to the poll area is made there, and so rings the card's doorbell.
class VirtualBar1 : public VirtualBar {
 public:
  // `registers`: the guest's.
  VirtualBar1(Guest& owner, const RegisterFile& registers, uint64_t bytes)
      : VirtualBar(owner, kBar1User, bytes), registers_(registers) {}

  struct Poll {
    unsigned channel = 0;      // the guest's number
    uint64_t place = 0;        // in the channel's USERD page
    uint64_t card_offset = 0;  // in the card's BAR1
  };
  // Nothing: the offset is not one of the guest's USERD pages.
  std::optional<Poll> poll(uint64_t offset) const;
  // Copies the entries of the guest's USERD pages into the card's BAR1 table. Absent ones, too: GPUvm left
  // what was there before (B17).
  void publish() override;

 private:
  const RegisterFile& registers_;
};

// BAR3. The guest's part of the card's is one directory entry: the shadow tables serve both ways in.
class VirtualBar3 : public VirtualBar {
 public:
  VirtualBar3(Guest& owner, uint64_t bytes) : VirtualBar(owner, kBar3User, bytes) {}
  void publish() override;
};

}  // namespace gpuvm
