// What call sites are counted by: a register (all elements of an array together) or a piece of a memory
// window, and the direction of the access.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "traces/event.h"

namespace gpuvm {

struct AccessPlace {
  bool write = false;
  bool named = false;  // `number` is an index into the register map
  uint8_t bar = 0;
  uint64_t number = 0;  // else the first offset of the piece

  friend bool operator==(const AccessPlace&, const AccessPlace&) = default;
};

AccessPlace place_of(EventKind kind, unsigned bar, uint64_t offset);
// "PMC.BOOT_0", "BAR0+0x12345c"; all pieces of a memory window have one name, "BAR1"
std::string name_of(const AccessPlace& place);

struct AccessPlaceHash {
  size_t operator()(const AccessPlace& p) const {
    return std::hash<uint64_t>()(p.number * 0x9e3779b97f4a7c15u ^ (p.bar * 4u + p.named * 2u + p.write));
  }
};

}  // namespace gpuvm
