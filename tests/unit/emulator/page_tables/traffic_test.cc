// Random page-table traffic, given to a card and to the tracker alike: at every TLB flush what the tracker's
// records add up to must be what the card's memory says.
#include <gtest/gtest.h>

#include <random>

#include "emulator/card/card.h"
#include "emulator/page_tables/tracker.h"
#include "tests/support/page_table_model.h"

namespace gpuvm {
namespace {

using testing::MappedSet;

class NoMachine : public DmaPort, public InterruptSink {
 public:
  bool read(uint64_t, std::span<std::byte>) override { return false; }
  bool write(uint64_t, std::span<const std::byte>) override { return false; }
  void set_intx(bool) override {}
  void send_msi(uint64_t, uint32_t) override {}
};

constexpr uint64_t kPage = 4096;
constexpr uint64_t kVramBytes = 64 << 20;
constexpr uint64_t kBar3Instance = 0x1000, kBar1Instance = 0x2000;
constexpr uint64_t kArena = 0x800000;  // where the driver below allocates

// A driver with the manners of nouveau and the habits of nobody.
class Driver {
 public:
  Driver(uint32_t seed, bool pages_of_64k)
      : pages_of_64k_(pages_of_64k),
        geometry_{pages_of_64k ? 16u : 17u},
        random_(seed),
        card_({.vram_bytes = kVramBytes}, machine_, machine_),
        tracker_(&model_, {.vram_bytes = kVramBytes}) {
    tracker_.observe(seq_++, {.kind = EventKind::kReset});
    write(0, 0x100c80, pages_of_64k ? 0xff8001 : 0xff8000, 4);
    set_up_bar(3, kBar3Instance);
    set_up_bar(1, kBar1Instance);
  }

  void step() {
    switch (pick(16)) {
      case 0:
        new_space();
        break;
      case 1:
        name_space();
        break;
      case 2:
        unname();
        break;
      case 3:
        end_space();
        break;
      case 4:
      case 5:
        add_table();
        break;
      case 6:
        remove_table();
        break;
      case 7:
        flush_some();
        break;
      case 8:
        scribble();
        break;
      default:
        map_pages();
        break;
    }
  }
  void finish() {
    for (const Space& space : spaces_) flush(space.directory);
    flush(bar_[1].directory);
    flush(bar_[3].directory);
  }
  const testing::RecordModel& model() const { return model_; }
  PageTableCounters counters() const { return tracker_.counters(); }
  uint64_t checks() const { return checks_; }
  uint64_t mapped_seen() const { return mapped_seen_; }

 private:
  struct Table {
    uint64_t pde;
    bool small;
    uint64_t address;
  };
  struct Space {
    uint64_t directory;
    uint64_t instance;
    std::vector<Table> tables;
    std::vector<unsigned> channels;
    bool stale = false;  // was written to since the last flush
  };
  struct Bar {
    uint64_t directory, table;
    std::map<uint64_t, uint64_t> pages;  // physical page -> BAR page
    uint64_t next = 0;
  };

  uint64_t pick(uint64_t n) { return random_() % n; }
  uint64_t directory_bytes() const { return geometry_.directory_entries() * 8ull; }
  uint64_t small_bytes() const { return geometry_.small_entries() * 8ull; }

  void write(unsigned bar, uint64_t offset, uint64_t value, unsigned width) {
    card_.bar_write(bar, offset, width, value);
    tracker_.observe(seq_++, {.address = offset,
                              .value = value,
                              .kind = EventKind::kMmioWrite,
                              .space = static_cast<uint8_t>(bar),
                              .width = static_cast<uint8_t>(width)});
  }
  void pramin(uint64_t address, uint64_t value, unsigned width) {
    if (address >> 20 != window_) {
      window_ = address >> 20;
      write(0, 0x1700, static_cast<uint32_t>(window_ << 4), 4);
    }
    write(0, 0x700000 + (address & 0xfffff), value, width);
  }

  void set_up_bar(unsigned bar, uint64_t instance) {
    bar_[bar].directory = allocate(directory_bytes());
    bar_[bar].table = allocate(small_bytes());
    pramin(instance + 0x200, bar_[bar].directory, 8);
    pramin(instance + 0x208, (bar == 3 ? 64u << 20 : 128u << 20) - 1, 8);
    write(0, bar == 3 ? 0x1714 : 0x1704, static_cast<uint32_t>(0x80000000 | (instance >> 12)), 4);
    pramin(bar_[bar].directory + 4, (bar_[bar].table >> 12 << 4) | 1, 4);
  }

  // Where a physical page shows in a BAR; maps it if it does not. The BAR's own table is written by any way
  // there is.
  uint64_t bar_offset(unsigned bar, uint64_t address) {
    Bar& b = bar_[bar];
    const uint64_t page = address / kPage;
    if (const auto it = b.pages.find(page); it != b.pages.end()) return it->second * kPage + address % kPage;
    const uint64_t place = b.next;
    b.next = (b.next + 1) % 48;  // few, so that they are reused
    std::erase_if(b.pages, [&](const auto& entry) { return entry.second == place; });
    const uint64_t pte = (page << 4) | 1;
    const uint64_t at = b.table + place * 8;
    const auto own = b.pages.find(at / kPage);
    if (own != b.pages.end() && pick(2) == 0) {
      write(bar, own->second * kPage + at % kPage, pte, 8);
    } else {
      pramin(at + 4, pte >> 32, 4);
      pramin(at, pte & 0xffffffff, 4);
    }
    b.pages[page] = place;
    flush(b.directory);
    return place * kPage + address % kPage;
  }
  void put(uint64_t address, uint64_t value, unsigned width) {
    switch (pick(3)) {
      case 0:
        return pramin(address, value, width);
      case 1:
        return write(3, bar_offset(3, address), value, width);
      default:
        return write(1, bar_offset(1, address), value, width);
    }
  }
  void put_entry(uint64_t address, uint64_t value) {
    switch (pick(6)) {
      case 0:
        return put(address, value, 8);
      case 1:
        put(address + 4, value >> 32, 4);
        return put(address, value & 0xffffffff, 4);
      case 2:
        for (unsigned i = 0; i < 8; ++i) put(address + i, (value >> (8 * i)) & 0xff, 1);
        return;
      case 3:
        for (unsigned i : {2, 0, 6, 4}) put(address + i, (value >> (8 * i)) & 0xffff, 2);
        return;
      default:
        put(address, value & 0xffffffff, 4);
        return put(address + 4, value >> 32, 4);
    }
  }

  uint64_t allocate(uint64_t bytes) {
    for (auto it = free_.begin(); it != free_.end(); ++it) {
      if (it->second != bytes || pick(2) == 0) continue;
      const uint64_t address = it->first;
      free_.erase(it);
      return address;
    }
    const uint64_t address = next_;
    next_ += bytes;
    return next_ <= kVramBytes ? address : 0;
  }
  // As nouveau: memory that becomes a table is zeroed first, whatever was there.
  void zero(uint64_t address, uint64_t bytes) {
    for (uint64_t at = address; at < address + bytes; at += kPage) {
      const auto view = card_.vram().view(at, kPage);
      if (std::all_of(view.begin(), view.end(), [](std::byte b) { return b == std::byte{0}; })) continue;
      for (uint64_t i = 0; i < kPage; i += 8) pramin(at + i, 0, 8);
    }
  }

  void new_space() {
    if (spaces_.size() >= 4) return;
    const uint64_t directory = allocate(directory_bytes());
    const uint64_t instance = directory == 0 ? 0 : allocate(kPage);
    if (instance == 0) return;
    zero(directory, directory_bytes());
    zero(instance, kPage);
    put_entry(instance + 0x200, directory);
    put_entry(instance + 0x208, fermi::kVaMask);
    spaces_.push_back({directory, instance, {}, {}, false});
  }
  Space* some_space() { return spaces_.empty() ? nullptr : &spaces_[pick(spaces_.size())]; }
  void name_space() {
    Space* space = some_space();
    const auto channel = static_cast<unsigned>(pick(128));
    if (space == nullptr || std::any_of(spaces_.begin(), spaces_.end(), [&](const Space& s) {
          return std::find(s.channels.begin(), s.channels.end(), channel) != s.channels.end();
        })) {
      return;
    }
    write(0, 0x3000 + 8 * channel, static_cast<uint32_t>(0xc0000000 | (space->instance >> 12)), 4);
    space->channels.push_back(channel);
  }
  void unname() {
    Space* space = some_space();
    if (space == nullptr || space->channels.empty()) return;
    write(0, 0x3000 + 8 * space->channels.back(), 0, 4);
    space->channels.pop_back();
  }
  void end_space() {
    if (spaces_.size() < 2 || pick(4) != 0) return;
    Space space = spaces_.back();
    spaces_.pop_back();
    for (const unsigned channel : space.channels) write(0, 0x3000 + 8 * channel, 0, 4);
    for (const Table& table : space.tables) {
      put_entry(space.directory + 8 * table.pde, 0);
      free_.emplace_back(table.address, table.small ? small_bytes() : 8192);
    }
    flush(space.directory);
    free_.emplace_back(space.directory, directory_bytes());
    free_.emplace_back(space.instance, kPage);
  }

  Table* find_table(Space& space, uint64_t pde, bool small) {
    for (Table& table : space.tables) {
      if (table.pde == pde && table.small == small) return &table;
    }
    return nullptr;
  }
  void write_pde(Space& space, uint64_t pde) {
    uint64_t value = 0;
    if (const Table* t = find_table(space, pde, true))
      value |= (t->address >> 12 << 36) | (uint64_t{1} << 32);
    if (const Table* t = find_table(space, pde, false)) value |= (t->address >> 12 << 4) | 1;
    put_entry(space.directory + 8 * pde, value);
    space.stale = true;
  }
  void add_table() {
    Space* space = some_space();
    if (space == nullptr) return;
    const uint64_t pde = pick(2) == 0 ? pick(4) : geometry_.directory_entries() - 1 - pick(4);
    const bool small = pick(2) == 0;
    if (find_table(*space, pde, small) != nullptr) return;
    const uint64_t address = allocate(small ? small_bytes() : 8192);
    if (address == 0) return;
    zero(address, small ? small_bytes() : 8192);
    // Entries may stand in a table before the directory names it.
    for (uint64_t n = pick(3); n > 0; --n) put_entry(random_entry_address(address, small), random_pte());
    space->tables.push_back({pde, small, address});
    write_pde(*space, pde);
  }
  void remove_table() {
    Space* space = some_space();
    if (space == nullptr || space->tables.empty()) return;
    const size_t i = pick(space->tables.size());
    const Table table = space->tables[i];
    space->tables.erase(space->tables.begin() + static_cast<std::ptrdiff_t>(i));
    write_pde(*space, table.pde);
    flush(space->directory);
    free_.emplace_back(table.address, table.small ? small_bytes() : 8192);
  }
  uint64_t random_entry_address(uint64_t table, bool small) {
    return table + 8 * pick(small ? geometry_.small_entries() : 1024);
  }
  uint64_t random_pte() {
    if (pick(4) == 0) return 0;
    constexpr uint64_t kApertures[] = {0, 2, 3};
    return (pick(0xfffffff) << 4) | (kApertures[pick(3)] << 33) | (pick(256) << 36) | (pick(2) << 2) |
           (pick(8) != 0);
  }
  void map_pages() {
    Space* space = some_space();
    if (space == nullptr || space->tables.empty()) return;
    const Table& table = space->tables[pick(space->tables.size())];
    const uint64_t entries = table.small ? geometry_.small_entries() : 1024;
    const uint64_t first = pick(entries);
    for (uint64_t i = first; i < std::min(entries, first + 1 + pick(20)); ++i) {
      put_entry(table.address + 8 * i, random_pte());
    }
    space->stale = true;
  }
  // Writes to memory that is nobody's table.
  void scribble() {
    const uint64_t address = allocate(2 * kPage);
    if (address == 0) return;
    for (int i = 0; i < 4; ++i) put(address + 8 * pick(1024), random_(), 8);
    free_.emplace_back(address, 2 * kPage);
  }

  void flush_some() {
    if (Space* space = some_space()) flush(space->directory);
  }
  void flush(uint64_t directory) {
    write(0, 0x100cb8, static_cast<uint32_t>(directory >> 12 << 4), 4);
    write(0, 0x100cbc, 0x80000001, 4);
    check(directory);
  }

  void check(uint64_t directory) {
    const MappedSet walked = testing::walk(card_.vram(), directory, pages_of_64k_);
    ASSERT_EQ(model_.mapped(directory), walked) << "records, at event " << seq_;
    const auto mappings = tracker_.mappings(directory);
    ASSERT_EQ(testing::as_set(mappings), walked) << "shadow, at event " << seq_;
    const AddressSpace space{Aperture::kVram, directory, fermi::kVaMask, geometry_};
    for (const auto& m : mappings) {
      // The card's own walk takes the small page where there are two.
      const Translation t = translate(card_.memory(), space, m.va);
      ASSERT_TRUE(t.mapped);
      if (m.level == PageTableLevel::kLarge && t.page_bytes == kPage) continue;
      ASSERT_EQ(t.address, m.pte.address());
      ASSERT_EQ(t.aperture, m.pte.aperture());
    }
    ++checks_;
    mapped_seen_ += walked.size();
  }

  bool pages_of_64k_;
  fermi::Geometry geometry_;
  std::mt19937 random_;
  NoMachine machine_;
  Card card_;
  testing::RecordModel model_;
  PageTableTracker tracker_;
  uint64_t seq_ = 0;
  uint64_t window_ = ~uint64_t{0};
  std::map<unsigned, Bar> bar_;
  std::vector<Space> spaces_;
  std::vector<std::pair<uint64_t, uint64_t>> free_;
  uint64_t next_ = kArena;
  uint64_t checks_ = 0, mapped_seen_ = 0;
};

class PageTableTraffic : public ::testing::TestWithParam<uint32_t> {};

TEST_P(PageTableTraffic, RecordsAddUpToTheCardsMemory) {
  for (const bool pages_of_64k : {false, true}) {
    Driver driver(GetParam(), pages_of_64k);
    for (int i = 0; i < 400 && !HasFatalFailure(); ++i) driver.step();
    driver.finish();
    RecordProperty("checks", static_cast<int>(driver.checks()));
    RecordProperty("records", static_cast<int>(driver.model().records));
    RecordProperty("mapped", static_cast<int>(driver.mapped_seen()));
    EXPECT_GT(driver.checks(), 20u);
    EXPECT_GT(driver.mapped_seen(), 100u);
    EXPECT_EQ(driver.model().contradictions, 0u);
    EXPECT_EQ(driver.counters().untranslated_writes, 0u);
    EXPECT_EQ(driver.counters().refused, 0u);
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, PageTableTraffic, ::testing::Range(0u, 8u));

}  // namespace
}  // namespace gpuvm
