// Names for registers and meaning for their values: what dump and the exporters ask, whatever map answers.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "traces/event.h"
#include "traces/regmap/bank_window.h"

namespace gpuvm {

// The register (or the nearest thing to it that the map knows) at one address.
struct RegisterHit {
  std::string name;    // "PFIFO.RUNLIST_BASE", "PGRAPH+0x70" if only the block is known, empty if nothing is
  uint32_t type = 0;   // how to decode its value; the map's own number
  uint32_t bits = 0;   // width of the register, 0 if only the block is known
  bool exact = false;  // the address is the register's first byte
  uint16_t map = 0;    // which of the namer's maps has it; 0: its own or its only one
};
// RegisterHit::map of a place that only its window names.
inline constexpr uint16_t kWindowOnly = 0xffff;

class RegisterNamer {
 public:
  virtual ~RegisterNamer() = default;
  virtual RegisterHit find(uint64_t bar0_offset) const = 0;
  // Of a place that BankState has found by windows().
  virtual RegisterHit find_at(const RegisterPlace& place) const {
    return place.space == 0 ? find(place.offset) : RegisterHit{};
  }
  // Whether it may know other spaces than BAR0.
  virtual bool beyond_bar0() const { return false; }
  virtual std::span<const BankWindow> windows() const { return {}; }
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

  // Every event of the trace, in order, before it is named: windows follow their selectors.
  void observe(const Event& event, Bytes payload = {}) { banks_.observe(event, payload); }
  bool follows_events() const { return !banks_.empty(); }

  // An access to a BAR or to configuration space; the name is empty if none is known, or it is of another
  // kind. Valid until the next call.
  const NamedAccess& name(const Event& access);
  // The meaning of the access's value, empty if it is not fully named or not known. Valid until the next
  // call.
  std::string_view decode(const Event& access);

 private:
  struct Slot {
    uint64_t offset = 0;
    uint32_t key = ~0u;  // the rest of the place, and the width
    NamedAccess named;
    uint64_t value = 0;  // the one that `text` decodes
    bool decoded = false;
    std::string text;
  };
  Slot& slot_of(const Event& access);

  const RegisterNamer& namer_;
  bool beyond_bar0_;
  BankState banks_;
  std::vector<Slot> slots_;  // direct-mapped: its size bounds the memory
  Slot none_;
};

NamedAccess name_access(const RegisterNamer& namer, const RegisterPlace& place, unsigned width);

}  // namespace gpuvm
