// What a trace says about itself: the device, the driver, how it was made. Stored as the attachment
// "meta.json".
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "traces/core/result.h"
#include "traces/schedule.h"
#include "traces/stream.h"

namespace gpuvm {

struct BarInfo {
  uint64_t base = 0;  // bus address, 0 if unknown
  uint64_t size = 0;  // bytes, 0 if the BAR is absent
  bool prefetchable = false;
  bool is_64bit = false;
  bool is_io = false;
  bool guessed = false;     // inferred from the traffic, not told by anybody
  bool flags_known = true;  // false: nothing told whether it is prefetchable or 64-bit
  friend bool operator==(const BarInfo&, const BarInfo&) = default;
};

struct DeviceInfo {
  uint16_t vendor = 0;
  uint16_t device = 0;
  uint16_t subsystem_vendor = 0;
  uint16_t subsystem_device = 0;
  uint8_t revision = 0;
  uint32_t class_code = 0;
  std::string place = {};   // "0000:01:00.0", or empty if unknown
  std::string chip;         // "GF100", or empty if unknown
  uint32_t boot0 = 0;       // PMC.BOOT_0, 0 if unknown
  uint64_t vram_bytes = 0;  // 0 if unknown
  uint64_t delay_ns = 0;    // execution delay the card was given
  std::array<BarInfo, 7> bars{};
  friend bool operator==(const DeviceInfo&, const DeviceInfo&) = default;
};

// One run of a foreign logger, where a log holds several. Its events are those from `first_seq` to the next
// session's.
struct SessionInfo {
  uint64_t first_seq = 0;
  uint64_t events = 0;
  uint64_t start_ns = 0;     // Event::time_ns of its first stamp
  uint64_t duration_ns = 0;  // from its first to its last stamp
  uint64_t wall_clock_us = 0;
  DeviceInfo device;
  friend bool operator==(const SessionInfo&, const SessionInfo&) = default;
};

struct TraceMeta {
  DeviceInfo device;
  std::string driver;       // "nouveau 6.1.192-2 (Debian)"
  std::string kernel;       // the guest's `uname -r` and version
  std::string workload;     // "copy", "load", "" if unknown
  std::string mode;         // virtualisation mode that was live while recording
  std::string translation;  // what a guest's addresses were checked by: "strict", "reference" (not at all);
                            // "" if unknown
  std::string command;      // the command line that made the trace
  std::string tool;         // version of the tool that wrote it
  std::string source;       // "capture", "import mmiotrace", ...
  uint64_t time_unit_ns = 1000;
  uint64_t guest_ram_bytes = 0;  // 0 if unknown
  uint64_t wall_clock_us = 0;    // of time 0, microseconds since 1970 UTC; 0 if unknown
  // What the recorder cannot see, so that its absence says nothing: any of kNotRecordable. Empty: all is
  // seen.
  std::vector<std::string> not_recorded;
  std::vector<SessionInfo> sessions;  // empty: one
  ScheduleInfo schedule;              // of the machines that shared the card
  friend bool operator==(const TraceMeta&, const TraceMeta&) = default;
};

// What a recorder may be blind to: DMA of the device, its interrupts, its configuration space, resets of the
// bus, what happens when.
inline constexpr std::array<std::string_view, 5> kNotRecordable = {"dma", "irq", "config", "reset", "time"};

inline constexpr std::string_view kMetaAttachment = "meta.json";
inline constexpr std::string_view kDmesgAttachment = "dmesg.txt";
inline constexpr std::string_view kKallsymsAttachment = "kallsyms.txt";
inline constexpr std::string_view kGuestLogAttachment = "guest.log";
// What an import keeps of a log beside its events, so that an export can give it back.
inline constexpr std::string_view kLogHeaderAttachment = "log-header.txt";
inline constexpr std::string_view kImportAttachment = "import.json";

// Names of registers, as the user gave them (docs/names.md).
inline constexpr std::string_view kNamesAttachment = "names.txt";
// Of a traced program: the files whose code made its accesses, and the files that it mapped.
inline constexpr std::string_view kModulesAttachment = "modules.json";
inline constexpr std::string_view kMappingsAttachment = "mappings.json";

// Names that mean something to us: a guest may not attach anything under them.
bool is_reserved_attachment(std::string_view name);

// What is read as a trace's description has at most this many bytes, and nests no deeper.
inline constexpr size_t kMaxMetaBytes = 4 << 20;
inline constexpr size_t kMaxSessions = 256;  // described one by one; more are joined with the last
inline constexpr unsigned kMaxMetaDepth = 16;
// Long texts are cut, so that it fits.
std::string to_json(const TraceMeta& meta);
// Unknown keys are ignored, absent ones keep their defaults; the error names the key that has the wrong type.
Result<TraceMeta> meta_from_json(std::string_view text);

// "0.1.0"
std::string_view tool_version();

}  // namespace gpuvm
