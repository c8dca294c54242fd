#include "tracer/callsites/access_place.h"

#include <fmt/format.h>

#include "traces/regmap/gf100.h"

namespace gpuvm {
namespace {

constexpr uint64_t kPieceBytes = 64 << 10;  // of a memory window

}  // namespace

AccessPlace place_of(EventKind kind, unsigned bar, uint64_t offset) {
  AccessPlace place{.write = kind == EventKind::kMmioWrite, .bar = static_cast<uint8_t>(bar)};
  if (bar == 0 && offset < gf100::kMappedBytes) {
    const uint16_t reg = gf100::RegisterIndex::shared().find_register(static_cast<uint32_t>(offset));
    place.named = reg != gf100::kNoRegister;
    place.number = place.named ? reg : offset & ~uint64_t{3};
  } else {
    place.number = offset & ~(kPieceBytes - 1);
  }
  return place;
}

std::string name_of(const AccessPlace& place) {
  if (place.named) return std::string(gf100::registers()[place.number].name);
  if (place.bar != 0) return fmt::format("BAR{}", place.bar);
  return fmt::format("BAR0+{:#x}", place.number);
}

}  // namespace gpuvm
