#include "emulator/pci/config_space.h"

#include <cstring>

namespace gpuvm {
namespace {

// PCI Local Bus Specification 3.0, sections 6.1 and 6.8.
constexpr unsigned kCommand = 0x04;
constexpr unsigned kStatusCapabilities = 0x10;  // in the status half
constexpr unsigned kBar0 = 0x10;
constexpr unsigned kCapabilityPointer = 0x34;
constexpr unsigned kInterrupt = 0x3c;
constexpr unsigned kMsi = 0x68;  // where the real card has it
constexpr uint32_t kCommandMemory = 1u << 1;
constexpr uint32_t kCommandIntxDisable = 1u << 10;
constexpr uint32_t kMsiEnable = 1u << 16;
constexpr uint32_t kMsi64 = 1u << 23;

// Offsets come from guests and traces: any 32-bit number.
bool inside(unsigned offset, unsigned width) {
  return width <= 4 && offset < 256 && width <= 256 - offset;
}

}  // namespace

ConfigSpace::ConfigSpace(const DeviceInfo& info) : info_(info) {
  set(0x00, info.vendor | uint32_t{info.device} << 16, 0);
  set(kCommand, kStatusCapabilities << 16, 0x0547);
  set(0x08, info.revision | info.class_code << 8, 0);
  set(0x0c, 0, 0xff);
  for (unsigned i = 0; i < 6; ++i) {
    const BarInfo& bar = info.bars[i];
    if (bar.size == 0) continue;
    const uint64_t mask = ~(bar.size - 1);
    const uint32_t flags = bar.is_io ? 1u : (bar.is_64bit ? 4u : 0u) | (bar.prefetchable ? 8u : 0u);
    set(kBar0 + 4 * i, flags, static_cast<uint32_t>(mask) & ~0xfu);
    if (bar.is_64bit && i < 5) set(kBar0 + 4 * i + 4, 0, static_cast<uint32_t>(mask >> 32));
  }
  set(0x2c, info.subsystem_vendor | uint32_t{info.subsystem_device} << 16, 0);
  set(kCapabilityPointer, kMsi, 0);
  set(kInterrupt, 1u << 8, 0xff);  // INTA
  set(kMsi, 0x05 | kMsi64, kMsiEnable | 0x7u << 20);
  set(kMsi + 4, 0, ~3u);
  set(kMsi + 8, 0, ~0u);
  set(kMsi + 12, 0, 0xffff);
  reset_ = bytes_;
}

void ConfigSpace::set(unsigned offset, uint32_t value, uint32_t write_mask) {
  std::memcpy(&bytes_[offset], &value, 4);
  std::memcpy(&writable_[offset], &write_mask, 4);
}

uint32_t ConfigSpace::word(unsigned offset) const {
  return read(offset, 4);
}

uint32_t ConfigSpace::read(unsigned offset, unsigned width) const {
  if (!inside(offset, width)) return ~0u;
  uint32_t value = 0;
  std::memcpy(&value, &bytes_[offset], width);
  return value;
}

void ConfigSpace::write(unsigned offset, unsigned width, uint32_t value) {
  if (!inside(offset, width)) return;
  for (unsigned i = 0; i < width; ++i) {
    const uint8_t mask = writable_[offset + i];
    const auto byte = static_cast<uint8_t>(value >> (8 * i));
    bytes_[offset + i] = static_cast<uint8_t>((bytes_[offset + i] & ~mask) | (byte & mask));
  }
}

void ConfigSpace::reset() {
  bytes_ = reset_;
}

bool ConfigSpace::memory_enabled() const {
  return (word(kCommand) & kCommandMemory) != 0;
}

uint64_t ConfigSpace::bar_base(unsigned bar) const {
  if (bar > 5) return 0;
  const BarInfo& info = info_.bars[bar];
  if (info.size == 0) return 0;
  uint64_t base = word(kBar0 + 4 * bar) & ~0xfu;
  if (info.is_64bit && bar < 5) base |= uint64_t{word(kBar0 + 4 * bar + 4)} << 32;
  return base;
}

std::optional<ConfigSpace::Target> ConfigSpace::decode(uint64_t bus_address) const {
  if (!memory_enabled()) return std::nullopt;
  for (unsigned i = 0; i < 6; ++i) {
    const uint64_t base = bar_base(i);
    if (base == 0 || info_.bars[i].is_io) continue;
    if (bus_address >= base && bus_address - base < info_.bars[i].size) return Target{i, bus_address - base};
  }
  return std::nullopt;
}

std::optional<ConfigSpace::Msi> ConfigSpace::msi() const {
  if ((word(kMsi) & kMsiEnable) == 0) return std::nullopt;
  return Msi{word(kMsi + 4) | uint64_t{word(kMsi + 8)} << 32, word(kMsi + 12) & 0xffff};
}

bool ConfigSpace::intx_disabled() const {
  return (word(kCommand) & kCommandIntxDisable) != 0;
}

}  // namespace gpuvm
