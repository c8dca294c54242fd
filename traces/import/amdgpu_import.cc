// Linux's amdgpu_device_rreg and amdgpu_device_wreg trace events: registers of an AMD card, by number of the
// dword in BAR5. Source: drivers/gpu/drm/amd/amdgpu/amdgpu_trace.h of Linux 6.
//
//   amdgpu_device_wreg: 0x687f, 0x00001234, 0x00000001         PCI device, register, value
#include "traces/import/ftrace_line.h"
#include "traces/import/text_scanner.h"

namespace gpuvm {
namespace {

constexpr uint32_t kAmd = 0x1002;

std::optional<AccessLine> parse(const char* begin, const char* end) {
  AccessLine line;
  line.width = 4;
  line.bar = 5;
  const std::string_view whole(begin, static_cast<size_t>(end - begin));
  std::string_view name;
  auto text = ftrace_event(whole, "amdgpu_device_", &name, &line);
  // Before Linux 5.9 the events were named so.
  if (!text) text = ftrace_event(whole, "amdgpu_mm_", &name, &line);
  if (!text || (name != "rreg" && name != "wreg")) return std::nullopt;
  line.write = name == "wreg";
  TextScanner scan(text->data(), end);
  uint64_t device, reg;
  if (!(scan.hex(&device) && device <= 0xffff && scan.take(", ") && scan.hex(&reg) && reg <= 0xffffffff &&
        scan.take(", ") && scan.hex(&line.value) && scan.at_end())) {
    return std::nullopt;
  }
  line.address = reg * 4;
  line.device = kAmd << 16 | static_cast<uint32_t>(device);
  return line;
}

}  // namespace

extern const ImporterRow kAmdgpuRow;
const ImporterRow kAmdgpuRow = {
    .name = "amdgpu",
    .alias = "",
    .what = "Linux amdgpu register trace events",
    .not_recorded = "dma irq config reset",
    .recognises = [](const char* begin, const char* end) { return parse(begin, end).has_value(); },
    .opens_session = opens_ftrace_session,
    .make = [](ImportRun& run) -> std::unique_ptr<LineImporter> {
      return std::make_unique<AccessLineImporter>(run, parse, opens_ftrace_session, false);
    }};

}  // namespace gpuvm
