// BAR1 or BAR3 as a guest sees it: a window onto its own GPU virtual memory, resolved by the hypervisor's
// translated copy of the guest's tables as of the last flush.
#pragma once

#include <vector>

#include "emulator/hypervisor/page_marks.h"
#include "emulator/hypervisor/shadow_space.h"
#include "emulator/hypervisor/use_point.h"

namespace gpuvm {

class VirtualBar {
 public:
  struct Page {
    uint64_t generation = 0;
    uint64_t host = 0;  // address of the page's first byte, as the card addresses it
    Aperture aperture = Aperture::kInvalid;
    bool mapped = false;
    bool read_only = false;
  };
  struct Services {
    unsigned vm;
    int channel;  // kChannelBar1, kChannelBar3
    bool para_virtual;
    PageMarks& marks;
    UsePointObserver* const& observer;
  };
  VirtualBar(const ShadowContext& context, const Services& services, uint64_t bytes);
  ~VirtualBar() { detach(); }

  // The guest writes PBUS.HOST_MEM.BARn_CHAN, or changes its page sizes.
  void set_instance(uint32_t pointer, fermi::Geometry geometry);
  // TLB flush of the directory at a guest address; nothing: of all. True: the window has changed.
  bool flush(std::optional<uint64_t> directory);
  // A store into an instance block. True: the window has changed.
  bool instance_written(uint64_t guest_page);
  // A para-virtual directory takes the place of the guest's; 0: none.
  void set_pv_directory(uint64_t host_directory);
  // A para-virtual directory is complete; if it is this window's, this is a use point.
  void pv_flushed(uint64_t host_directory);
  // The para-virtual tables have changed.
  void forget() { ++generation_; }

  uint64_t bytes() const { return bytes_; }
  // `offset` is below bytes().
  const Page& resolve(uint64_t offset) {
    Page& page = pages_[offset >> 12];
    if (page.generation != generation_) fill(page, offset);
    return page;
  }
  // The directory entry for the window's first 128 MiB, for the card's own table.
  uint64_t first_directory_entry() const;
  void clear();

 private:
  bool enabled() const { return fermi::instance_valid(pointer_); }
  void detach();
  bool read_instance();
  void rebuild();
  void observe() const;
  uint64_t root() const;
  void fill(Page& page, uint64_t offset) const;

  ShadowContext context_;
  Services services_;
  uint64_t bytes_;
  uint32_t pointer_ = 0;
  fermi::Geometry geometry_;
  std::optional<uint64_t> instance_;  // guest address of the instance block, if it may be one
  AddressSpace guest_;                // as the block says, the limit cut to the window
  std::unique_ptr<ShadowSpace> space_;
  uint64_t pv_directory_ = 0;
  uint64_t generation_ = 1;
  std::vector<Page> pages_;
};

}  // namespace gpuvm
