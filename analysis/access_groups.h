// What an access touches, as a person thinks of it: a register (all elements of an array count as one), a
// window such as PRAMIN, a channel's USERD field, an aperture. Groups are numbered so that counting needs no
// strings.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "traces/event.h"
#include "traces/meta.h"
#include "traces/regmap/namer.h"

namespace gpuvm {

// How much a differing value of a group says about the device.
enum class Stability : uint8_t {
  kStable,   // the same in every run
  kTime,     // follows the clock
  kAddress,  // holds a system memory address, which the guest's allocator chooses
  kMemory,   // contents of memory seen through an aperture
};

struct AccessGroup {
  std::string name;  // "PFIFO.CHAN_TABLE[].CHAN", "PRAMIN", "BAR3"
  std::string unit;  // "PFIFO"
  Stability stability = Stability::kStable;
  bool known = true;  // a register map names it
};

class AccessGroups {
 public:
  // Offsets beyond this many distinct ones share one group: a hostile trace must not grow the table.
  static constexpr size_t kMaxOffsets = 65536;

  // What a table of names that the user gave says (RegisterNamer::beyond_bar0()); then, where
  // own_map_applies(), our own register map, and for any other device what `namer`, which may be null and
  // outlives this, says of each offset.
  explicit AccessGroups(const DeviceInfo& device, const RegisterNamer* namer = nullptr);

  // Every event of the trace, in order, before it is asked for: windows follow their selectors.
  void observe(const Event& event, Bytes payload = {}) { banks_.observe(event, payload); }

  // Event must be MMIO. Writes teach it where the channels' USERD pages lie in BAR1.
  uint32_t of(const Event& event);
  const AccessGroup& describe(uint32_t group) const { return groups_[group]; }
  uint32_t size() const { return static_cast<uint32_t>(groups_.size()); }
  // Full name of the one place that an event touches: "PFIFO.CHAN_TABLE[5].CHAN", "BAR3+0x1000". Of an access
  // to configuration space: empty, unless the user's table names it.
  std::string name(const Event& event) const;
  bool uses_builtin_map() const { return own_map_; }

 private:
  static constexpr uint32_t kNotInTable = ~0u;
  RegisterHit in_table(const RegisterPlace& place) const;
  uint32_t by_table(const Event& event);  // kNotInTable
  uint32_t bar0(uint32_t offset);
  uint32_t bar1(uint64_t offset) const;
  uint32_t by_namer(uint32_t offset);
  uint32_t unknown(uint32_t offset);
  Stability clock_or_stable(uint32_t offset) const;
  uint32_t add(AccessGroup group);

  bool own_map_;
  const RegisterNamer* namer_;
  bool nvidia_;
  bool has_table_;
  BankState banks_;
  std::vector<AccessGroup> groups_;
  std::unordered_map<uint32_t, uint32_t> by_offset_;
  std::unordered_map<std::string, uint32_t> by_name_;
  std::unordered_map<uint64_t, uint32_t> by_place_;  // what the user's table says; kNotInTable: nothing
  uint32_t first_bar_ = 0;
  uint32_t first_userd_ = 0;
  uint32_t overflow_ = 0;
  uint32_t pramin_ = 0;  // of a chip that the map is not for
  uint64_t userd_base_ = ~uint64_t{0};
};

// "PFIFO" of "PFIFO.CHAN_TABLE[5].CHAN", "PBFB" of "PBFB[3].RAM_AMOUNT".
std::string unit_of(const std::string& register_name);
// "PFIFO.CHAN_TABLE[].CHAN" of "PFIFO.CHAN_TABLE[5].CHAN".
std::string without_indices(const std::string& register_name);

}  // namespace gpuvm
