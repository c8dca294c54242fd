#include "tracer/process/recorder/pci_files.h"

#include <fstream>
#include <string_view>

#include <fmt/format.h>

namespace gpuvm {
namespace {

constexpr std::string_view kDevices = "/sys/bus/pci/devices/";

uint64_t number_in(const std::string& path) {
  std::ifstream in(path);
  uint64_t value = 0;
  in >> std::hex >> value;
  return in ? value : 0;
}

}  // namespace

std::optional<PciResource> pci_resource_of(const std::string& path) {
  if (!path.starts_with(kDevices)) return std::nullopt;
  const size_t slash = path.find('/', kDevices.size());
  if (slash == std::string::npos) return std::nullopt;
  std::string_view name = std::string_view(path).substr(slash + 1);
  if (!name.starts_with("resource")) return std::nullopt;
  name.remove_prefix(8);
  if (name.ends_with("_wc")) name.remove_suffix(3);
  if (name.size() != 1 || name[0] < '0' || name[0] > '6') return std::nullopt;
  return PciResource{path.substr(kDevices.size(), slash - kDevices.size()),
                     static_cast<uint8_t>(name[0] - '0')};
}

DeviceInfo read_pci_device(const std::string& address) {
  const std::string folder = std::string(kDevices) + address + "/";
  DeviceInfo device;
  device.vendor = static_cast<uint16_t>(number_in(folder + "vendor"));
  device.device = static_cast<uint16_t>(number_in(folder + "device"));
  device.subsystem_vendor = static_cast<uint16_t>(number_in(folder + "subsystem_vendor"));
  device.subsystem_device = static_cast<uint16_t>(number_in(folder + "subsystem_device"));
  device.revision = static_cast<uint8_t>(number_in(folder + "revision"));
  device.class_code = static_cast<uint32_t>(number_in(folder + "class"));
  std::ifstream resources(folder + "resource");
  constexpr uint64_t kIo = 0x100, kPrefetchable = 0x2000,
                     k64Bit = 0x100000;  // of the kernel's resource flags
  for (BarInfo& bar : device.bars) {
    uint64_t first = 0, last = 0, flags = 0;
    if (!(resources >> std::hex >> first >> last >> flags)) break;
    if (last <= first) continue;
    bar = {.base = first,
           .size = last - first + 1,
           .prefetchable = (flags & kPrefetchable) != 0,
           .is_64bit = (flags & k64Bit) != 0,
           .is_io = (flags & kIo) != 0};
  }
  return device;
}

}  // namespace gpuvm
