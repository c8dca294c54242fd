// One line of QEMU's trace log (backend "log", -D FILE), the events that tell about a device: text to fields.
// The spelling is that of hw/vfio/trace-events, hw/pci/trace-events and softmmu/trace-events; each line may
// begin with "THREAD@SECONDS.MICROSECONDS:" or, from QEMU 10.2 on, with a calendar stamp (-msg timestamp=on).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace gpuvm {

enum class QemuLineKind : uint8_t {
  kOther,        // not understood
  kKnown,        // a device event without an event of ours (mmap set-up, MSI enable, …)
  kRegionRead,   // vfio_region_read, vfio_region_write: device, index = VFIO region, address = offset in it
  kRegionWrite,  //
  kRegionSetup,  // vfio_region_setup: device, index, value = size
  kOpsRead,      // memory_region_ops_read, _write: address = guest-physical or port; region, region_name, cpu
  kOpsWrite,     //
  kConfigRead,   // vfio_pci_read_config, _write_config: device, address, width, value
  kConfigWrite,  //
  kCfgRead,      // pci_cfg_read, _write: device = model, place; address, value; the line has no width
  kCfgWrite,     //
  kBarMapped,    // pci_update_mappings_add: device = model, place, index, address, value = size
  kBarUnmapped,  // pci_update_mappings_del: the same
  kIntxRaised,   // vfio_intx_interrupt: device
  kIntxLowered,  // vfio_intx_eoi: device
  kMsi,          // vfio_msi_interrupt: device, index = vector, address, value
  kReset,        // vfio_pci_reset: device
  // What QEMU does in place of the device. Of a mirror of configuration space: device, index = BAR,
  // address = offset in it, value. Of a window with an index and a data register: the same, of the data
  // register.
  kQuirkRead,   // value: what the guest got; what the hardware gave is in the vfio_region_read before
  kQuirkWrite,  // the guest's access, which does not reach the hardware
  kLibvirt,     // "... starting up libvirt version: ...": a log that is appended to at each start
};

struct QemuLine {
  QemuLineKind kind = QemuLineKind::kOther;
  std::optional<uint64_t> time_us;  // since 1970 UTC
  uint64_t thread = 0;              // of QEMU, 0 = unknown
  std::string_view device;          // "0000:01:00.0", or "edu"
  std::string_view place;           // "00:01.0", or "1:0" (slot and function, decimal) before QEMU 5.2
  std::string_view region_name;
  uint64_t region = 0;  // QEMU's pointer, which tells regions apart
  uint64_t index = 0;
  uint64_t address = 0;
  uint64_t value = 0;
  uint64_t width = 0;
  int32_t cpu = -1;
};

// Reads the line [begin, end); *end must be readable and no digit.
QemuLine parse_qemu_line(const char* begin, const char* end);

}  // namespace gpuvm
