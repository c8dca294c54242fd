// Pages of the card's VRAM that belong to the hypervisor. First fit; neighbours merge when they become free
// (GPUvm's never merged downwards, B5). A free page holds zeroes: whoever frees one has cleared it, so a new
// table is empty (B4) and nothing passes from one guest to another.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace gpuvm {

class PageAllocator {
 public:
  // Both are multiples of the page size.
  PageAllocator(uint64_t base, uint64_t bytes);

  // Byte address of `pages` pages in a row; nothing if there are none.
  std::optional<uint64_t> allocate(uint64_t pages);
  void free(uint64_t address, uint64_t pages);

  uint64_t free_pages() const { return free_pages_; }
  size_t fragments() const { return free_.size(); }

 private:
  std::map<uint64_t, uint64_t> free_;  // first page to number of pages; no two touch
  uint64_t free_pages_;
};

// What one guest may still take of the hypervisor's pages: running out hurts nobody else (S13).
class PageQuota {
 public:
  PageQuota(PageAllocator& allocator, uint64_t pages) : allocator_(allocator), left_(pages) {}
  std::optional<uint64_t> allocate(uint64_t pages);
  void free(uint64_t address, uint64_t pages);
  uint64_t left() const { return left_; }
  // Was a request ever turned down? From then on some of the guest's entries may be absent from its shadows.
  bool ran_out() const { return ran_out_; }

 private:
  PageAllocator& allocator_;
  uint64_t left_;
  bool ran_out_ = false;
};

}  // namespace gpuvm
