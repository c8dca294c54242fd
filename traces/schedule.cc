#include "traces/schedule.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "traces/core/small_json.h"

namespace gpuvm {
namespace {

using nlohmann::json;

constexpr size_t kMaxBytes = 4 << 20;
constexpr unsigned kMaxDepth = 8;

struct Counter {
  const char* name;
  uint64_t ScheduleUsage::*member;
};
constexpr Counter kCounters[] = {
    {"submissions", &ScheduleUsage::submissions},
    {"finished", &ScheduleUsage::finished},
    {"withdrawn", &ScheduleUsage::withdrawn},
    {"joined", &ScheduleUsage::joined},
    {"gpu_ns", &ScheduleUsage::gpu_ns},
    {"wait_ns", &ScheduleUsage::wait_ns},
    {"longest_wait_ns", &ScheduleUsage::longest_wait_ns},
};

}  // namespace

std::vector<double> ScheduleUsage::utilisation(size_t windows) const {
  std::vector<double> parts;
  for (size_t at = 0; at < busy_ns.size(); at += windows) {
    uint64_t busy = 0;
    for (size_t i = at; i < std::min(at + windows, busy_ns.size()); ++i) busy += busy_ns[i];
    const double percent = 100.0 * static_cast<double>(busy) / static_cast<double>(windows * kWindowNs);
    parts.push_back(std::round(percent * 10) / 10);
  }
  return parts;
}

std::string to_json(const ScheduleUsage& usage) {
  json out{{"scheduler", usage.scheduler}, {"busy_ns", usage.busy_ns}};
  for (const Counter& counter : kCounters) out[counter.name] = usage.*counter.member;
  out["utilisation"] = {{"100ms", usage.utilisation(1)},
                        {"500ms", usage.utilisation(ScheduleUsage::kLongWindow)}};
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<ScheduleUsage> schedule_usage_from_json(std::string_view text) {
  if (!is_small_json(text, kMaxBytes, kMaxDepth)) {
    return error(
        "attachment {}: longer than {} KiB or nested more than {} deep; it was not written by a capture",
        kScheduleAttachment, kMaxBytes >> 10, kMaxDepth);
  }
  try {
    const json in = json::parse(text);
    ScheduleUsage usage;
    usage.scheduler = in.value("scheduler", "");
    usage.busy_ns = in.value("busy_ns", std::vector<uint64_t>{});
    if (usage.busy_ns.size() > ScheduleUsage::kMaxWindows) usage.busy_ns.resize(ScheduleUsage::kMaxWindows);
    for (const Counter& counter : kCounters) usage.*counter.member = in.value(counter.name, uint64_t{0});
    return usage;
  } catch (const json::exception& e) {
    return error("attachment {}: {}; it was not written by a capture", kScheduleAttachment,
                 std::string_view(e.what()).substr(0, 200));
  }
}

}  // namespace gpuvm
