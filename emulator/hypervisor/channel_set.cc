#include "emulator/hypervisor/channel_set.h"

#include "emulator/hypervisor/register_effects.h"
#include "emulator/hypervisor/submission_queue.h"

namespace gpuvm {
namespace {

// The guest's pointer with a block of the hypervisor's instead, which is in VRAM.
constexpr uint32_t to_shadow(uint32_t pointer, uint64_t block) {
  return fermi::with_instance(pointer & ~fermi::kInstanceTarget.mask(), block);
}

}  // namespace

ChannelSet::ChannelSet(Guest& owner) : owner_(owner), channels_(owner.own().channels) {}

ChannelSet::~ChannelSet() {
  clear();
}

template <typename F>
void ChannelSet::for_each(F f) {
  for (Slot& slot : channels_) {
    if (slot.shadow != nullptr) f(slot);
  }
  for (auto& [reg, slot] : engines_) {
    if (slot.shadow != nullptr) f(slot);
  }
}

bool ChannelSet::acceptable(uint32_t pointer) const {
  const Partition& partition = owner_.partition;
  return partition
      .structure(fermi::instance_aperture(pointer), fermi::instance_address(pointer), fermi::kInstanceBytes)
      .has_value();
}

std::unique_ptr<InstanceShadow> ChannelSet::attach(uint64_t guest_instance) {
  const auto page = owner_.pages.allocate(1);
  if (!page) {
    ++owner_.meters.refused;
    return nullptr;
  }
  auto shadow = std::make_unique<InstanceShadow>(owner_, guest_instance, *page);
  owner_.marks.add(guest_instance / Vram::kPageBytes);
  refresh(*shadow);
  return shadow;
}

void ChannelSet::detach(Slot& slot) {
  if (slot.shadow == nullptr) return;
  owner_.marks.remove(slot.shadow->guest() / Vram::kPageBytes);
  if (!owner_.holes().raw_engine_pointers) take_from_engines(slot.shadow->host());
  slot.shadow.reset();
}

void ChannelSet::detach_engine(gf100::Reg reg) {
  const auto own = engines_.find(reg);
  if (own != engines_.end()) detach(own->second);
}

// An engine that still named the block would go on with whoever gets the page next.
void ChannelSet::take_from_engines(uint64_t block) {
  for (const gf100::Reg reg : engine_pointers()) {
    const uint32_t pointer = owner_.host.card.registers().peek(reg);
    if (fermi::instance_address(pointer) == block) owner_.host.write(reg, 0, 0);
  }
}

std::shared_ptr<SharedSpace> ChannelSet::space_of(const AddressSpace& guest) {
  std::erase_if(spaces_, [](const auto& entry) { return entry.second.expired(); });
  auto& known = spaces_[{guest.directory, guest.limit}];
  auto space = known.lock();
  if (space == nullptr) {
    space = std::make_shared<SharedSpace>(owner_, guest);
    known = space;
  }
  return space;
}

// Brings the copy of an instance block up to date, and with it the address space that it names.
void ChannelSet::refresh(InstanceShadow& shadow) {
  const AddressSpace guest = shadow.guest_space();
  const bool wrong_space = shadow.space() == nullptr || shadow.space()->guest != guest;
  shadow.sync();
  if (!wrong_space) return;
  if (owner_.mode().para_virtual) return;  // directories come by call
  const bool usable = owner_.partition.may_hold_structures(guest.directory_aperture);
  shadow.set_space(usable ? space_of(guest) : nullptr);
  if (shadow.space() != nullptr && !owner_.mode().lazy) commit(*shadow.space(), fermi::kFlushPages);
}

// Makes the shadow what the guest's tables say, if the guest has flushed since it last was.
void ChannelSet::commit(SharedSpace& space, uint32_t trigger) {
  if (!space.dirty) return;
  space.dirty = false;
  space.shadow.sync(space.guest);
  owner_.host.flush_tlb(space.shadow.root(), trigger);
  owner_.used({.user = kSharersUser,
               .kind = UseKind::kSync,
               .guest = space.guest,
               .shadow = space.shadow.space(space.guest.limit)});
}

// Doorbells were meant for the channel that was.
void ChannelSet::forget_work(unsigned chid) {
  if (owner_.host.submissions != nullptr) owner_.host.submissions->forget(owner_.vm, chid);
}

uint32_t ChannelSet::bind(unsigned chid, uint32_t pointer) {
  Slot& slot = channels_[chid];
  forget_work(chid);
  detach(slot);
  slot.pointer = pointer;
  if (!fermi::instance_valid(pointer) && !owner_.holes().unbinding_binds) return 0;
  if (!acceptable(pointer)) {
    ++owner_.meters.refused;
    return 0;
  }
  slot.shadow = attach(fermi::instance_address(pointer));
  if (slot.shadow == nullptr) return 0;
  slot.shadow->set_pv_directory(slot.pv_directory);
  tell_pv(chid);
  return owner_.holes().instance_targets_kept ? fermi::with_instance(pointer, slot.shadow->host())
                                              : to_shadow(pointer, slot.shadow->host());
}

void ChannelSet::unbind(unsigned chid) {
  forget_work(chid);
  detach(channels_[chid]);
}

void ChannelSet::use(unsigned chid) {
  if (channels_[chid].shadow != nullptr)
    use_slot(channels_[chid], SpaceUser::of_channel(chid), UseKind::kDoorbell);
}

void ChannelSet::use_slot(Slot& slot, SpaceUser user, UseKind kind) {
  InstanceShadow& shadow = *slot.shadow;
  if (!owner_.holes().raw_instance_stores) refresh(shadow);
  if (shadow.space() != nullptr) commit(*shadow.space(), fermi::kFlushPages);
  tell(shadow, user, kind);
}

void ChannelSet::tell(const InstanceShadow& shadow, SpaceUser user, UseKind kind) const {
  if (owner_.host.observer == nullptr) return;
  owner_.used({.user = user,
               .kind = kind,
               .guest = shadow.guest_space(),
               .shadow = shadow.shadow_space(),
               .shadow_instance = shadow.host()});
}

void ChannelSet::tell_pv(unsigned chid) const {
  const Slot& slot = channels_[chid];
  if (!owner_.mode().para_virtual || slot.shadow == nullptr || slot.pv_directory == 0) return;
  tell(*slot.shadow, SpaceUser::of_channel(chid), UseKind::kSync);
}

std::optional<unsigned> ChannelSet::bound_to(uint64_t guest_instance) const {
  for (unsigned chid = 0; chid < channels_.size(); ++chid) {
    const Slot& slot = channels_[chid];
    if (slot.shadow != nullptr && slot.shadow->guest() == guest_instance) return chid;
  }
  return std::nullopt;
}

uint32_t ChannelSet::use_engine(gf100::Reg reg, uint32_t pointer, UseKind kind) {
  if (pointer == 0) {  // no channel
    detach_engine(reg);
    return 0;
  }
  const uint64_t address = fermi::instance_address(pointer);
  const auto channel = bound_to(address);
  if (!channel && owner_.holes().raw_engine_pointers) {
    // GPUvm gives FECS the shifted address and PCOPY the guest's own.
    const bool fecs = kind == UseKind::kFecs;
    return fermi::with_instance(pointer, fecs ? address + owner_.own().vram_base : address);
  }
  if (!acceptable(pointer)) {
    detach_engine(reg);
    ++owner_.meters.refused;
    return 0;
  }
  if (channel) {
    detach_engine(reg);
    Slot& slot = channels_[*channel];
    use_slot(slot, SpaceUser::of_channel(*channel), kind);
    return to_shadow(pointer, slot.shadow->host());
  }
  // No channel is bound to the block: nouveau does this to make the golden context. It gets a shadow of its
  // own, which lives until the register names another one.
  Slot& slot = engines_[reg];
  if (slot.shadow == nullptr || slot.shadow->guest() != address) {
    detach(slot);
    slot.shadow = attach(address);
  }
  if (slot.shadow == nullptr) return 0;
  slot.shadow->set_pv_directory(engines_pv_directory_);
  use_slot(slot, kEnginesUser, kind);
  return to_shadow(pointer, slot.shadow->host());
}

bool ChannelSet::has_work(unsigned chid) const {
  const Slot& slot = channels_[chid];
  if (slot.shadow == nullptr) return false;
  const Vram& vram = owner_.vram();
  const uint64_t userd = vram.read64(slot.shadow->host() + fermi::kRamfcUserdLow);
  if (fermi::block_aperture(userd) != Aperture::kVram) return true;  // not worth a bus access to find out
  const uint64_t page = fermi::block_address(userd);
  return vram.read32(page + fermi::kUserdIbGet) != vram.read32(page + fermi::kUserdIbPut);
}

void ChannelSet::flush(std::optional<uint64_t> directory, uint32_t trigger) {
  for (auto& [key, weak] : spaces_) {
    const auto space = weak.lock();
    if (space == nullptr || (directory && key.first != *directory)) continue;
    space->dirty = true;
    if (!owner_.mode().lazy) commit(*space, trigger);
  }
}

void ChannelSet::geometry_changed() {
  for (auto& [key, weak] : spaces_) {
    const auto space = weak.lock();
    if (space == nullptr) continue;
    space->guest.geometry = owner_.geometry;
    space->dirty = true;
    commit(*space, fermi::kFlushPages);
  }
}

void ChannelSet::instance_written(uint64_t guest_page, uint64_t offset, unsigned width, uint64_t value) {
  for_each([&](Slot& slot) {
    InstanceShadow& shadow = *slot.shadow;
    if (shadow.guest() / Vram::kPageBytes != guest_page) return;
    // A field that an engine may now use: the last of the moments at which GPUvm, too, must have committed.
    if (value != 0 && shadow.space() != nullptr) commit(*shadow.space(), fermi::kFlushPages);
    if (owner_.holes().raw_instance_stores) {
      shadow.store_raw(offset, width, value);
    } else {
      refresh(shadow);
    }
  });
}

void ChannelSet::pv_flushed(uint64_t host_directory) {
  for (unsigned chid = 0; chid < channels_.size(); ++chid) {
    if (channels_[chid].pv_directory == host_directory) tell_pv(chid);
  }
}

void ChannelSet::set_pv_directory(SpaceUser user, uint64_t host_directory) {
  if (user.kind == SpaceUser::Kind::kChannel) {
    Slot& slot = channels_[user.channel];
    slot.pv_directory = host_directory;
    if (slot.shadow != nullptr) slot.shadow->set_pv_directory(host_directory);
    return;
  }
  engines_pv_directory_ = host_directory;
  // What an engine already works with keeps its directory, unless that goes away.
  for (auto& [reg, slot] : engines_) {
    if (slot.shadow != nullptr && host_directory == 0) slot.shadow->set_pv_directory(0);
  }
}

void ChannelSet::pv_directory_gone(uint64_t host_directory) {
  for_each([host_directory](Slot& slot) {
    if (slot.shadow->pv_directory() == host_directory) slot.shadow->set_pv_directory(0);
  });
}

void ChannelSet::clear() {
  for_each([this](Slot& slot) { detach(slot); });
  engines_.clear();
  spaces_.clear();
}

}  // namespace gpuvm
