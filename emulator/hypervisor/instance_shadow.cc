#include "emulator/hypervisor/instance_shadow.h"

#include <array>

#include "traces/core/bytes.h"

namespace gpuvm {
namespace {

using Block = std::array<std::byte, fermi::kInstanceBytes>;

}  // namespace

InstanceShadow::InstanceShadow(Guest& owner, uint64_t guest_instance, uint64_t page)
    : owner_(owner), guest_(guest_instance), page_(page) {}

InstanceShadow::~InstanceShadow() {
  static constexpr Block kZero{};
  owner_.vram().write_bytes(page_, kZero);
  owner_.pages.free(page_, 1);
}

void InstanceShadow::sync() {
  Vram& vram = owner_.vram();
  const auto host = owner_.structure(Aperture::kVram, guest_, fermi::kInstanceBytes);
  if (!host) return;
  const uint64_t version = vram.page_version(*host / Vram::kPageBytes);
  if (version_ == version) return;
  version_ = version;
  Block block;
  vram.read_bytes(*host, block);
  translate(block);
  vram.write_bytes(page_, block);
}

// What in an instance block is a physical address (docs/gpuvm.md): USERD and the page
// directory. The indirect buffer and the engines' context pointers are virtual ones. GPUvm also shifts 0x64
// and 0x68, which on Fermi are no addresses (an NV50 leftover): the reference policy keeps that.
void InstanceShadow::translate(std::span<std::byte> block) const {
  std::byte* userd = block.data() + fermi::kRamfcUserdLow;
  store(userd, translate_userd(load<uint64_t>(userd)));
  if (owner_.holes().shifted_leftovers) {
    for (const uint64_t offset : {0x64, 0x68}) {
      std::byte* at = block.data() + offset;
      store(at, load<uint32_t>(at) + static_cast<uint32_t>(owner_.own().vram_base));
    }
  }
  store(block.data() + fermi::kInstancePageDirectory, root());
}

uint64_t InstanceShadow::translate_userd(uint64_t userd) const {
  const Aperture aperture = fermi::block_aperture(userd);
  const uint64_t address = fermi::block_address(userd);
  const auto keep = userd & ~fermi::kVaMask;
  if (owner_.holes().userd_target_ignored) {
    // Offset added whatever the target (S3).
    return keep | ((address + owner_.own().vram_base) & fermi::kVaMask) | (userd & 0xfff);
  }
  const auto host = owner_.partition.to_host(aperture, address, fermi::kUserdBytes);
  if (!host) {
    ++owner_.meters.refused;
    return static_cast<uint64_t>(
        Aperture::kInvalid);  // no memory: the card drops what it would publish there
  }
  return *host | (userd & 0xfff);
}

void InstanceShadow::store_raw(uint64_t offset, unsigned width, uint64_t value) {
  owner_.vram().write(page_ + offset, width, value);
}

AddressSpace InstanceShadow::guest_space() const {
  const auto host = owner_.structure(Aperture::kVram, guest_, fermi::kInstanceBytes);
  if (!host) return {Aperture::kInvalid, 0, 0, owner_.geometry};
  return address_space_of(owner_.memory(), Aperture::kVram, *host, owner_.geometry);
}

AddressSpace InstanceShadow::shadow_space() const {
  return address_space_of(owner_.memory(), Aperture::kVram, page_, owner_.host.geometry);
}

uint64_t InstanceShadow::root() const {
  if (pv_directory_ != 0) return pv_directory_;
  return space_ != nullptr ? space_->shadow.root() : owner_.host.empty_directory;
}

void InstanceShadow::set_space(std::shared_ptr<SharedSpace> space) {
  space_ = std::move(space);
  owner_.vram().write(page_ + fermi::kInstancePageDirectory, 8, root());
}

void InstanceShadow::set_pv_directory(uint64_t host_directory) {
  pv_directory_ = host_directory;
  owner_.vram().write(page_ + fermi::kInstancePageDirectory, 8, root());
}

}  // namespace gpuvm
