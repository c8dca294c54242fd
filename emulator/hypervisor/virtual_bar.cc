#include "emulator/hypervisor/virtual_bar.h"

#include <algorithm>

namespace gpuvm {

VirtualBar::VirtualBar(Guest& owner, SpaceUser user, uint64_t bytes)
    : owner_(owner), user_(user), bytes_(bytes), pages_(bytes >> 12) {}

void VirtualBar::detach() {
  if (instance_) owner_.marks.remove(*instance_ / Vram::kPageBytes);
  instance_.reset();
}

void VirtualBar::set_instance(uint32_t pointer) {
  detach();
  pointer_ = pointer;
  ++generation_;
  if (enabled()) {
    const uint64_t address = fermi::instance_address(pointer);
    if (owner_.structure(fermi::instance_aperture(pointer), address, fermi::kInstanceBytes)) {
      instance_ = address;
      owner_.marks.add(address / Vram::kPageBytes);
    } else {
      ++owner_.meters.refused;
    }
    read_instance();
    rebuild();
  }
  publish();
}

// False: the address space is what it was.
bool VirtualBar::read_instance() {
  AddressSpace now{Aperture::kInvalid, 0, 0, owner_.geometry};
  if (instance_) {
    const auto host = owner_.partition.to_host(Aperture::kVram, *instance_, fermi::kInstanceBytes);
    now = address_space_of(owner_.memory(), Aperture::kVram, *host, owner_.geometry);
    now.limit = std::min(now.limit, bytes_ - 1);
  }
  const bool changed = now != guest_;
  guest_ = now;
  return changed;
}

void VirtualBar::flush(std::optional<uint64_t> directory) {
  if (!enabled() || !instance_) return;
  if (directory && *directory != guest_.directory) return;
  rebuild();
  publish();
}

void VirtualBar::instance_written(uint64_t guest_page) {
  if (!enabled() || !instance_ || *instance_ / Vram::kPageBytes != guest_page || !read_instance()) return;
  rebuild();
  publish();
}

void VirtualBar::rebuild() {
  ++generation_;
  if (owner_.mode().para_virtual) return;  // tables come by call
  if (space_ == nullptr) space_ = std::make_unique<ShadowSpace>(owner_);
  ++owner_.meters.bar_rebuilds;
  space_->sync(guest_);
  tell();
}

void VirtualBar::tell() const {
  owner_.used({.user = user_,
               .kind = UseKind::kBar,
               .guest = guest_,
               .shadow = {Aperture::kVram, root(), guest_.limit, owner_.host.geometry}});
}

void VirtualBar::pv_flushed(uint64_t host_directory) {
  if (enabled() && host_directory == pv_directory_) tell();
}

void VirtualBar::set_pv_directory(uint64_t host_directory) {
  pv_directory_ = host_directory;
  pv_tables_changed();
}

void VirtualBar::pv_tables_changed() {
  ++generation_;
  publish();
}

uint64_t VirtualBar::root() const {
  if (pv_directory_ != 0) return pv_directory_;
  return space_ != nullptr ? space_->root() : owner_.host.empty_directory;
}

void VirtualBar::fill(Page& page, uint64_t offset) const {
  page = {.generation = generation_};
  const uint64_t va = offset & ~uint64_t{0xfff};
  if (!enabled()) {
    // The window shows the guest's VRAM as it lies, as the card's does.
    const auto host = owner_.partition.to_host(Aperture::kVram, va, Vram::kPageBytes);
    if (!host) return;
    page.host = *host;
    page.aperture = Aperture::kVram;
    page.mapped = true;
    return;
  }
  const AddressSpace space{Aperture::kVram, root(), pv_directory_ != 0 ? bytes_ - 1 : guest_.limit,
                           owner_.host.geometry};
  const Translation t = translate(owner_.memory(), space, va);
  if (!t.mapped) return;
  page.mapped = true;
  page.read_only = t.read_only;
  page.host = t.address;
  // GPUvm's software table forgets the target: what should be system memory becomes an address of VRAM.
  page.aperture = owner_.holes().bar_target_ignored ? Aperture::kVram : t.aperture;
}

void VirtualBar::clear() {
  detach();
  pointer_ = 0;
  pv_directory_ = 0;
  guest_ = {};
  space_.reset();
  ++generation_;
}

std::optional<VirtualBar1::Poll> VirtualBar1::poll(uint64_t offset) const {
  const PartitionView& own = owner_.own();
  const auto at = userd_place(offset, registers_.peek(gf100::Reg::kPfifoBar1Base));
  if (!at || at->slot >= own.channels) return std::nullopt;
  return Poll{static_cast<unsigned>(at->slot), at->offset,
              (own.first_channel + at->slot) * fermi::kUserdBytes + at->offset};
}

void VirtualBar1::publish() {
  const PartitionView& own = owner_.own();
  const auto base = userd_base(registers_.peek(gf100::Reg::kPfifoBar1Base));
  bool changed = false;
  for (unsigned chid = 0; chid < own.channels; ++chid) {
    const uint64_t offset = base.value_or(0) + chid * fermi::kUserdBytes;
    fermi::Pte entry;
    if (base && offset < bytes()) {
      const Page& page = resolve(offset);
      if (page.mapped) entry = fermi::Pte::page(page.aperture, page.host, page.read_only);
    }
    const uint64_t at = owner_.host.poll_table + 8 * (uint64_t{own.first_channel} + chid);
    if (owner_.vram().read64(at) == entry.raw) continue;
    owner_.vram().write(at, 8, entry.raw);
    changed = true;
  }
  if (changed) owner_.host.write(gf100::Reg::kPffbVmFlush, 0, fermi::kFlushHubPages);
}

void VirtualBar3::publish() {
  Vram& vram = owner_.vram();
  const uint64_t at = owner_.host.bar3_directory + 8 * uint64_t{owner_.own().slot};
  const uint64_t entry = enabled() ? vram.read64(root()) : 0;
  if (vram.read64(at) != entry) vram.write(at, 8, entry);
  owner_.host.write(gf100::Reg::kPffbVmFlush, 0, fermi::kFlushHubPages);
}

}  // namespace gpuvm
