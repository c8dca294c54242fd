// What a trace says about itself: the device, the driver, how it was made. Stored as the attachment
// "meta.json".
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "traces/core/result.h"
#include "traces/stream.h"

namespace gpuvm {

struct BarInfo {
  uint64_t base = 0;  // bus address, 0 if unknown
  uint64_t size = 0;  // bytes, 0 if the BAR is absent
  bool prefetchable = false;
  bool is_64bit = false;
  bool is_io = false;
  friend bool operator==(const BarInfo&, const BarInfo&) = default;
};

struct DeviceInfo {
  uint16_t vendor = 0;
  uint16_t device = 0;
  uint16_t subsystem_vendor = 0;
  uint16_t subsystem_device = 0;
  uint8_t revision = 0;
  uint32_t class_code = 0;
  std::string chip;         // "GF100", or empty if unknown
  uint32_t boot0 = 0;       // PMC.BOOT_0, 0 if unknown
  uint64_t vram_bytes = 0;  // 0 if unknown
  uint64_t delay_ns = 0;    // execution delay the card was given
  std::array<BarInfo, 7> bars{};
  friend bool operator==(const DeviceInfo&, const DeviceInfo&) = default;
};

struct TraceMeta {
  DeviceInfo device;
  std::string driver;    // "nouveau 6.1.192-2 (Debian)"
  std::string kernel;    // the guest's `uname -r` and version
  std::string workload;  // "copy", "load", "" if unknown
  std::string mode;      // virtualisation mode that was live while recording
  std::string command;   // the command line that made the trace
  std::string tool;      // version of the tool that wrote it
  std::string source;    // "capture", "import mmiotrace", ...
  uint64_t time_unit_ns = 1000;
  uint64_t guest_ram_bytes = 0;  // 0 if unknown
  friend bool operator==(const TraceMeta&, const TraceMeta&) = default;
};

inline constexpr std::string_view kMetaAttachment = "meta.json";
inline constexpr std::string_view kDmesgAttachment = "dmesg.txt";
inline constexpr std::string_view kKallsymsAttachment = "kallsyms.txt";
inline constexpr std::string_view kGuestLogAttachment = "guest.log";

std::string to_json(const TraceMeta& meta);
// Unknown keys are ignored, absent ones keep their defaults; the error names the key that has the wrong type.
Result<TraceMeta> meta_from_json(std::string_view text);

// "0.1.0"
std::string_view tool_version();

}  // namespace gpuvm
