// What a register declaration says. Every register is declared once (gf100_registers.inc); the card's reset
// values and dispatch, the hypervisor's router, the decoder, the replay's compare rules and the conformance
// tests derive from it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace gpuvm {

enum class Access : uint8_t {
  kStorage,   // reads back what was written
  kReadOnly,  // writes are dropped; the reset value, or what the unit computes
  kCommand,   // a write does something; reads give what the unit answers, 0 unless it says otherwise
  kPending,   // interrupt-like: the unit sets bits, writing 1 clears them
  kWindow,    // an aperture onto something else: memory, a falcon's code, the VBIOS
};

// Which replay comparison a read deserves.
enum class Volatility : uint8_t {
  kStable,  // the same in every run: a difference is a divergence
  kTime,    // follows the clock
};

// What kind of address a register holds: what a hypervisor has to translate in it.
enum class Holds : uint8_t {
  kNothing,
  kInstancePage,  // 27:0 = instance block address >> 12, 29:28 memory target, 31:30 flags
  kVramPage12,    // 27:0 = VRAM address >> 12, 29:28 memory target
  kVramPage8,     // VRAM address >> 8
  kWindowPage16,  // 23:0 = VRAM address >> 16, 25:24 memory target (PBUS host memory window)
  kBar1Page12,    // 27:0 = BAR1 virtual address >> 12
  kSystemPage8,   // system memory address >> 8
  kTablePage8,    // page directory address >> 8, 1:0 memory target (PFFB.VM_PD)
  kChannelId,     // 6:0 = channel number
};

struct Field {
  std::string_view name;
  uint8_t low = 0;
  uint8_t high = 0;

  constexpr uint32_t max() const { return static_cast<uint32_t>((uint64_t{2} << (high - low)) - 1); }
  constexpr uint32_t mask() const { return max() << low; }
  constexpr uint32_t get(uint32_t word) const { return (word >> low) & max(); }
  // The word that holds `value` here and zeroes elsewhere; bits that do not fit are dropped.
  constexpr uint32_t put(uint32_t value) const { return (value & max()) << low; }
  constexpr bool any(uint32_t word) const { return (word & mask()) != 0; }
};

// What the tests that are generated from the map (tests/conformance) leave out for a register.
inline constexpr uint8_t kSkipReset = 1;     // what it reads after a reset
inline constexpr uint8_t kSkipReadBack = 2;  // what it reads after a write
inline constexpr uint8_t kSkipOthers = 4;    // that a write to it changes no other register
struct Exclusion {
  uint8_t skip = 0;
  std::string_view reason;
};

struct Register {
  std::string_view name;  // envytools spelling where envytools knows it; arrays print as NAME[index]
  uint32_t offset = 0;    // in BAR0, bytes
  uint32_t count = 1;     // elements
  uint32_t stride = 4;    // bytes between elements
  Access access = Access::kStorage;
  Volatility volatility = Volatility::kStable;
  Holds holds = Holds::kNothing;
  uint32_t reset = 0;
  std::array<Field, 8> fields{};
  Exclusion exclude{};

  constexpr uint32_t end() const { return offset + (count - 1) * stride + 4; }
};

}  // namespace gpuvm
