#include "traces/meta.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "traces/core/small_json.h"
#include "traces/gpu_work.h"

namespace gpuvm {
namespace {

// In JSON a character may take six bytes.
constexpr size_t kMaxText = 1 << 10;
constexpr size_t kMaxCommand = 32 << 10;
constexpr size_t kMaxSessionBytes = 6 * 2 * kMaxText + (3 << 10);
static_assert(6 * (8 * kMaxText + kMaxCommand) + (8 << 10) + kMaxSessions * kMaxSessionBytes <=
              kMaxMetaBytes);

}  // namespace

using nlohmann::json;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(BarInfo, base, size, prefetchable, is_64bit, is_io, guessed,
                                                flags_known)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DeviceInfo, vendor, device, subsystem_vendor,
                                                subsystem_device, revision, class_code, place, chip, boot0,
                                                vram_bytes, delay_ns, bars)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SessionInfo, first_seq, events, start_ns, duration_ns,
                                                wall_clock_us, device)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ScheduleInfo, scheduler, variant, weights, period_ns, wait_ns,
                                                slice_ns, balance_ns, stages, machines, machine)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TraceMeta, device, driver, kernel, workload, mode,
                                                translation, command, tool, source, time_unit_ns,
                                                guest_ram_bytes, wall_clock_us, not_recorded, sessions,
                                                schedule)

std::string to_json(const TraceMeta& meta) {
  TraceMeta cut = meta;
  for (std::string* text : {&cut.driver, &cut.kernel, &cut.workload, &cut.mode, &cut.translation, &cut.tool,
                            &cut.source, &cut.device.chip, &cut.device.place}) {
    if (text->size() > kMaxText) text->resize(kMaxText);
  }
  if (cut.sessions.size() > kMaxSessions) cut.sessions.resize(kMaxSessions);
  for (SessionInfo& session : cut.sessions) {
    for (std::string* text : {&session.device.chip, &session.device.place}) {
      if (text->size() > kMaxText) text->resize(kMaxText);
    }
  }
  if (cut.command.size() > kMaxCommand) cut.command = cut.command.substr(0, kMaxCommand) + " ...";
  if (cut.schedule.weights.size() > kMaxSessions) cut.schedule.weights.resize(kMaxSessions);
  json out(cut);
  if (cut.schedule.none()) out.erase("schedule");
  return out.dump(1, ' ', false, json::error_handler_t::replace);
}

bool is_reserved_attachment(std::string_view name) {
  constexpr std::string_view kReserved[] = {kMetaAttachment,    kGuestLogAttachment, kLogHeaderAttachment,
                                            kImportAttachment,  kNamesAttachment,    kGpuWorkAttachment,
                                            kModulesAttachment, kMappingsAttachment, kScheduleAttachment};
  return std::ranges::find(kReserved, name) != std::end(kReserved);
}

Result<TraceMeta> meta_from_json(std::string_view text) {
  if (!is_small_json(text, kMaxMetaBytes, kMaxMetaDepth)) {
    return error(
        "attachment {}: longer than {} KiB or nested more than {} deep; the trace's description is damaged",
        kMetaAttachment, kMaxMetaBytes >> 10, kMaxMetaDepth);
  }
  try {
    return json::parse(text).get<TraceMeta>();
  } catch (const json::exception& e) {
    return error("attachment {}: {}; the trace's description is damaged", kMetaAttachment,
                 std::string_view(e.what()).substr(0, 200));
  }
}

std::string_view tool_version() {
  return GPUVM_VERSION;
}

}  // namespace gpuvm
