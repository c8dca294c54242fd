#include "cli/gpu_work.h"

#include <algorithm>

#include "analysis/format.h"
#include "cli/print.h"

namespace gpuvm::cli {
namespace {

constexpr size_t kShown = 16;

}  // namespace

std::vector<std::string> lines_of(const GpuWork& work) {
  std::vector<std::string> lines;
  const ShaderCounters& s = work.shaders;
  if (s.grids != 0) {
    lines.push_back(fmt::format("{} grids: {} warps, {} instructions by threads, {} bytes read, {} written",
                                thousands(s.grids), thousands(s.warps), thousands(s.thread_instructions),
                                thousands(s.bytes_read), thousands(s.bytes_written)));
  }
  if (work.trapped != 0) lines.push_back(fmt::format("{} grids stopped by a trap:", thousands(work.trapped)));
  for (const std::string& trap : work.traps) lines.push_back("  " + printable_text(trap));
  std::vector<std::pair<uint64_t, std::string>> undone;
  for (const auto& [what, count] : work.undone) {
    undone.emplace_back(count, printable_text(fmt::format("{} {}", what.first, what.second)));
  }
  if (undone.empty()) return lines;
  std::ranges::sort(undone, std::greater<>{});
  lines.push_back("work that this card does not do:");
  for (size_t i = 0; i < undone.size() && i < kShown; ++i) {
    lines.push_back(fmt::format("  {}: {}", undone[i].second, thousands(undone[i].first)));
  }
  if (undone.size() > kShown) lines.push_back(fmt::format("  and {} kinds more", undone.size() - kShown));
  return lines;
}

}  // namespace gpuvm::cli
