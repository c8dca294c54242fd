// Names for registers and meaning for their values: what dump and the exporters ask, whatever map answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "traces/event.h"

namespace gpuvm {

// The register (or the nearest thing to it that the map knows) at one address.
struct RegisterHit {
  std::string name;    // "PFIFO.RUNLIST_BASE", "PGRAPH+0x70" if only the block is known, empty if nothing is
  uint32_t type = 0;   // how to decode its value; the map's own number
  uint32_t bits = 0;   // width of the register, 0 if only the block is known
  bool exact = false;  // the address is the register's first byte
};

class RegisterNamer {
 public:
  virtual ~RegisterNamer() = default;
  virtual RegisterHit find(uint64_t bar0_offset) const = 0;
  // Appends the meaning of a register's whole value: "{ ENABLE | TARGET = VRAM }", "0x12".
  virtual void decode(const RegisterHit& hit, uint64_t value, std::string* out) const = 0;
};

// One access, named: a wide access may cover several registers.
struct NamedAccess {
  struct Part {
    RegisterHit hit;
    unsigned shift = 0;  // of the register's value in the access's value, bits
  };
  std::string name;   // the registers' names, with commas between
  bool full = false;  // every byte of the access is of a register that it covers whole
  std::vector<Part> parts;
};

// Names accesses and keeps the names: drivers use few registers, and often.
class AccessNamer {
 public:
  explicit AccessNamer(const RegisterNamer& namer);

  // BAR0 accesses; anything else has an empty name. Valid until the next call.
  const NamedAccess& name(const Event& access);
  // The meaning of the access's value, empty if it is not fully named or not known. Valid until the next
  // call.
  std::string_view decode(const Event& access);

 private:
  struct Slot {
    uint64_t key = ~uint64_t{0};
    NamedAccess named;
    uint64_t value = 0;  // the one that `text` decodes
    bool decoded = false;
    std::string text;
  };
  Slot& slot_of(const Event& access);

  const RegisterNamer& namer_;
  std::vector<Slot> slots_;  // direct-mapped: its size bounds the memory
  Slot none_;
};

NamedAccess name_access(const RegisterNamer& namer, uint64_t bar0_offset, unsigned width);

}  // namespace gpuvm
