#include "emulator/hypervisor/virtual_bar.h"

#include <algorithm>

namespace gpuvm {

VirtualBar::VirtualBar(const ShadowContext& context, const Services& services, uint64_t bytes)
    : context_(context), services_(services), bytes_(bytes), pages_(bytes >> 12) {}

void VirtualBar::detach() {
  if (instance_) services_.marks.remove(*instance_ / Vram::kPageBytes);
  instance_.reset();
}

void VirtualBar::set_instance(uint32_t pointer, fermi::Geometry geometry) {
  detach();
  pointer_ = pointer;
  geometry_ = geometry;
  ++generation_;
  if (!enabled()) return;
  const uint64_t address = fermi::instance_address(pointer);
  const bool in_vram = fermi::instance_aperture(pointer) == Aperture::kVram || !context_.partition.strict();
  const auto host = context_.partition.to_host(Aperture::kVram, address, fermi::kInstanceBytes);
  if (in_vram && host && context_.host.card.vram().contains(*host, fermi::kInstanceBytes)) {
    instance_ = address;
    services_.marks.add(address / Vram::kPageBytes);
  } else {
    ++context_.meters.refused;
  }
  read_instance();
  rebuild();
}

// False: the address space is what it was.
bool VirtualBar::read_instance() {
  AddressSpace now{Aperture::kInvalid, 0, 0, geometry_};
  if (instance_) {
    const auto host = context_.partition.to_host(Aperture::kVram, *instance_, fermi::kInstanceBytes);
    now = address_space_of(context_.host.card.memory(), Aperture::kVram, *host, geometry_);
    now.limit = std::min(now.limit, bytes_ - 1);
  }
  const bool changed = now != guest_;
  guest_ = now;
  return changed;
}

bool VirtualBar::flush(std::optional<uint64_t> directory) {
  if (!enabled() || !instance_) return false;
  if (directory && *directory != guest_.directory) return false;
  rebuild();
  return true;
}

bool VirtualBar::instance_written(uint64_t guest_page) {
  if (!enabled() || !instance_ || *instance_ / Vram::kPageBytes != guest_page || !read_instance())
    return false;
  rebuild();
  return true;
}

void VirtualBar::rebuild() {
  ++generation_;
  if (services_.para_virtual) return;  // tables come by call
  if (space_ == nullptr) space_ = std::make_unique<ShadowSpace>(context_);
  ++context_.meters.bar_rebuilds;
  space_->sync(guest_);
  observe();
}

void VirtualBar::observe() const {
  if (services_.observer == nullptr) return;
  services_.observer->on_use({.vm = services_.vm,
                              .channel = services_.channel,
                              .kind = UseKind::kBar,
                              .guest = guest_,
                              .shadow = {Aperture::kVram, root(), guest_.limit, context_.host.geometry}});
}

void VirtualBar::pv_flushed(uint64_t host_directory) {
  if (enabled() && host_directory == pv_directory_) observe();
}

void VirtualBar::set_pv_directory(uint64_t host_directory) {
  pv_directory_ = host_directory;
  ++generation_;
}

uint64_t VirtualBar::root() const {
  if (pv_directory_ != 0) return pv_directory_;
  return space_ != nullptr ? space_->root() : context_.host.empty_directory;
}

uint64_t VirtualBar::first_directory_entry() const {
  return enabled() ? context_.host.card.vram().read64(root()) : 0;
}

void VirtualBar::fill(Page& page, uint64_t offset) const {
  page = {.generation = generation_};
  const uint64_t va = offset & ~uint64_t{0xfff};
  if (!enabled()) {
    // The window shows the guest's VRAM as it lies (nouveau-gf100.md 7.4).
    const auto host = context_.partition.to_host(Aperture::kVram, va, Vram::kPageBytes);
    if (!host) return;
    page.host = *host;
    page.aperture = Aperture::kVram;
    page.mapped = true;
    return;
  }
  const AddressSpace space{Aperture::kVram, root(), pv_directory_ != 0 ? bytes_ - 1 : guest_.limit,
                           context_.host.geometry};
  const Translation t = translate(context_.host.card.memory(), space, va);
  if (!t.mapped) return;
  page.mapped = true;
  page.read_only = t.read_only;
  page.host = t.address;
  // GPUvm's software table forgets the target: what should be system memory becomes an address of VRAM (S8).
  page.aperture = context_.partition.strict() ? t.aperture : Aperture::kVram;
}

void VirtualBar::clear() {
  detach();
  pointer_ = 0;
  pv_directory_ = 0;
  guest_ = {};
  space_.reset();
  ++generation_;
}

}  // namespace gpuvm
