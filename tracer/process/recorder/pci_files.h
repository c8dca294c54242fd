// What the names of sysfs files tell about PCI devices.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "traces/meta.h"

namespace gpuvm {

struct PciResource {
  std::string address;  // "0000:01:00.0"
  uint8_t bar = 0;
};
// "/sys/bus/pci/devices/0000:01:00.0/resource1_wc" is BAR 1.
std::optional<PciResource> pci_resource_of(const std::string& path);
// Vendor, device, class and BARs from sysfs; what cannot be read stays 0.
DeviceInfo read_pci_device(const std::string& address);

}  // namespace gpuvm
