#include "analysis/access_groups.h"

#include <array>

#include <fmt/format.h>

#include "traces/regmap/chips.h"
#include "traces/regmap/gf100.h"

namespace gpuvm {
namespace {

// Index kNoBarSlot stands for accesses outside every BAR.
constexpr unsigned kNoBarSlot = 7;

struct UserdField {
  uint32_t offset;
  const char* name;
};
// The fields of a channel's control page that drivers touch (docs/gf100.md).
constexpr std::array<UserdField, 7> kUserd{{{0x44, "USERD[].GET"},
                                            {0x48, "USERD[].REF"},
                                            {0x58, "USERD[].TOP_LEVEL_GET"},
                                            {0x60, "USERD[].GET_HI"},
                                            {0x88, "USERD[].GP_GET"},
                                            {0x8c, "USERD[].GP_PUT (doorbell)"},
                                            {~0u, "USERD[] other"}}};
constexpr uint64_t kUserdBytes = 128 * 0x1000;

Stability stability_of(const Register& reg) {
  if (reg.volatility == Volatility::kTime) return Stability::kTime;
  if (reg.holds == Holds::kSystemPage8) return Stability::kAddress;
  return reg.name == "PRAMIN" ? Stability::kMemory : Stability::kStable;
}

}  // namespace

std::string unit_of(const std::string& register_name) {
  return register_name.substr(0, register_name.find_first_of(".[+"));
}

std::string without_indices(const std::string& register_name) {
  std::string out;
  bool inside = false;
  for (const char c : register_name) {
    if (c == ']') inside = false;
    if (!inside) out += c;
    if (c == '[') inside = true;
  }
  return out;
}

AccessGroups::AccessGroups(const DeviceInfo& device, const RegisterNamer* namer)
    : own_map_(own_map_applies(device)),
      namer_(namer),
      nvidia_(device.vendor == kNvidiaVendor),
      has_table_(namer != nullptr && namer->beyond_bar0()),
      banks_(has_table_ ? namer->windows() : std::span<const BankWindow>()) {
  if (own_map_) {
    for (const Register& reg : gf100::registers()) {
      std::string name(reg.name);
      if (reg.count > 1 && reg.access != Access::kWindow && name.find("[]") == std::string::npos)
        name += "[]";
      add({.name = name, .unit = unit_of(name), .stability = stability_of(reg)});
    }
  }
  first_bar_ = size();
  for (unsigned bar = 0; bar < kNoBarSlot; ++bar) {
    const std::string name = fmt::format("BAR{}", bar);
    const bool memory = bar == 1 || bar == 3;
    add({.name = memory ? name + " aperture" : name,
         .unit = name,
         .stability = memory ? Stability::kMemory : Stability::kStable,
         .known = memory});
  }
  add({.name = "outside every BAR", .unit = "none", .known = false});
  first_userd_ = size();
  for (const UserdField& field : kUserd)
    add({.name = field.name, .unit = "USERD", .stability = Stability::kStable});
  pramin_ = add({.name = "PRAMIN", .unit = "PRAMIN", .stability = Stability::kMemory});
  overflow_ = add({.name = "further offsets", .unit = "unknown", .known = false});
}

uint32_t AccessGroups::add(AccessGroup group) {
  groups_.push_back(std::move(group));
  return size() - 1;
}

// Empty if the user's table does not name it.
RegisterHit AccessGroups::in_table(const RegisterPlace& place) const {
  if (!has_table_) return {};
  RegisterHit hit = namer_->find_at(place);
  return hit.map == 0 ? RegisterHit{} : hit;
}

uint32_t AccessGroups::by_table(const Event& event) {
  const RegisterPlace place = banks_.place_of(event);
  const bool keyed = place.offset < uint64_t{1} << 48;
  const uint64_t key = uint64_t{place.space} << 49 | uint64_t{place.bank_known} << 48 | place.offset;
  if (const auto found = keyed ? by_place_.find(key) : by_place_.end(); found != by_place_.end())
    return found->second;
  const RegisterHit hit = in_table(place);
  uint32_t group = kNotInTable;
  if (!hit.name.empty()) {
    const std::string name = without_indices(hit.name);
    const auto [known, fresh] = by_name_.try_emplace(name, size());
    if (fresh && by_name_.size() > kMaxOffsets) {
      by_name_.erase(known);
      return overflow_;
    }
    if (fresh) add({.name = name, .unit = unit_of(name), .known = hit.bits != 0});
    group = known->second;
  }
  if (keyed && by_place_.size() < kMaxOffsets) by_place_.emplace(key, group);
  return group;
}

uint32_t AccessGroups::of(const Event& event) {
  if (const uint32_t group = has_table_ ? by_table(event) : kNotInTable; group != kNotInTable) return group;
  if (event.space == 0 && event.address <= UINT32_MAX) {
    const auto offset = static_cast<uint32_t>(event.address);
    if (own_map_ && event.kind == EventKind::kMmioWrite &&
        (offset & ~3u) == gf100::offset_of(gf100::Reg::kPfifoBar1Base)) {
      userd_base_ = (event.value & 0x0fffffff) << 12;
    }
    return bar0(offset);
  }
  if (event.space == 1) return bar1(event.address);
  return first_bar_ + (event.space < kNoBarSlot ? event.space : kNoBarSlot);
}

uint32_t AccessGroups::bar0(uint32_t offset) {
  if (!own_map_) return by_namer(offset & ~3u);
  const uint16_t reg = gf100::RegisterIndex::shared().find_register(offset);
  return reg == gf100::kNoRegister ? unknown(offset & ~3u) : reg;
}

uint32_t AccessGroups::bar1(uint64_t offset) const {
  if (userd_base_ == ~uint64_t{0} || offset < userd_base_ || offset - userd_base_ >= kUserdBytes)
    return first_bar_ + 1;
  const uint64_t place = (offset - userd_base_) & 0xffc;
  uint32_t field = 0;
  while (field + 1 < kUserd.size() && kUserd[field].offset != place) ++field;
  return first_userd_ + field;
}

uint32_t AccessGroups::by_namer(uint32_t offset) {
  if (nvidia_ && gf100::in_pramin(offset)) return pramin_;
  if (namer_ == nullptr) return unknown(offset);
  if (const auto found = by_offset_.find(offset); found != by_offset_.end()) return found->second;
  const RegisterHit hit = namer_->find(offset);
  if (hit.name.empty()) return unknown(offset);
  if (by_offset_.size() >= kMaxOffsets) return overflow_;
  const std::string name = without_indices(hit.name);
  const Stability stability = clock_or_stable(offset);
  const auto [place, fresh] = by_name_.try_emplace(name, size());
  // A block of which the database knows no register there is not a name.
  if (fresh) add({.name = name, .unit = unit_of(name), .stability = stability, .known = hit.bits != 0});
  by_offset_.emplace(offset, place->second);
  return place->second;
}

Stability AccessGroups::clock_or_stable(uint32_t offset) const {
  return nvidia_ && follows_clock_on_nvidia(offset) ? Stability::kTime : Stability::kStable;
}

uint32_t AccessGroups::unknown(uint32_t offset) {
  if (const auto found = by_offset_.find(offset); found != by_offset_.end()) return found->second;
  if (by_offset_.size() >= kMaxOffsets) return overflow_;
  const Stability stability = clock_or_stable(offset);
  const bool clock = stability == Stability::kTime;
  const uint32_t group = add({.name = clock ? "PTIMER.TIME" : fmt::format("0x{:06x}", offset),
                              .unit = clock ? "PTIMER" : "unknown",
                              .stability = stability,
                              .known = clock});
  by_offset_.emplace(offset, group);
  return group;
}

std::string AccessGroups::name(const Event& event) const {
  if (const RegisterHit hit = in_table(banks_.place_of(event)); !hit.name.empty() || !is_mmio(event.kind))
    return hit.name;
  if (event.space == 0 && event.address <= UINT32_MAX) {
    const auto offset = static_cast<uint32_t>(event.address);
    const std::string name = own_map_ ? gf100::name_of(offset)
                             : namer_ ? namer_->find(offset).name
                                      : std::string();
    if (!name.empty()) return name;
  }
  if (event.space == 1 && userd_base_ != ~uint64_t{0}) {
    const uint32_t group = bar1(event.address);
    if (group >= first_userd_) {
      std::string name = groups_[group].name;
      return name.replace(name.find("[]"), 2, fmt::format("[{}]", (event.address - userd_base_) >> 12));
    }
  }
  return event.space == kNoBar ? fmt::format("0x{:x}", event.address)
                               : fmt::format("BAR{}+0x{:06x}", event.space, event.address);
}

}  // namespace gpuvm
