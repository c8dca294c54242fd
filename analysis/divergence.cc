#include "analysis/divergence.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace gpuvm {
namespace {

struct Kind {
  std::string_view key;
  std::string_view name;
  std::string_view space;  // empty: a BAR
  bool whole = false;      // the space is all there is to say
};
constexpr std::array<Kind, 8> kKinds{{{"read", "read", ""},
                                      {"config_read", "read", "configuration space"},
                                      {"dma_read", "DMA read", "guest memory"},
                                      {"dma_write", "DMA write", "guest memory"},
                                      {"interrupt", "interrupt", "message to"},
                                      {"memory_digest", "digest", "video memory", true},
                                      {"register_digest", "digest", "registers", true},
                                      {"oracle", "shadow table", "GPU address"}}};

const Kind* kind_of(const Divergence& d) {
  const auto* kind = std::ranges::find(kKinds, d.what, &Kind::key);
  return kind != kKinds.end() ? kind : nullptr;
}

}  // namespace

std::string_view name_of(const Divergence& d) {
  const Kind* kind = kind_of(d);
  return kind != nullptr ? kind->name : std::string_view(d.what);
}

std::string place_of(const Divergence& d) {
  if (d.bar) return fmt::format("BAR{}+0x{:06x}", *d.bar, d.offset);
  const Kind* kind = kind_of(d);
  if (kind == nullptr || kind->space.empty()) return fmt::format("0x{:x}", d.offset);
  if (kind->whole) return std::string(kind->space);
  return fmt::format("{} 0x{:x}", kind->space, d.offset);
}

}  // namespace gpuvm
