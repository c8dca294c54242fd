// What a trace has written into VRAM so far, as far as it is not zero: sparse, and bounded whatever the trace
// does.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace gpuvm {

struct TrackedTable;

class ShadowMemory {
 public:
  static constexpr uint64_t kPageBytes = 4096;
  static constexpr uint32_t kPageWords = 512;
  using Words = std::array<uint64_t, kPageWords>;

  struct Page {
    uint64_t number = 0;
    std::unique_ptr<Words> words;       // absent: all zero
    uint32_t nonzero = 0;               // words that are not
    std::vector<TrackedTable*> tables;  // the tables that lie in this page; such a page is never given up
    Page* older = nullptr;              // pages with words, by age
    Page* newer = nullptr;

    uint64_t word(uint32_t index) const { return words ? (*words)[index] : 0; }
  };

  // At most `max_pages` pages hold contents; beyond, the oldest that is no table is forgotten (reads as
  // zero).
  explicit ShadowMemory(size_t max_pages) : max_pages_(max_pages) {}
  ShadowMemory(const ShadowMemory&) = delete;
  ShadowMemory& operator=(const ShadowMemory&) = delete;

  // nullptr: all zero and no table. Valid until the next store() or remove_table().
  Page* find(uint64_t number) {
    Slot& slot = cache_[number % kCacheSlots];
    if (slot.number == number) return slot.page;
    const auto it = pages_.find(number);
    slot = {number, it == pages_.end() ? nullptr : &it->second};
    return slot.page;
  }
  // The 8-byte word at a multiple of 8.
  uint64_t read64(uint64_t address) {
    const Page* page = find(address / kPageBytes);
    return page == nullptr ? 0 : page->word(word_index(address));
  }
  // Stores the bits of `mask` of the word at a multiple of 8. False: there is no room for it.
  bool store(uint64_t address, uint64_t mask, uint64_t value);

  void add_table(uint64_t number, TrackedTable* table) { page_at(number).tables.push_back(table); }
  void remove_table(uint64_t number, TrackedTable* table);

  uint64_t forgotten_pages() const { return forgotten_pages_; }
  size_t pages_held() const { return held_; }

  static constexpr uint32_t word_index(uint64_t address) {
    return static_cast<uint32_t>(address % kPageBytes / 8);
  }

 private:
  static constexpr size_t kCacheSlots = 256;
  struct Slot {
    uint64_t number = ~uint64_t{0};
    Page* page = nullptr;
  };

  Page& page_at(uint64_t number);
  bool make_room();
  void link(Page& page);
  void unlink(Page& page);
  void erase_if_unused(Page& page);

  size_t max_pages_;
  std::unordered_map<uint64_t, Page> pages_;
  std::array<Slot, kCacheSlots> cache_{};
  Page* oldest_ = nullptr;
  Page* newest_ = nullptr;
  size_t held_ = 0;
  uint64_t forgotten_pages_ = 0;
  std::unique_ptr<Words> spare_;  // of the page that became zero last: memset goes over page after page
};

}  // namespace gpuvm
