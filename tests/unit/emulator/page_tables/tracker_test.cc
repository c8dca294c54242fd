#include "emulator/page_tables/tracker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emulator/page_tables/text.h"

namespace gpuvm {
namespace {

struct Log : PageTableSink {
  void on_entry(const PageTableWrite& write) override { entries.push_back(write); }
  void on_flush(const TlbFlush& flush) override { flushes.push_back(flush); }
  void on_root(const RootChange& change) override { roots.push_back(change); }
  std::vector<PageTableWrite> entries;
  std::vector<TlbFlush> flushes;
  std::vector<RootChange> roots;
};

constexpr uint64_t kInstance = 0x10000, kDirectory = 0x100000, kSmall = 0x200000, kLarge = 0x300000;
constexpr uint64_t kPde = (kSmall >> 12 << 36) | (1ull << 32) | (kLarge >> 12 << 4) | 1;

class Tracker : public ::testing::Test {
 protected:
  void write(unsigned bar, uint64_t offset, uint64_t value, unsigned width = 4) {
    tracker.observe(seq, {.time_ns = seq * 1000,
                          .address = offset,
                          .value = value,
                          .kind = EventKind::kMmioWrite,
                          .space = static_cast<uint8_t>(bar),
                          .width = static_cast<uint8_t>(width)});
    ++seq;
  }
  void read(uint64_t offset, uint32_t value) {
    tracker.observe(seq++, {.address = offset, .value = value, .kind = EventKind::kMmioRead, .width = 4});
  }
  void pramin(uint64_t address, uint64_t value, unsigned width = 4) {
    write(0, 0x1700, (address >> 20) << 4);
    write(0, 0x700000 + (address & 0xfffff), value, width);
  }
  void pramin64(uint64_t address, uint64_t value) {
    pramin(address, value & 0xffffffff);
    pramin(address + 4, value >> 32);
  }
  void flush(uint64_t directory = kDirectory, uint32_t scope = 1) {
    write(0, 0x100cb8, directory >> 12 << 4);
    write(0, 0x100cbc, 0x80000000 | scope);
  }
  void make_instance(uint64_t instance = kInstance, uint64_t directory = kDirectory) {
    pramin64(instance + 0x200, directory);
    pramin64(instance + 0x208, 0xffffffffff);
  }
  void bind_bar3() { write(0, 0x1714, 0x80000000 | (kInstance >> 12)); }
  // What is stored at kSmall is an entry of BAR3's.
  void bind_a_small_table() {
    make_instance();
    bind_bar3();
    pramin64(kDirectory, kPde);
  }

  Log log;
  PageTableTracker tracker{&log};
  uint64_t seq = 0;
};

TEST_F(Tracker, ARegisterCanBeWrittenInParts) {
  constexpr uint64_t kFarInstance = 0x12345000, kBar3 = 0x80000000 | (kFarInstance >> 12);
  make_instance(kFarInstance);
  size_t entries = 0;
  for (const unsigned width : {1u, 2u, 4u, 8u}) {
    write(0, 0x1714, 0);
    if (width == 8) {
      write(0, 0x1710, kBar3 << 32, 8);
    } else {
      for (unsigned at = 0; at < 4; at += width)
        write(0, 0x1714 + at, kBar3 >> (8 * at) & width_mask(width), width);
    }
    pramin64(kDirectory + 8, kPde ^ uint64_t{width} << 40);
    ASSERT_EQ(log.entries.size(), ++entries) << width;
    EXPECT_EQ(log.entries.back().root, kDirectory);
  }
}

TEST_F(Tracker, HalvesOfAnEntryAreOneRecord) {
  make_instance();
  bind_bar3();
  pramin64(kDirectory + 8, kPde);
  pramin64(kSmall + 8 * 3, 0x0000000600012341ull);
  const uint64_t last = seq - 1;
  ASSERT_EQ(log.entries.size(), 2u);
  EXPECT_EQ(log.entries[0].level, PageTableLevel::kDirectory);
  EXPECT_EQ(log.entries[0].va, 128u << 20);
  EXPECT_EQ(log.entries[0].span, 128u << 20);
  EXPECT_EQ(log.entries[0].new_value, kPde);
  const PageTableWrite& w = log.entries[1];
  EXPECT_EQ(w.seq, last);
  EXPECT_EQ(w.time_ns, last * 1000);
  EXPECT_EQ(w.root, kDirectory);
  EXPECT_TRUE(w.names.bar3);
  EXPECT_EQ(w.level, PageTableLevel::kSmall);
  EXPECT_EQ(w.va, (128u << 20) + 0x3000);
  EXPECT_EQ(w.table, kSmall);
  EXPECT_EQ(w.index, 3u);
  EXPECT_EQ(w.old_value, 0u);
  EXPECT_EQ(w.pte().address(), 0x1234000u);
  EXPECT_EQ(w.pte().aperture(), Aperture::kSystemNoSnoop);
  EXPECT_TRUE(w.present());
  EXPECT_FALSE(w.found);
}

// What was set before the trace began: reads say it, until something is written.
TEST_F(Tracker, LearnsFromReads) {
  make_instance();
  read(0x1714, 0x80000000 | (kInstance >> 12));
  read(0x100c80, 1);  // large pages of 64 KiB
  ASSERT_FALSE(log.roots.empty());
  EXPECT_EQ(log.roots.back().root, kDirectory);
  EXPECT_TRUE(log.roots.back().names.bar3);
  EXPECT_EQ(tracker.geometry().large_shift, 16u);
  read(0x1704, 0x80000000 | (kInstance >> 12));
  EXPECT_TRUE(log.roots.back().names.bar1);
  read(0x100c80, 0);
  EXPECT_EQ(tracker.geometry().large_shift, 16u);  // known already
  write(0, 0x100c80, 0);
  EXPECT_EQ(tracker.geometry().large_shift, 17u);
}

// A read says nothing of registers that are not learned that way.
TEST_F(Tracker, LearnsNoChannelsFromReads) {
  make_instance();
  read(0x3000 + 8 * 5, 0x80000000 | (kInstance >> 12));
  EXPECT_TRUE(log.roots.empty());
  write(0, 0x3000 + 8 * 5, 0x80000000 | (kInstance >> 12));
  ASSERT_FALSE(log.roots.empty());
  EXPECT_TRUE(log.roots.back().names.channels[5]);
  EXPECT_EQ(log.roots.back().names.channels.count(), 1u);
}

TEST_F(Tracker, WidthsAndOrders) {
  make_instance();
  bind_bar3();
  pramin(kDirectory, kPde, 8);
  ASSERT_EQ(log.entries.size(), 1u);
  pramin(kSmall + 4, 0x6);  // high half first
  EXPECT_EQ(log.entries.size(), 1u);
  pramin(kSmall, 0x11);
  ASSERT_EQ(log.entries.size(), 2u);
  EXPECT_EQ(log.entries[1].new_value, 0x600000011u);
  for (unsigned i = 0; i < 8; ++i) pramin(kSmall + i, 0, 1);
  ASSERT_EQ(log.entries.size(), 3u);
  EXPECT_EQ(log.entries[2].old_value, 0x600000011u);
  EXPECT_EQ(log.entries[2].new_value, 0u);
  pramin(kSmall + 4, 0x7777777766666666, 8);  // over the edge of two entries
  tracker.finish();
  ASSERT_EQ(log.entries.size(), 5u);
  EXPECT_EQ(log.entries[3].index, 0u);
  EXPECT_EQ(log.entries[3].new_value, 0x6666666600000000u);
  EXPECT_EQ(log.entries[4].index, 1u);
  EXPECT_EQ(log.entries[4].new_value, 0x77777777u);
}

TEST_F(Tracker, TheSameHalfTwiceIsTwoWrites) {
  bind_a_small_table();
  pramin(kSmall, 0x11);
  pramin(kSmall, 0x21);
  pramin(kSmall + 4, 0x4);
  ASSERT_EQ(log.entries.size(), 3u);
  EXPECT_EQ(log.entries[1].new_value, 0x11u);
  EXPECT_EQ(log.entries[2].old_value, 0x11u);
  EXPECT_EQ(log.entries[2].new_value, 0x400000021u);
}

TEST_F(Tracker, OtherWritesBetweenTheHalvesDoNotPartThem) {
  bind_a_small_table();
  pramin(kSmall, 0x11);
  pramin(0x400000, 0x1234);  // another CPU's
  pramin(kSmall + 4, 0x4);
  ASSERT_EQ(log.entries.size(), 2u);
  EXPECT_EQ(log.entries[1].new_value, 0x400000011u);
}

TEST_F(Tracker, HalfAnEntryComesOutAtTheFlush) {
  bind_a_small_table();
  pramin(kLarge, 0x21);
  EXPECT_EQ(log.entries.size(), 1u);
  const uint64_t written = seq - 1;
  flush(kDirectory, 5);
  ASSERT_EQ(log.entries.size(), 2u);
  EXPECT_EQ(log.entries[1].seq, written);
  EXPECT_EQ(log.entries[1].level, PageTableLevel::kLarge);
  EXPECT_EQ(log.entries[1].span, 128u << 10);
  ASSERT_EQ(log.flushes.size(), 1u);
  EXPECT_EQ(log.flushes[0].scope, 5u);
  EXPECT_EQ(log.flushes[0].entries_changed, 2u);
  EXPECT_TRUE(log.flushes[0].names.bar3);
  flush();
  EXPECT_EQ(log.flushes[1].entries_changed, 0u);
}

TEST_F(Tracker, TablesWrittenBeforeTheyAreKnownAreFound) {
  pramin64(kSmall, 0x11);
  pramin64(kLarge + 8, 0x201);
  pramin64(kDirectory, kPde);
  EXPECT_TRUE(log.entries.empty());
  flush();
  ASSERT_EQ(log.entries.size(), 3u);
  for (const PageTableWrite& w : log.entries) {
    EXPECT_TRUE(w.found);
    EXPECT_EQ(w.seq, seq - 1);
    EXPECT_EQ(describe(w.names), "flush");
  }
  EXPECT_EQ(tracker.counters().found_entries, 3u);
  ASSERT_EQ(log.flushes.size(), 1u);
  EXPECT_EQ(log.flushes[0].entries_changed, 3u);
}

TEST_F(Tracker, ChannelsShareADirectory) {
  make_instance();
  make_instance(0x20000);
  pramin64(kDirectory, kPde);
  write(0, 0x3000, 0xc0000000 | (kInstance >> 12));
  write(0, 0x3000 + 8 * 5, 0xc0000000 | (0x20000 >> 12));
  pramin64(kSmall, 0x11);
  ASSERT_EQ(log.entries.size(), 2u);
  EXPECT_EQ(describe(log.entries[1].names), "channel 0,5");
  write(0, 0x3000, 0);
  pramin64(kSmall, 0x21);
  EXPECT_EQ(describe(log.entries[2].names), "channel 5");
  write(0, 0x3000 + 8 * 5, 0);
  pramin64(kSmall, 0x31);  // the client is going away and still unmaps
  EXPECT_EQ(describe(log.entries[3].names), "unknown");
}

TEST_F(Tracker, ContextSwitcherNamesARoot) {
  make_instance();
  pramin64(kDirectory, kPde);
  write(0, 0x409500, 0x80000000 | (kInstance >> 12));
  write(0, 0x409504, 16);  // some other command; the argument is a size
  EXPECT_TRUE(log.roots.empty());
  write(0, 0x409504, 1);
  ASSERT_EQ(log.entries.size(), 1u);
  EXPECT_EQ(describe(log.entries[0].names), "FECS");
}

TEST_F(Tracker, BarTablesMapThemselves) {
  make_instance();
  pramin64(kDirectory, kPde);
  pramin64(kSmall, (kSmall >> 12 << 4) | 1);  // BAR3 offset 0: the table itself
  bind_bar3();
  const size_t before = log.entries.size();
  write(3, 8, (kDirectory >> 12 << 4) | 1, 8);  // BAR3 offset 0x1000: the directory
  write(3, 0x1000 + 8, kPde, 8);                // the same tables once more at 128 MiB
  ASSERT_EQ(log.entries.size(), before + 4);
  EXPECT_EQ(log.entries[before].va, 0x1000u);
  EXPECT_EQ(log.entries[before + 1].level, PageTableLevel::kDirectory);
  EXPECT_EQ(log.entries[before + 1].index, 1u);
  EXPECT_TRUE(log.entries[before + 2].found);
  write(3, 16, 0x11, 8);  // shows at both places
  ASSERT_EQ(log.entries.size(), before + 4 + 2);
  EXPECT_EQ(log.entries[before + 5].va - log.entries[before + 4].va, 128u << 20);
  write(3, 0x5000, 1);  // not mapped
  EXPECT_EQ(tracker.counters().untranslated_writes, 1u);
}

// The two pages of a window may be anywhere: each byte goes where its own page is.
TEST_F(Tracker, AStoreOverTheEndOfAPage) {
  make_instance();
  pramin64(kDirectory, kPde);
  pramin64(kSmall, ((kSmall + 0x1000) >> 12 << 4) | 1);  // two pages of the table itself, the other way round
  pramin64(kSmall + 8, (kSmall >> 12 << 4) | 1);
  bind_bar3();
  const size_t before = log.entries.size();
  write(3, 0x1000 - 4, 0x1122334455667700, 8);
  tracker.finish();
  ASSERT_EQ(log.entries.size(), before + 2);
  EXPECT_EQ(log.entries[before].index, 0x3ffu);
  EXPECT_EQ(log.entries[before].new_value, 0x5566770000000000u);
  EXPECT_EQ(log.entries[before + 1].index, 0u);
  EXPECT_EQ(log.entries[before + 1].new_value & 0xffffffff, 0x11223344u);
}

TEST_F(Tracker, FreedTablesAreDropped) {
  bind_a_small_table();
  pramin64(kDirectory, 0);
  const size_t before = log.entries.size();
  pramin64(kSmall, 0x11);
  pramin64(kLarge, 0x11);
  EXPECT_EQ(log.entries.size(), before);
}

TEST_F(Tracker, AnEmptyDirectoryWithoutAUserIsForgotten) {
  pramin64(kDirectory, kPde);
  flush();
  EXPECT_EQ(tracker.roots().size(), 1u);
  pramin64(kDirectory, 0);
  flush();
  EXPECT_TRUE(tracker.roots().empty());
  EXPECT_EQ(log.roots.back().what, RootChange::What::kForgotten);
  const size_t before = log.entries.size();
  pramin64(kDirectory, 0x1234);  // the page is something else now
  tracker.finish();
  EXPECT_EQ(log.entries.size(), before);
}

TEST_F(Tracker, ADirectoryReusedAsATableIsForgotten) {
  pramin64(kDirectory, kPde);
  flush();
  make_instance(kInstance, 0x800000);
  bind_bar3();
  pramin64(0x800000, (kDirectory >> 12 << 36) | (1ull << 32));
  ASSERT_EQ(tracker.roots().size(), 1u);
  EXPECT_EQ(tracker.roots()[0].directory, 0x800000u);
}

TEST_F(Tracker, LargePagesOf64K) {
  write(0, 0x100c80, 0xff8001);
  make_instance();
  bind_bar3();
  pramin64(kDirectory + 8, kPde);
  pramin64(kLarge + 8, 0x11);
  ASSERT_EQ(log.entries.size(), 2u);
  EXPECT_EQ(log.entries[1].va, (64u << 20) + (64u << 10));
  EXPECT_EQ(log.entries[1].span, 64u << 10);
  write(0, 0x100c80, 0xff8000);  // everything means something else now, and is said again
  ASSERT_EQ(log.entries.size(), 4u);
  EXPECT_TRUE(log.entries[3].found);
  EXPECT_EQ(log.entries[3].va, (128u << 20) + (128u << 10));
}

TEST_F(Tracker, NoMeaningWithoutTheWindowsState) {
  write(0, 0x700000, 0x11);  // the trace began after 0x001700 was written
  write(3, 0, 0x11);
  EXPECT_EQ(tracker.counters().untranslated_writes, 2u);
  read(0x1700, kDirectory >> 16);  // what a read says is as good
  write(0, 0x700000, kPde & 0xffffffff);
  flush();
  ASSERT_EQ(log.entries.size(), 1u);
}

TEST_F(Tracker, FlushOfAnUnknownRoot) {
  write(0, 0x100cbc, 0x80000001);
  ASSERT_EQ(log.flushes.size(), 1u);
  EXPECT_FALSE(log.flushes[0].root_known);
  write(0, 0x100cbc, 0x80000003);
  EXPECT_TRUE(log.flushes[1].all_roots);
  write(0, 0x100cbc, 1);  // no trigger
  EXPECT_EQ(tracker.counters().tlb_flushes, 2u);
}

TEST_F(Tracker, OtherChipsAreLeftAlone) {
  read(0, 0x140000a1);  // GV100
  pramin64(kDirectory, kPde);
  flush();
  EXPECT_TRUE(tracker.foreign_chip());
  EXPECT_EQ(tracker.counters().tlb_flushes, 0u);
}

TEST(TrackerBounds, MemoryStaysBounded) {
  Log log;
  PageTableTracker tracker(&log, {.max_pages = 16, .max_tables = 8});
  uint64_t seq = 0;
  const auto write = [&](uint64_t address, uint64_t value) {
    tracker.observe(
        seq++, {.address = 0x1700, .value = (address >> 20) << 4, .kind = EventKind::kMmioWrite, .width = 4});
    tracker.observe(seq++, {.address = 0x700000 + (address & 0xfffff),
                            .value = value,
                            .kind = EventKind::kMmioWrite,
                            .width = 8});
  };
  for (uint64_t page = 0; page < 1000; ++page) write(page << 16, ~uint64_t{0});
  EXPECT_EQ(tracker.counters().forgotten_pages, 1000u - 16);
  for (uint64_t page = 0; page < 1000; ++page) {
    tracker.observe(seq++,
                    {.address = 0x100cb8, .value = page << 8, .kind = EventKind::kMmioWrite, .width = 4});
    tracker.observe(seq++,
                    {.address = 0x100cbc, .value = 0x80000001, .kind = EventKind::kMmioWrite, .width = 4});
  }
  EXPECT_LE(tracker.roots().size(), 8u);
  EXPECT_GT(tracker.counters().refused, 0u);
}

TEST(PageTableText, Words) {
  EXPECT_EQ(describe(fermi::Pde{0}), "none");
  EXPECT_EQ(describe(fermi::Pde{kPde}), "large 0x300000 VRAM | small 0x200000 VRAM");
  EXPECT_EQ(describe(fermi::Pde{0x2000 | 4 | 2}), "large 0x200000 system 1/2");
  EXPECT_EQ(describe(fermi::Pte{0x00012fe5'00012347}),
            "0x1234000 system ro priv volatile kind 0xfe tag 0x12");
  EXPECT_EQ(describe(fermi::Pte{0x10}), "not present (0x10)");
  EXPECT_EQ(describe_scope(5), "all pages, hub only");
  EXPECT_EQ(describe_scope(0x100), "unknown bits 0x100");
}

TEST_F(Tracker, Lines) {
  bind_a_small_table();
  pramin64(kSmall + 8, 0x600012345ull);
  flush(kDirectory, 5);
  EXPECT_EQ(text_line(log.entries[0]),
            "        12      0.000012  0x0000100000 BAR3             PDE        0x0000000000  128M  "
            "0x100000[0]          "
            "none -> large 0x300000 VRAM | small 0x200000 VRAM");
  EXPECT_EQ(
      json_line(log.entries[1]),
      R"({"seq":16,"time_us":16.000,"kind":"pte_write","root":"0x100000","named_by":["BAR3"],"level":"small",)"
      R"("va":"0x1000","size":4096,"table":"0x200000","index":1,"found":false,"old":"0x0000000000000000",)"
      R"("new":"0x0000000600012345","present":true,"target":"0x1234000","aperture":"system no-snoop",)"
      R"("read_only":true,"privileged":false,"storage":"0x00"})");
  EXPECT_EQ(text_line(log.flushes[0]),
            "        18      0.000018  0x0000100000 BAR3             flush      all pages, hub only, 2 "
            "entries changed");
  EXPECT_EQ(
      json_line(log.flushes[0]),
      R"({"seq":18,"time_us":18.000,"kind":"tlb_flush","root":"0x100000","aperture":"VRAM","named_by":["BAR3",)"
      R"("flush"],"all_roots":false,"scope":5,"entries_changed":2})");
  EXPECT_EQ(json_line(log.roots[0]),
            R"({"seq":8,"time_us":8.000,"kind":"root_named","root":"0x100000","named_by":["BAR3"]})");
}

}  // namespace
}  // namespace gpuvm
