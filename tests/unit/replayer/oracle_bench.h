// What the tests of the oracle share: a guest's tables and a shadow, written by hand.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>

#include "replayer/oracle.h"
#include "tests/support/gpu_bench.h"

namespace gpuvm::test {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kSpan = 128 * kMiB;  // of a directory entry

// One guest with a partition of 16 MiB at 32 MiB and memory of 8 MiB at 1 << 36 of the bus. Its tables, and a
// shadow that a hypervisor might have made of them. Addresses of the guest's are its own, all others are the
// card's.
class OracleTest : public testing::Test {
 protected:
  static constexpr Reach kReach{.vram_base = 32 * kMiB,
                                .vram_bytes = 16 * kMiB,
                                .system_base = uint64_t{1} << 36,
                                .system_bytes = 8 * kMiB};
  static constexpr uint64_t kDirectory = 0x100000, kSmall = 0x200000, kLarge = 0x300000, kSmall2 = 0x400000;
  static constexpr uint64_t kShadowDirectory = 64 * kMiB, kShadowSmall = 65 * kMiB, kShadowLarge = 66 * kMiB,
                            kShadowSmall2 = 67 * kMiB;

  void guest(uint64_t address, uint64_t value) { vram.write(kReach.vram_base + address, 8, value); }
  void card(uint64_t address, uint64_t value) { vram.write(address, 8, value); }
  static uint64_t pde(uint64_t small, uint64_t large, uint64_t size_code = 0) {
    return (small != 0 ? uint64_t{1} << 32 | small >> 12 << 36 : 0) |
           (large != 0 ? uint64_t{1} | size_code << 2 | large >> 12 << 4 : 0);
  }
  // What becomes of an entry that is allowed.
  static uint64_t translated(uint64_t raw) {
    return raw + ((raw >> 33 & 3) == 0 ? kReach.vram_base >> 8 : kReach.system_base >> 8);
  }
  // The same entry in both.
  void small(uint64_t index, uint64_t raw) {
    guest(kSmall + 8 * index, raw);
    card(kShadowSmall + 8 * index, translated(raw));
  }
  void large(uint64_t index, uint64_t raw) {
    guest(kLarge + 8 * index, raw);
    card(kShadowLarge + 8 * index, translated(raw));
  }
  void set_up() {
    guest(kDirectory, pde(kSmall, kLarge));
    card(kShadowDirectory, pde(kShadowSmall, kShadowLarge));
    small(0, pte(0x5000, Target::kVram));
    small(7, pte(0x6000, Target::kSystem, true));
    small(32767, pte(0x7000, Target::kVram));
    large(2, pte(0x40000, Target::kVram));
    large(1023, pte(0x60000, Target::kSystem));
    guest(kDirectory + 16, pde(kSmall2, 0));
    card(kShadowDirectory + 16, pde(kShadowSmall2, 0));
    guest(kSmall2, pte(0x9000, Target::kVram));
    card(kShadowSmall2, translated(pte(0x9000, Target::kVram)));
  }
  std::optional<OracleViolation> check() { return oracle.check(kReach, guest_space, shadow_space); }
  bool right() { return !check().has_value(); }

  Vram vram{128 * kMiB};
  Oracle oracle{vram};
  AddressSpace guest_space{Aperture::kVram, kDirectory, 3 * kSpan - 1, {}};
  AddressSpace shadow_space{Aperture::kVram, kShadowDirectory, 3 * kSpan - 1, {}};
};

struct Plant {
  const char* name;
  uint64_t address;  // on the card
  uint64_t value;
  uint64_t va;  // where it is to be seen
};

}  // namespace gpuvm::test
