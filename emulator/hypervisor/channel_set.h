// The channels of one guest: its part of the channel table, the instance blocks that engines were pointed at,
// and the shadow address spaces that they share.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "emulator/hypervisor/instance_shadow.h"

namespace gpuvm {

class ChannelSet {
 public:
  explicit ChannelSet(Guest& owner);
  ~ChannelSet();

  // The guest writes its channel table: what to write to the card's. Binding always starts a fresh channel
  // there, as it does for a driver of the bare card.
  uint32_t bind(unsigned chid, uint32_t pointer);
  void unbind(unsigned chid);
  // Nothing that waits for the card is the guest's any more.
  void forget_all_work() {
    for (unsigned chid = 0; chid < channels_.size(); ++chid) forget_work(chid);
  }
  bool bound(unsigned chid) const { return channels_[chid].shadow != nullptr; }
  // The guest's pointer as it was when the channel was bound: what a fault report has to say.
  uint32_t pointer(unsigned chid) const { return channels_[chid].pointer; }

  // The card is about to run the channel: its shadow must be what the guest last committed.
  void use(unsigned chid);
  // An engine register names an instance block: the pointer to give to the card, 0 if the guest may not.
  uint32_t use_engine(gf100::Reg reg, uint32_t pointer, UseKind kind);
  // Has the channel been given work that the card has not fetched yet?
  bool has_work(unsigned chid) const;

  // TLB flush of the directory at a guest address; nothing: of all of them.
  void flush(std::optional<uint64_t> directory, uint32_t trigger);
  // The guest chose other page sizes: everything has to be rebuilt now, no flush will say so.
  void geometry_changed();
  // A store into a page that is an instance block.
  void instance_written(uint64_t guest_page, uint64_t offset, unsigned width, uint64_t value);
  // A para-virtual directory for a channel, or for what only engines name; 0: none. It counts when the
  // channel is bound, too.
  void set_pv_directory(SpaceUser user, uint64_t host_directory);
  // The directory's memory is about to become free.
  void pv_directory_gone(uint64_t host_directory);
  // A para-virtual directory is as its channels are to use it.
  void pv_flushed(uint64_t host_directory);

  void clear();

 private:
  struct Slot {
    uint32_t pointer = 0;
    uint64_t pv_directory = 0;
    std::unique_ptr<InstanceShadow> shadow;
  };
  template <typename F>
  void for_each(F f);
  std::unique_ptr<InstanceShadow> attach(uint64_t guest_instance);
  void detach(Slot& slot);
  void forget_work(unsigned chid);
  void detach_engine(gf100::Reg reg);
  void take_from_engines(uint64_t block);
  std::optional<unsigned> bound_to(uint64_t guest_instance) const;
  void refresh(InstanceShadow& shadow);
  std::shared_ptr<SharedSpace> space_of(const AddressSpace& guest);
  void commit(SharedSpace& space, uint32_t trigger);
  void use_slot(Slot& slot, SpaceUser user, UseKind kind);
  bool acceptable(uint32_t pointer) const;
  void tell(const InstanceShadow& shadow, SpaceUser user, UseKind kind) const;
  // The same where a channel's para-virtual directory is as it is to be used.
  void tell_pv(unsigned chid) const;

  Guest& owner_;
  std::vector<Slot> channels_;
  std::map<gf100::Reg, Slot> engines_;
  uint64_t engines_pv_directory_ = 0;
  // By guest directory and limit.
  std::map<std::pair<uint64_t, uint64_t>, std::weak_ptr<SharedSpace>> spaces_;
};

}  // namespace gpuvm
