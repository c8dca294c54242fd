// The walk against a second one that is written from the table layouts of docs/gf100.md alone.
#include "emulator/mmu/walker.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/support/test_machine.h"

namespace gpuvm {
namespace {

constexpr uint64_t kVramBytes = 16 << 20;
constexpr uint64_t kDirectory = 0x100000;
constexpr uint64_t kInstance = 0x1000;

class WalkerTest : public testing::Test {
 protected:
  WalkerTest() : vram(kVramBytes), machine(1 << 20), memory(vram, machine) {}

  AddressSpace space(unsigned large_shift, uint64_t limit = 0xffffffffff) {
    vram.write(kInstance + 0x200, 8, kDirectory);
    vram.write(kInstance + 0x208, 8, limit);
    return address_space_of(memory, Aperture::kVram, kInstance, {large_shift});
  }

  Vram vram;
  test::TestMachine machine;
  PhysicalMemory memory;
};

struct Expected {
  bool mapped = false;
  bool read_only = false;
  unsigned target = 0;
  uint64_t address = 0;
};

// Tables as plain maps from index to entry: nothing of the walker's arithmetic.
struct Model {
  struct Directory {
    bool has_small = false, has_large = false;
    unsigned halvings = 0;
    std::map<uint64_t, uint64_t> small, large;  // page number in the span to entry
  };
  std::map<uint64_t, Directory> directories;
  uint64_t large_bytes = 0;
  uint64_t limit = 0;

  Expected look_up(uint64_t va) const {
    if (va > limit) return {};
    const uint64_t span = large_bytes * 1024;
    const auto d = directories.find(va / span);
    if (d == directories.end()) return {};
    const uint64_t rest = va % span;
    if (d->second.has_small) {
      const auto e = d->second.small.find(rest / 4096);
      if (e != d->second.small.end() && e->second % 2 == 1) return entry(e->second, rest % 4096);
    }
    if (d->second.has_large && rest / large_bytes < (1024u >> d->second.halvings)) {
      const auto e = d->second.large.find(rest / large_bytes);
      if (e != d->second.large.end() && e->second % 2 == 1) return entry(e->second, rest % large_bytes);
    }
    return {};
  }
  static Expected entry(uint64_t e, uint64_t within) {
    return {true, (e & 4) != 0, static_cast<unsigned>(e >> 33) % 4, (e >> 4) % (1u << 28) * 4096 + within};
  }
};

TEST_F(WalkerTest, AgreesWithAnIndependentModelOnRandomTables) {
  std::mt19937_64 random(20240607);
  for (unsigned round = 0; round < 40; ++round) {
    vram.scrub(0, kVramBytes);
    const unsigned shift = round % 2 == 0 ? 17 : 16;
    Model model;
    model.large_bytes = uint64_t{1} << shift;
    model.limit = round % 5 == 4 ? random() % (uint64_t{1} << 40) : 0xffffffffff;
    const uint64_t span = model.large_bytes * 1024;
    uint64_t next = 0x200000;
    std::vector<uint64_t> indices;
    for (unsigned d = 0; d < 6; ++d) {
      const uint64_t index = d < 2 ? d : random() % ((uint64_t{1} << 40) / span);
      if (model.directories.contains(index)) continue;
      indices.push_back(index);
      Model::Directory& directory = model.directories[index];
      uint64_t entry = 0;
      const uint64_t kinds = random() % 4;
      if ((kinds & 1) != 0) {
        directory.has_large = true;
        directory.halvings = random() % 4;
        entry |= 1 | directory.halvings << 2 | (next >> 12) << 4;
        for (unsigned n = 0; n < 20; ++n) {
          const uint64_t page = n < 8 ? n : random() % 1024;
          const uint64_t pte = (random() & ~uint64_t{1}) | (random() % 4 != 0);
          directory.large[page] = pte;
          vram.write(next + 8 * page, 8, pte);
        }
        next += 0x2000;
      }
      if ((kinds & 2) != 0) {
        const bool system = d == 5;
        const uint64_t at = system ? 0x40000 : next;
        directory.has_small = true;
        entry |= uint64_t{system ? 2u : 1u} << 32 | (at >> 12) << 36;
        for (unsigned n = 0; n < 40; ++n) {
          const uint64_t page = n < 16 ? n : random() % (span / 4096);
          const uint64_t pte = (random() & ~uint64_t{1}) | (random() % 4 != 0);
          directory.small[page] = pte;
          if (system) {
            machine.store<uint64_t>(at + 8 * page, pte);
          } else {
            vram.write(at + 8 * page, 8, pte);
          }
        }
        if (!system) next += 0x40000;
      }
      vram.write(kDirectory + 8 * index, 8, entry);
    }
    const AddressSpace space = this->space(shift, model.limit);
    unsigned mapped = 0;
    for (unsigned n = 0; n < 3000; ++n) {
      uint64_t va = random() % (uint64_t{1} << 40);
      if (n % 8 != 0) {
        va = indices[random() % indices.size()] * span +
             (n % 3 == 0 ? random() % span : random() % (16 * model.large_bytes));
      }
      const Translation got = translate(memory, space, va);
      const Expected expected = model.look_up(va);
      ASSERT_EQ(got.mapped, expected.mapped) << std::hex << va << " round " << round;
      if (!got.mapped) continue;
      ++mapped;
      ASSERT_EQ(got.address, expected.address) << std::hex << va;
      ASSERT_EQ(static_cast<unsigned>(got.aperture), expected.target) << std::hex << va;
      ASSERT_EQ(got.read_only, expected.read_only) << std::hex << va;
      ASSERT_LE(got.page_base, va);
      ASSERT_GT(got.page_base + got.page_bytes, va);
    }
    std::fill(machine.ram().begin(), machine.ram().end(), std::byte{0});
    if (model.limit == 0xffffffffff && next > 0x200000) {
      EXPECT_GT(mapped, 0u) << round;
    }
  }
}

TEST_F(WalkerTest, SmallPagesCountBeforeLargeOnes) {
  vram.write(kDirectory, 8, 1 | (0x200000 >> 12) << 4 | uint64_t{1} << 32 | uint64_t{0x300000 >> 12} << 36);
  vram.write(0x200000, 8, 1 | (0x400000 >> 12) << 4);
  vram.write(0x300008, 8, 1 | (0x700000 >> 12) << 4);
  EXPECT_EQ(translate(memory, space(17), 0x0123).address, 0x400123u);
  EXPECT_EQ(translate(memory, space(17), 0x1123).address, 0x700123u);
  EXPECT_EQ(translate(memory, space(17), 0x2123).address, 0x402123u);
}

TEST_F(WalkerTest, SaysWhyAnAddressIsNotMapped) {
  vram.write(kDirectory, 8, 1 | 3 << 2 | (0x200000 >> 12) << 4);
  EXPECT_EQ(translate(memory, space(17, 0xffff), 0x10000).reason, FaultReason::kLimit);
  EXPECT_EQ(translate(memory, space(17), uint64_t{1} << 27).reason, FaultReason::kTableNotPresent);
  EXPECT_EQ(translate(memory, space(17), 0).reason, FaultReason::kPageNotPresent);
  EXPECT_EQ(translate(memory, space(17), 128 << 17).reason, FaultReason::kTableTooShort);
}

TEST_F(WalkerTest, LimitIsTheLastValidAddress) {
  vram.write(kDirectory, 8, uint64_t{1} << 32 | uint64_t{0x300000 >> 12} << 36);
  for (uint64_t i = 0; i < 32; ++i) vram.write(0x300000 + 8 * i, 8, 1 | (0x400 + i) << 4);
  EXPECT_TRUE(translate(memory, space(17, 0x10fff), 0x10fff).mapped);
  EXPECT_FALSE(translate(memory, space(17, 0x10fff), 0x11000).mapped);
  EXPECT_FALSE(translate(memory, space(17), ~uint64_t{0}).mapped);
}

// All ones would be a present entry: a table that is in no memory must not map the top of the address space.
TEST_F(WalkerTest, TablesOutsideEveryMemoryMapNothing) {
  AddressSpace absent = space(17);
  for (const Aperture aperture : {Aperture::kVram, Aperture::kInvalid, Aperture::kSystem}) {
    absent.directory_aperture = aperture;
    absent.directory = uint64_t{1} << 39;
    EXPECT_FALSE(translate(memory, absent, 0x12345000).mapped);
  }
  const AddressSpace present = space(17);
  const uint64_t far_table = (uint64_t{1} << 39) >> 12;
  vram.write(kDirectory, 8, far_table << 4 | 1 | far_table << 36 | uint64_t{1} << 32);
  EXPECT_FALSE(translate(memory, present, 0x5000).mapped);
}

}  // namespace
}  // namespace gpuvm
