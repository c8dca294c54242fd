// Any accesses at all, close together in a small memory so that tables overlap, name each other and map
// themselves. What the tracker's records add up to must be what it finds in memory at the end, whatever the
// order of events. An operation is an event.
#include <cstdio>
#include <cstdlib>

#include "emulator/page_tables/text.h"
#include "tests/support/operation_cost.h"
#include "tests/support/operation_count.h"
#include "tests/support/page_table_model.h"

namespace {

using namespace gpuvm;

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), end_(data + size) {}
  bool empty() const { return data_ == end_; }
  uint8_t byte() { return empty() ? 0 : *data_++; }
  uint64_t bytes(unsigned count) {
    uint64_t value = 0;
    for (unsigned i = 0; i < count; ++i) value |= uint64_t{byte()} << (8 * i);
    return value;
  }

 private:
  const uint8_t* data_;
  const uint8_t* end_;
};

// A word among those where something stands: the first ones, an instance block's directory and limit, the
// last.
uint64_t place(Input& in) {
  const uint8_t choice = in.byte();
  const uint64_t page = choice & 0x1f;
  constexpr uint64_t kWords[] = {0, 8, 16, 0x200, 0x208, 0x400, 0xff8, 0};
  return page * 4096 + (choice >> 5 == 7 ? in.byte() * 16 : kWords[choice >> 5]);
}

// An entry that names a page of the small memory, or anything.
uint64_t value(Input& in) {
  const uint8_t choice = in.byte();
  const uint64_t page = in.byte() & 0x1f;
  switch (choice & 7) {
    case 0:
      return 0;
    case 1:
      return (page << 36) | (uint64_t{1} << 32);  // small table
    case 2:
      return (page << 4) | 1 | (choice & 0x18u) >> 1;  // large table, or page
    case 3:
      return (page << 36) | (uint64_t{1} << 32) | ((page ^ (choice >> 3)) << 4) | 1;  // both
    case 4:
      return page << 12;  // directory
    case 5:
      return in.bytes(8);
    case 6:
      return fermi::kVaMask;
    default:
      return (page << 4) | 1;
  }
}

uint32_t pointer(Input& in) {
  const uint8_t choice = in.byte();
  return (choice & 0x80 ? 0 : 0x80000000) | (choice & 0x40 ? 1u << 28 : 0) | (choice & 0x1f);
}

Event write(unsigned bar, uint64_t address, unsigned width, uint64_t value) {
  return {.address = address,
          .value = value,
          .kind = EventKind::kMmioWrite,
          .space = static_cast<uint8_t>(bar),
          .width = static_cast<uint8_t>(width)};
}

Event next_event(Input& in) {
  constexpr uint8_t kWidths[] = {4, 8, 4, 8, 1, 2, 4, 3};
  const uint8_t op = in.byte();
  const unsigned width = kWidths[op >> 5];
  switch (op & 0x1f) {
    case 0:
      return write(0, 0x1700, 4, in.byte() & 1 ? in.bytes(4) : 0);
    case 1:
      return write(0, 0x1704, 4, pointer(in));
    case 2:
      return write(0, 0x1714, 4, pointer(in));
    case 3:
    case 4:
      return write(0, 0x3000 + 8 * (in.byte() & 0x7f), 4, pointer(in));
    case 5:
      return write(0, 0x409500, 4, pointer(in));
    case 6:
      return write(0, 0x409504, 4, in.byte());
    case 7:
    case 8:
      return write(0, 0x100cb8, 4, (in.byte() & 0x3f) << 4);
    case 9:
    case 10:
      return write(0, 0x100cbc, 4, 0x80000000 | in.byte());
    case 11:
      return write(0, 0x100c80, 4, in.byte());
    case 12:
      return {.kind = EventKind::kReset};
    case 13:
      return {.value = in.byte(), .kind = EventKind::kLoss};
    case 14:
      return {.address = in.bytes(4), .value = in.bytes(4), .kind = EventKind::kMmioRead, .width = 4};
    case 15: {
      Event e = write(in.byte() & 7, in.bytes(5), in.byte() & 15, in.bytes(8));
      e.flags = in.byte();
      return e;
    }
    case 16:
    case 17:
    case 18: {
      const uint64_t at = place(in) + (op & 1 ? in.byte() & 7 : 0);
      return write(3, at, width, value(in));
    }
    case 19:
    case 20: {
      const uint64_t at = place(in);
      return write(1, at, width, value(in));
    }
    case 21:
    case 22: {  // the high half
      const uint64_t at = place(in) + 4;
      return write(0, 0x700000 + at, 4, value(in) >> 32);
    }
    default: {
      const uint64_t at = place(in);
      return write(0, 0x700000 + at, width, value(in));
    }
  }
}

void check(PageTableTracker& tracker, const testing::RecordModel& model) {
  const PageTableCounters c = tracker.counters();
  if (c.refused != 0 || c.forgotten_pages != 0) return;  // then it is not expected to know everything
  for (const auto& root : tracker.roots()) {
    if (testing::as_set(tracker.mappings(root.directory)) == model.mapped(root.directory)) continue;
    std::fprintf(stderr, "the records of root %#llx are not what its tables say\n",
                 static_cast<unsigned long long>(root.directory));
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in(data, size);
  const uint8_t setup = in.byte();
  testing::RecordModel model;
  PageTableTrackerOptions options;
  if (setup & 1) options.max_pages = 8;
  if (setup & 2) options.max_tables = 4;
  if (setup & 4) options.vram_bytes = 1 << 20;
  PageTableTracker tracker(&model, options);
  tracker.observe(0, {.kind = EventKind::kReset});
  // An empty BAR3 directory and an instance block for it, so that little is needed to get somewhere.
  tracker.observe(0, write(0, 0x700000 + 0x1200, 8, 0x2000));
  tracker.observe(0, write(0, 0x700000 + 0x1208, 8, fermi::kVaMask));
  uint64_t seq = 0;
  while (!in.empty() && model.records < 200'000) {
    const Event event = next_event(in);
    const test::OperationCost cost;
    tracker.observe(++seq, event);
    cost.require_within(test::kOneOperation);
  }
  test::OperationCount::add(seq);
  tracker.finish();
  check(tracker, model);
  return 0;
}
