#include "emulator/hypervisor/channel_set.h"

#include "emulator/hypervisor/router.h"

namespace gpuvm {
namespace {

// The guest's pointer with a block of the hypervisor's instead, which is in VRAM.
constexpr uint32_t to_shadow(uint32_t pointer, uint64_t block) {
  return fermi::with_instance(pointer & ~fermi::kInstanceTarget.mask(), block);
}

}  // namespace

ChannelSet::ChannelSet(const ShadowContext& context, const Services& services)
    : context_(context), services_(services), channels_(context.partition.view().channels) {}

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

// Instance blocks must be in the guest's VRAM: one in system memory could change without anyone noticing
// (S3).
std::optional<uint64_t> ChannelSet::acceptable(uint32_t pointer) const {
  const uint64_t address = fermi::instance_address(pointer);
  if (!context_.partition.strict()) return address;
  if (fermi::instance_aperture(pointer) != Aperture::kVram) return std::nullopt;
  if (!context_.partition.to_host(Aperture::kVram, address, fermi::kInstanceBytes)) return std::nullopt;
  return address;
}

std::unique_ptr<InstanceShadow> ChannelSet::attach(uint64_t guest_instance, fermi::Geometry geometry) {
  const auto page = context_.quota.allocate(1);
  if (!page) {
    ++context_.meters.refused;
    return nullptr;
  }
  auto shadow = std::make_unique<InstanceShadow>(context_, guest_instance, *page);
  services_.marks.add(guest_instance / Vram::kPageBytes);
  refresh(*shadow, geometry);
  return shadow;
}

void ChannelSet::detach(Slot& slot) {
  if (slot.shadow == nullptr) return;
  services_.marks.remove(slot.shadow->guest() / Vram::kPageBytes);
  if (context_.partition.strict()) take_from_engines(slot.shadow->host());
  slot.shadow.reset();
}

// An engine that still named the block would go on with whoever gets the page next.
void ChannelSet::take_from_engines(uint64_t block) {
  for (const gf100::Reg reg : engine_pointers()) {
    const uint32_t pointer = context_.host.card.registers().peek(reg);
    if (fermi::instance_address(pointer) == block) context_.host.write(reg, 0, 0);
  }
}

std::shared_ptr<SharedSpace> ChannelSet::space_of(const AddressSpace& guest) {
  std::erase_if(spaces_, [](const auto& entry) { return entry.second.expired(); });
  auto& known = spaces_[{guest.directory, guest.limit}];
  auto space = known.lock();
  if (space == nullptr) {
    space = std::make_shared<SharedSpace>(context_, guest);
    known = space;
  }
  return space;
}

// Brings the copy of an instance block up to date, and with it the address space that it names.
void ChannelSet::refresh(InstanceShadow& shadow, fermi::Geometry geometry) {
  const AddressSpace guest = shadow.guest_space(geometry);
  const bool wrong_space = shadow.space() == nullptr || shadow.space()->guest != guest;
  shadow.sync();
  if (!wrong_space) return;
  if (services_.mode.para_virtual) return;  // directories come by call
  const bool usable = !context_.partition.strict() || guest.directory_aperture == Aperture::kVram;
  shadow.set_space(usable ? space_of(guest) : nullptr);
  if (shadow.space() != nullptr && !services_.mode.lazy) {
    release(*shadow.space(), fermi::kFlushPages);
  }
}

void ChannelSet::release(SharedSpace& space, uint32_t trigger) {
  if (!space.dirty) return;
  space.dirty = false;
  space.shadow.sync(space.guest);
  context_.host.flush_tlb(space.shadow.root(), trigger);
  if (services_.observer == nullptr) return;
  services_.observer->on_use({.vm = services_.vm,
                              .channel = kChannelNone,
                              .kind = UseKind::kSync,
                              .guest = space.guest,
                              .shadow = space.shadow.space(space.guest.limit)});
}

uint32_t ChannelSet::bind(unsigned chid, uint32_t pointer, fermi::Geometry geometry) {
  Slot& slot = channels_[chid];
  detach(slot);
  slot.pointer = pointer;
  if (!fermi::instance_valid(pointer) && context_.partition.strict()) return 0;
  const auto instance = acceptable(pointer);
  if (!instance) {
    ++context_.meters.refused;
    return 0;
  }
  slot.shadow = attach(*instance, geometry);
  if (slot.shadow == nullptr) return 0;
  slot.shadow->set_pv_directory(slot.pv_directory);
  observe_pv(chid, geometry);
  // The reference keeps the target bits with the new address (S3).
  return context_.partition.strict() ? to_shadow(pointer, slot.shadow->host())
                                     : fermi::with_instance(pointer, slot.shadow->host());
}

void ChannelSet::unbind(unsigned chid) {
  detach(channels_[chid]);
}

void ChannelSet::use(unsigned chid, fermi::Geometry geometry) {
  if (channels_[chid].shadow != nullptr) {
    use_slot(channels_[chid], static_cast<int>(chid), UseKind::kDoorbell, geometry);
  }
}

void ChannelSet::use_slot(Slot& slot, int channel, UseKind kind, fermi::Geometry geometry) {
  InstanceShadow& shadow = *slot.shadow;
  if (context_.partition.strict()) refresh(shadow, geometry);
  if (shadow.space() != nullptr) release(*shadow.space(), fermi::kFlushPages);
  observe(shadow, channel, kind, geometry);
}

void ChannelSet::observe(const InstanceShadow& shadow, int channel, UseKind kind,
                         fermi::Geometry geometry) const {
  if (services_.observer == nullptr) return;
  services_.observer->on_use({.vm = services_.vm,
                              .channel = channel,
                              .kind = kind,
                              .guest = shadow.guest_space(geometry),
                              .shadow = shadow.shadow_space(context_.host.geometry),
                              .shadow_instance = shadow.host()});
}

void ChannelSet::observe_pv(unsigned chid, fermi::Geometry geometry) const {
  const Slot& slot = channels_[chid];
  if (!services_.mode.para_virtual || slot.shadow == nullptr || slot.pv_directory == 0) return;
  observe(*slot.shadow, static_cast<int>(chid), UseKind::kSync, geometry);
}

uint32_t ChannelSet::use_engine(gf100::Reg reg, uint32_t pointer, UseKind kind, fermi::Geometry geometry) {
  const auto own = engines_.find(reg);
  if (pointer == 0) {  // no channel
    if (own != engines_.end()) detach(own->second);
    return 0;
  }
  const uint64_t address = fermi::instance_address(pointer);
  Slot* slot = nullptr;
  int channel = kChannelEngine;
  for (size_t i = 0; i < channels_.size(); ++i) {
    if (channels_[i].shadow == nullptr || channels_[i].shadow->guest() != address) continue;
    slot = &channels_[i];
    channel = static_cast<int>(i);
    break;
  }
  if (slot == nullptr && !context_.partition.strict()) {
    // S14: GPUvm gives FECS the shifted address and PCOPY the guest's own.
    const bool fecs = kind == UseKind::kFecs;
    return fermi::with_instance(pointer, fecs ? address + context_.partition.view().vram_base : address);
  }
  if (!acceptable(pointer)) {
    if (own != engines_.end()) detach(own->second);
    ++context_.meters.refused;
    return 0;
  }
  if (slot == nullptr) {
    // No channel is bound to the block: nouveau does this to make the golden context. It gets a shadow of its
    // own, which lives until the register names another one.
    slot = &engines_[reg];
    if (slot->shadow == nullptr || slot->shadow->guest() != address) {
      detach(*slot);
      slot->shadow = attach(address, geometry);
    }
    if (slot->shadow == nullptr) return 0;
    slot->shadow->set_pv_directory(engines_pv_directory_);
  } else if (own != engines_.end()) {
    detach(own->second);
  }
  use_slot(*slot, channel, kind, geometry);
  return to_shadow(pointer, slot->shadow->host());
}

bool ChannelSet::has_work(unsigned chid) const {
  const Slot& slot = channels_[chid];
  if (slot.shadow == nullptr) return false;
  PhysicalMemory& memory = context_.host.card.memory();
  const uint64_t userd = memory.vram().read64(slot.shadow->host() + fermi::kRamfcUserdLow);
  if (fermi::block_aperture(userd) != Aperture::kVram) return true;  // not worth a bus access to find out
  const uint64_t page = fermi::block_address(userd);
  return memory.vram().read32(page + fermi::kUserdIbGet) != memory.vram().read32(page + fermi::kUserdIbPut);
}

void ChannelSet::flush(std::optional<uint64_t> directory, uint32_t trigger) {
  for (auto& [key, weak] : spaces_) {
    const auto space = weak.lock();
    if (space == nullptr || (directory && key.first != *directory)) continue;
    space->dirty = true;
    if (!services_.mode.lazy) release(*space, trigger);
  }
}

void ChannelSet::set_geometry(fermi::Geometry geometry) {
  for (auto& [key, weak] : spaces_) {
    const auto space = weak.lock();
    if (space == nullptr) continue;
    space->guest.geometry = geometry;
    space->dirty = true;
    release(*space, fermi::kFlushPages);
  }
}

void ChannelSet::instance_written(uint64_t guest_page, uint64_t offset, unsigned width, uint64_t value,
                                  fermi::Geometry geometry) {
  for_each([&](Slot& slot) {
    if (slot.shadow->guest() / Vram::kPageBytes != guest_page) return;
    // GPUvm's fourth release point: a field that an engine may now use.
    if (value != 0 && slot.shadow->space() != nullptr) release(*slot.shadow->space(), fermi::kFlushPages);
    if (context_.partition.strict()) {
      refresh(*slot.shadow, geometry);
    } else {
      slot.shadow->store_raw(offset, width, value);
    }
  });
}

void ChannelSet::pv_flushed(uint64_t host_directory, fermi::Geometry geometry) {
  for (unsigned chid = 0; chid < channels_.size(); ++chid) {
    if (channels_[chid].pv_directory == host_directory) observe_pv(chid, geometry);
  }
}

void ChannelSet::set_pv_directory(std::optional<unsigned> chid, uint64_t host_directory) {
  if (chid) {
    channels_[*chid].pv_directory = host_directory;
    if (channels_[*chid].shadow != nullptr) channels_[*chid].shadow->set_pv_directory(host_directory);
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
