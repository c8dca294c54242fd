// Pages of the card's VRAM that belong to the hypervisor. Best fit; neighbours merge when they become free
// (GPUvm's never merged downwards, B5). A free page holds zeroes: whoever frees one has cleared it, so a new
// table is empty (B4) and nothing passes from one guest to another.
//
// Every guest has an allocator over a part of its own: what one does to its part, in what order whatsoever,
// is nothing to the others (S13).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>

namespace gpuvm {

class PageAllocator {
 public:
  // Both are multiples of the page size.
  PageAllocator(uint64_t base, uint64_t bytes);

  // Byte address of `pages` pages in a row; nothing if there are none. Time: logarithmic in fragments().
  std::optional<uint64_t> allocate(uint64_t pages);
  void free(uint64_t address, uint64_t pages);
  // Would allocate(pages) find any? A no counts as a request that was turned down.
  bool has(uint64_t pages);

  uint64_t free_pages() const { return free_pages_; }
  size_t fragments() const { return free_.size(); }
  // Was a request ever turned down? From then on something that was asked for may be lacking.
  bool ran_out() const { return ran_out_; }
  // How often pages became free: as long as it is the same, what was turned down would be again.
  uint64_t frees() const { return frees_; }

 private:
  void add(uint64_t first, uint64_t pages);
  void remove(std::map<uint64_t, uint64_t>::iterator fragment);

  std::map<uint64_t, uint64_t> free_;                // first page to number of pages; no two touch
  std::set<std::pair<uint64_t, uint64_t>> by_size_;  // the same as (number, first)
  uint64_t free_pages_ = 0;
  uint64_t frees_ = 0;
  bool ran_out_ = false;
};

}  // namespace gpuvm
