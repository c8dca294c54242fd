#include "emulator/hypervisor/page_allocator.h"

#include "traces/core/result.h"

namespace gpuvm {
namespace {

constexpr uint64_t kPageShift = 12;

}  // namespace

PageAllocator::PageAllocator(uint64_t base, uint64_t bytes) : free_pages_(bytes >> kPageShift) {
  GPUVM_CHECK(base % (uint64_t{1} << kPageShift) == 0 && bytes % (uint64_t{1} << kPageShift) == 0);
  if (free_pages_ != 0) add(base >> kPageShift, free_pages_);
}

void PageAllocator::add(uint64_t first, uint64_t pages) {
  free_.emplace(first, pages);
  by_size_.emplace(pages, first);
}

void PageAllocator::remove(std::map<uint64_t, uint64_t>::iterator fragment) {
  by_size_.erase({fragment->second, fragment->first});
  free_.erase(fragment);
}

std::optional<uint64_t> PageAllocator::allocate(uint64_t pages) {
  if (pages == 0) return std::nullopt;
  const auto fit = by_size_.lower_bound({pages, 0});
  if (fit == by_size_.end()) {
    ran_out_ = true;
    return std::nullopt;
  }
  const auto [count, first] = *fit;
  remove(free_.find(first));
  if (count > pages) add(first + pages, count - pages);
  free_pages_ -= pages;
  return first << kPageShift;
}

bool PageAllocator::has(uint64_t pages) {
  const bool found = !by_size_.empty() && by_size_.rbegin()->first >= pages;
  ran_out_ |= !found;
  return found;
}

void PageAllocator::free(uint64_t address, uint64_t pages) {
  ++frees_;
  uint64_t first = address >> kPageShift;
  free_pages_ += pages;
  const auto next = free_.lower_bound(first);
  GPUVM_CHECK(next == free_.end() || first + pages <= next->first);
  const auto previous = next != free_.begin() ? std::prev(next) : free_.end();
  GPUVM_CHECK(previous == free_.end() || previous->first + previous->second <= first);
  if (next != free_.end() && next->first == first + pages) {
    pages += next->second;
    remove(next);
  }
  if (previous != free_.end() && previous->first + previous->second == first) {
    first = previous->first;
    pages += previous->second;
    remove(previous);
  }
  add(first, pages);
}

}  // namespace gpuvm
