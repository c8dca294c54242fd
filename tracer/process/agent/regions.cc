#include "tracer/process/agent/regions.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include "tracer/process/agent/kernel.h"
#include "tracer/process/agent/recorder.h"

namespace gpuvm::agent {
namespace {

using trace_channel::kWindow;

constexpr uint64_t kSlotBytes = 64 << 20;
constexpr size_t kSlots = trace_channel::kWindowBytes / kSlotBytes;
constexpr size_t kMaxRegions = 4096;

struct Table {
  std::atomic<uint32_t> lock;
  std::atomic<uint16_t> slots[kSlots];  // number of the region + 1
  Region regions[kMaxRegions];
  size_t next_slot;
};
constinit Table table{};

class Guard {
 public:
  Guard() {
    uint32_t free = 0;
    while (!table.lock.compare_exchange_weak(free, 1, std::memory_order_acquire)) {
      free = 0;
      kernel_call(SYS_sched_yield);
    }
  }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  ~Guard() { table.lock.store(0, std::memory_order_release); }
};

bool free_run(size_t first, size_t count) {
  if (first + count > kSlots) return false;
  for (size_t i = 0; i < count; ++i) {
    if (table.slots[first + i].load(std::memory_order_relaxed) != 0) return false;
  }
  return true;
}

// The first slot of a free run, searched from the one after the last; kSlots: none.
size_t find_slots(size_t count) {
  for (size_t tries = 0; tries < kSlots; ++tries) {
    const size_t first = (table.next_slot + tries) % kSlots;
    if (free_run(first, count)) return first;
  }
  return kSlots;
}

Region* free_region() {
  for (Region& r : table.regions) {
    if (r.used.load(std::memory_order_relaxed) == 0) return &r;
  }
  return nullptr;
}

size_t slots_of(uint64_t bytes) {
  return (bytes + kSlotBytes - 1) / kSlotBytes;
}

}  // namespace

const Region* find_region(uint64_t address) {
  if (!trace_channel::in_window(address)) return nullptr;
  const uint16_t number = table.slots[(address - kWindow) / kSlotBytes].load(std::memory_order_acquire);
  if (number == 0) return nullptr;
  const Region& r = table.regions[number - 1];
  return address - r.base < r.bytes ? &r : nullptr;
}

uint64_t add_region(uint64_t alias, uint64_t bytes, uint64_t file_offset, int protection, const char* path,
                    uint64_t pc) {
  Region* r = nullptr;
  {
    const Guard guard;
    const size_t count = slots_of(bytes);
    const size_t first = find_slots(count);
    r = free_region();
    if (first == kSlots || r == nullptr) return 0;
    const uint64_t base = kWindow + first * kSlotBytes;
    const long placed = kernel_call(SYS_mmap, static_cast<long>(base), static_cast<long>(bytes), PROT_NONE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (placed != static_cast<long>(base)) return 0;
    r->base = base, r->bytes = bytes, r->alias = alias, r->file_offset = file_offset;
    r->protection.store(protection, std::memory_order_relaxed);
    r->map = process.control->next_map.fetch_add(1, std::memory_order_relaxed) + 1;
    size_t n = 0;
    for (; path[n] != 0 && n + 1 < sizeof r->path; ++n) r->path[n] = path[n];
    r->path[n] = 0;
    r->used.store(1, std::memory_order_relaxed);
    for (size_t i = 0; i < count; ++i) {
      table.slots[first + i].store(static_cast<uint16_t>(r - table.regions + 1), std::memory_order_release);
    }
    table.next_slot = first + count;
  }
  Record record;
  record.type = RecordType::kMap;
  record.map = r->map;
  record.offset = file_offset;
  record.value = bytes;
  record.address = r->base;
  record.pc = pc;
  record.bytes = static_cast<uint32_t>(text_length(path));
  record_now(record, path, record.bytes);
  return r->base;
}

void remove_region(const Region* region, uint64_t pc) {
  Record record;
  record.type = RecordType::kUnmap;
  record.map = region->map;
  record.offset = region->file_offset;
  record.value = region->bytes;
  record.address = region->base;
  record.pc = pc;
  {
    const Guard guard;
    const size_t first = (region->base - kWindow) / kSlotBytes;
    for (size_t i = 0; i < slots_of(region->bytes); ++i)
      table.slots[first + i].store(0, std::memory_order_release);
    kernel_call(SYS_munmap, static_cast<long>(region->base), static_cast<long>(region->bytes));
    const_cast<Region*>(region)->used.store(0, std::memory_order_release);
  }
  record_now(record, nullptr, 0);
}

void set_protection(const Region* region, int protection) {
  const_cast<Region*>(region)->protection.store(protection, std::memory_order_relaxed);
}

void reset_region_lock() {
  table.lock.store(0, std::memory_order_relaxed);
}

}  // namespace gpuvm::agent
