#include "emulator/hypervisor/page_allocator.h"

#include "traces/core/result.h"

namespace gpuvm {
namespace {

constexpr uint64_t kPageShift = 12;

}  // namespace

PageAllocator::PageAllocator(uint64_t base, uint64_t bytes) : free_pages_(bytes >> kPageShift) {
  GPUVM_CHECK(base % (uint64_t{1} << kPageShift) == 0 && bytes % (uint64_t{1} << kPageShift) == 0);
  if (free_pages_ != 0) free_.emplace(base >> kPageShift, free_pages_);
}

std::optional<uint64_t> PageAllocator::allocate(uint64_t pages) {
  if (pages == 0) return std::nullopt;
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    const auto [first, count] = *it;
    if (count < pages) continue;
    free_.erase(it);
    if (count > pages) free_.emplace(first + pages, count - pages);
    free_pages_ -= pages;
    return first << kPageShift;
  }
  return std::nullopt;
}

void PageAllocator::free(uint64_t address, uint64_t pages) {
  uint64_t first = address >> kPageShift;
  free_pages_ += pages;
  auto next = free_.lower_bound(first);
  GPUVM_CHECK(next == free_.end() || first + pages <= next->first);
  if (next != free_.end() && next->first == first + pages) {
    pages += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto previous = std::prev(next);
    GPUVM_CHECK(previous->first + previous->second <= first);
    if (previous->first + previous->second == first) {
      first = previous->first;
      pages += previous->second;
      free_.erase(previous);
    }
  }
  free_.emplace(first, pages);
}

std::optional<uint64_t> PageQuota::allocate(uint64_t pages) {
  const auto address = pages <= left_ ? allocator_.allocate(pages) : std::nullopt;
  if (address) {
    left_ -= pages;
  } else {
    ran_out_ = true;
  }
  return address;
}

void PageQuota::free(uint64_t address, uint64_t pages) {
  allocator_.free(address, pages);
  left_ += pages;
}

}  // namespace gpuvm
