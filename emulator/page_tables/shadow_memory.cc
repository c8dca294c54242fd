#include "emulator/page_tables/shadow_memory.h"

#include <algorithm>

namespace gpuvm {
namespace {

// How many pages that cannot be given up are passed in search of one that can: a trace that fills its budget
// with tables must not make every further write a search through all of them.
constexpr int kMaxTries = 64;

}  // namespace

ShadowMemory::Page& ShadowMemory::page_at(uint64_t number) {
  if (Page* page = find(number)) return *page;
  Page& page = pages_[number];
  page.number = number;
  cache_[number % kCacheSlots] = {number, &page};
  return page;
}

bool ShadowMemory::store(uint64_t address, uint64_t mask, uint64_t value) {
  value &= mask;
  Page* page = find(address / kPageBytes);
  if (page == nullptr || !page->words) {
    if (value == 0) return true;
    if (held_ >= max_pages_ && !make_room()) return false;
    page = &page_at(address / kPageBytes);
    page->words = spare_ ? std::move(spare_) : std::make_unique<Words>();
    link(*page);
  }
  uint64_t& word = (*page->words)[word_index(address)];
  const bool was = word != 0;
  word = (word & ~mask) | value;
  const bool is = word != 0;
  if (was == is) return true;
  page->nonzero += is ? 1 : -1;
  if (page->nonzero == 0) {
    unlink(*page);
    spare_ = std::move(page->words);
    erase_if_unused(*page);
  }
  return true;
}

bool ShadowMemory::make_room() {
  for (int tries = 0; tries < kMaxTries && oldest_ != nullptr; ++tries) {
    Page& page = *oldest_;
    unlink(page);
    if (page.tables.empty()) {
      ++forgotten_pages_;
      page.words.reset();
      page.nonzero = 0;
      erase_if_unused(page);
      return true;
    }
    link(page);  // back in line, as the newest
  }
  return false;
}

void ShadowMemory::link(Page& page) {
  page.older = newest_;
  page.newer = nullptr;
  (newest_ != nullptr ? newest_->newer : oldest_) = &page;
  newest_ = &page;
  ++held_;
}

void ShadowMemory::unlink(Page& page) {
  (page.older != nullptr ? page.older->newer : oldest_) = page.newer;
  (page.newer != nullptr ? page.newer->older : newest_) = page.older;
  page.older = page.newer = nullptr;
  --held_;
}

void ShadowMemory::erase_if_unused(Page& page) {
  if (page.words || !page.tables.empty()) return;
  const uint64_t number = page.number;
  cache_[number % kCacheSlots] = {number, nullptr};
  pages_.erase(number);
}

void ShadowMemory::remove_table(uint64_t number, TrackedTable* table) {
  Page* page = find(number);
  if (page == nullptr) return;
  std::erase(page->tables, table);
  erase_if_unused(*page);
}

}  // namespace gpuvm
