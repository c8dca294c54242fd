// Gives what happens to tables out as records, and counts it.
#pragma once

#include "emulator/page_tables/records.h"
#include "emulator/page_tables/tracked_tables.h"

namespace gpuvm {

struct PageTableCounters {
  uint64_t pde_writes = 0;  // records given to the sink, `found` ones included
  uint64_t pte_writes = 0;
  uint64_t tlb_flushes = 0;
  uint64_t found_entries = 0;  // of the writes: stood in memory before their table was known
  uint64_t unchanged = 0;      // of the writes: the value that was there already
  // What could not be followed.
  uint64_t untranslated_writes = 0;  // BAR1 or BAR3 writes with no mapping known from the trace
  uint64_t outside_writes = 0;       // through the windows, but to system memory or beyond VRAM
  uint64_t unknown_values = 0;       // window writes whose value or width the recorder did not get
  uint64_t forgotten_pages = 0;      // memory bound: contents dropped before they could become a table
  uint64_t refused = 0;              // memory bound: tables, references to them or writes not followed
  uint64_t lost_events = 0;          // the trace's own loss marks: what is said after one may be wrong
};

// An event: what is given out carries it.
struct Moment {
  uint64_t seq = 0;
  uint64_t time_ns = 0;
};

class RecordWriter {
 public:
  // `sink` may be null: then it only counts.
  explicit RecordWriter(PageTableSink* sink) : sink_(sink) {}

  // How an entry changed; `found`: it was there before its table was known.
  struct Change {
    uint32_t index = 0;
    uint64_t old_value = 0;
    uint64_t new_value = 0;
    bool found = false;
  };
  void directory_entry(TrackedTable& root, const Change& change, const fermi::Geometry& geometry);
  void page_entry(const TrackedTable& table, const TrackedTable::Parent& parent, const Change& change,
                  const fermi::Geometry& geometry);
  void flush(TlbFlush record);
  void root(const TrackedTable& root, RootChange::What what);

  Moment moment{};  // of the event at work
  PageTableCounters counters{};

 private:
  void entry(PageTableWrite& write, TrackedTable& root, const Change& change);

  PageTableSink* sink_;
};

}  // namespace gpuvm
