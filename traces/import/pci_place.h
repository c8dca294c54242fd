// Where a device is on the PCI bus, as logs and people spell it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gpuvm {

struct PciPlace {
  int32_t domain = -1;  // -1: not told
  int32_t bus = -1;     // -1: not told
  uint8_t slot = 0;
  uint8_t function = 0;
};

// "0000:01:00.0", "01:00.0", "0100" (bus, and slot and function in one byte) in hexadecimal, and "3:0", slot
// and function in decimal, as QEMU printed it before 5.2. Nothing: none of these.
std::optional<PciPlace> parse_pci_place(std::string_view text);

// Parts that one of them does not tell are not compared.
bool same_place(const PciPlace& a, const PciPlace& b);

// "0000:01:00.0", without what is not told.
std::string to_text(const PciPlace& place);

}  // namespace gpuvm
