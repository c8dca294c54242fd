#include "traces/meta.h"

#include <nlohmann/json.hpp>

namespace gpuvm {

using nlohmann::json;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(BarInfo, base, size, prefetchable, is_64bit, is_io, guessed,
                                                flags_known)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(DeviceInfo, vendor, device, subsystem_vendor,
                                                subsystem_device, revision, class_code, place, chip, boot0,
                                                vram_bytes, delay_ns, bars)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SessionInfo, first_seq, events, start_ns, duration_ns,
                                                wall_clock_us, device)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TraceMeta, device, driver, kernel, workload, mode, command,
                                                tool, source, time_unit_ns, guest_ram_bytes, wall_clock_us,
                                                not_recorded, sessions)

std::string to_json(const TraceMeta& meta) {
  return json(meta).dump(1, ' ', false, json::error_handler_t::replace);
}

Result<TraceMeta> meta_from_json(std::string_view text) {
  try {
    return json::parse(text).get<TraceMeta>();
  } catch (const json::exception& e) {
    return error("attachment {}: {}; the trace's description is damaged", kMetaAttachment, e.what());
  }
}

std::string_view tool_version() {
  return GPUVM_VERSION;
}

}  // namespace gpuvm
