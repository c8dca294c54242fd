#include "traces/gpu_work.h"

#include <nlohmann/json.hpp>

#include "traces/core/small_json.h"

namespace gpuvm {
namespace {

using nlohmann::json;

constexpr size_t kMaxGpuWorkBytes = 4 << 20;
constexpr unsigned kMaxGpuWorkDepth = 8;

struct Counter {
  const char* name;
  uint64_t ShaderCounters::*member;
};
constexpr Counter kCounters[] = {
    {"grids", &ShaderCounters::grids},
    {"blocks", &ShaderCounters::blocks},
    {"warps", &ShaderCounters::warps},
    {"warp_instructions", &ShaderCounters::warp_instructions},
    {"thread_instructions", &ShaderCounters::thread_instructions},
    {"bytes_read", &ShaderCounters::bytes_read},
    {"bytes_written", &ShaderCounters::bytes_written},
    {"lines", &ShaderCounters::lines},
};

}  // namespace

ShaderCounters& ShaderCounters::operator+=(const ShaderCounters& other) {
  for (const Counter& counter : kCounters) this->*counter.member += other.*counter.member;
  return *this;
}

ShaderCounters ShaderCounters::since(const ShaderCounters& earlier) const {
  ShaderCounters out;
  for (const Counter& counter : kCounters)
    out.*counter.member = this->*counter.member - earlier.*counter.member;
  return out;
}

GpuWork& GpuWork::operator+=(const GpuWork& other) {
  shaders += other.shaders;
  for (const auto& [what, count] : other.undone) undone[what] += count;
  for (const std::string& text : other.traps) {
    if (traps.size() < kMaxTraps) traps.push_back(text);
  }
  trapped += other.trapped;
  return *this;
}

std::string to_json(const GpuWork& work) {
  json out;
  for (const Counter& counter : kCounters) out["shaders"][counter.name] = work.shaders.*counter.member;
  out["not_done"] = json::array();
  for (const auto& [what, count] : work.undone) {
    out["not_done"].push_back({{"class", what.first}, {"method", what.second}, {"count", count}});
  }
  out["trapped"] = work.trapped;
  out["traps"] = work.traps;
  return out.dump(1, ' ', false, json::error_handler_t::replace);
}

Result<GpuWork> gpu_work_from_json(std::string_view text) {
  if (!is_small_json(text, kMaxGpuWorkBytes, kMaxGpuWorkDepth)) {
    return error(
        "attachment {}: longer than {} KiB or nested more than {} deep; it was not written by a capture",
        kGpuWorkAttachment, kMaxGpuWorkBytes >> 10, kMaxGpuWorkDepth);
  }
  try {
    const json in = json::parse(text);
    GpuWork work;
    const json shaders = in.value("shaders", json::object());
    for (const Counter& counter : kCounters) {
      work.shaders.*counter.member = shaders.value(counter.name, uint64_t{0});
    }
    for (const json& row : in.value("not_done", json::array())) {
      work.undone[{row.at("class").get<std::string>(), row.at("method").get<std::string>()}] =
          row.at("count").get<uint64_t>();
    }
    work.trapped = in.value("trapped", uint64_t{0});
    work.traps = in.value("traps", std::vector<std::string>{});
    return work;
  } catch (const json::exception& e) {
    return error("attachment {}: {}; the trace's account of GPU work is damaged", kGpuWorkAttachment,
                 e.what());
  }
}

}  // namespace gpuvm
