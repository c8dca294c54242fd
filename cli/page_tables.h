// Page-table traffic of a recording, for info and dump.
#pragma once

#include <optional>

#include "emulator/mmu/page_table_tracker.h"
#include "traces/format/gvt.h"

namespace gpuvm::cli {

PageTableTrackerOptions tracker_options(const TraceMeta& meta);

// Reads the whole trace. Empty: the chip is no Fermi. Errors: the trace cannot be read.
Result<std::optional<PageTableCounters>> count_page_table_traffic(TraceReader& reader);

struct PageTableDumpOptions {
  std::string trace;
  uint64_t from = 0;            // first event; earlier ones are followed but not shown
  uint64_t count = ~uint64_t{0};  // lines at most
  bool json = false;            // one JSON object a line
};
// gpuvm dump --page-tables; prints and returns the exit status.
int run_dump_page_tables(const PageTableDumpOptions& options);

}  // namespace gpuvm::cli
