#include "emulator/hypervisor/write_log.h"

namespace gpuvm {

void WriteLog::follow(uint64_t page) {
  auto [it, fresh] = pages_.try_emplace(page);
  if (fresh) it->second.base = vram_.page_version(page);
  ++it->second.readers;
}

void WriteLog::leave(uint64_t page) {
  const auto it = pages_.find(page);
  if (it != pages_.end() && --it->second.readers == 0) pages_.erase(it);
}

bool WriteLog::wants(uint64_t page) const {
  const auto it = pages_.find(page);
  if (it == pages_.end()) return false;
  const Page& p = it->second;
  return p.entries.size() < kMaxLogged && vram_.page_version(page) == p.base + p.entries.size();
}

void WriteLog::written(uint64_t address, unsigned width) {
  const auto it = pages_.find(address / Vram::kPageBytes);
  if (it == pages_.end()) return;
  Page& p = it->second;
  const auto entry = static_cast<uint16_t>(address % Vram::kPageBytes / 8);
  const bool one_entry = address % 8 + width <= 8;
  // Only a log without holes is of use; a write over two entries counts as one that was not seen.
  if (one_entry && p.entries.size() < kMaxLogged &&
      vram_.page_version(it->first) == p.base + p.entries.size() + 1) {
    p.entries.push_back(entry);
  }
}

std::optional<std::span<const uint16_t>> WriteLog::since(uint64_t page, uint64_t seen) const {
  const auto it = pages_.find(page);
  if (it == pages_.end()) return std::nullopt;
  const Page& p = it->second;
  if (seen < p.base || seen > vram_.page_version(page) ||
      vram_.page_version(page) != p.base + p.entries.size())
    return std::nullopt;
  return std::span<const uint16_t>(p.entries).subspan(seen - p.base);
}

void WriteLog::synced(uint64_t page) {
  const auto it = pages_.find(page);
  if (it == pages_.end()) return;
  it->second.base = vram_.page_version(page);
  it->second.entries.clear();
}

}  // namespace gpuvm
