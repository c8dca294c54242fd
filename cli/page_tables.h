// Page-table traffic of a recording, for info and dump.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emulator/page_tables/text.h"
#include "emulator/page_tables/tracker.h"
#include "traces/export/byte_sink.h"
#include "traces/format/gvt.h"

namespace gpuvm::cli {

struct PageTableTraffic {
  struct Phase {
    std::string name;  // "boot" until the first mark
    PageTableCounters counters;
  };
  PageTableCounters total;
  std::vector<Phase> phases;  // those in which there was any, in order; the last may stand for many
};
// Reads whose value says that there is none, see traces/regmap/bad_value.h.
struct BadValueCounts {
  uint64_t all_ones = 0;
  uint64_t bus_errors = 0;
};
// Reads the whole trace; leaves the reader at its end. Empty: the chip is no Fermi. Errors: the trace cannot
// be read.
Result<std::optional<PageTableTraffic>> count_page_table_traffic(TraceReader& reader, BadValueCounts* bad);

// "3 directory and 541 table entries written, 20 TLB flushes"
std::string summary_of(const PageTableCounters& counters);

// Page-table traffic as JSON lines in a file, up to date at every TLB flush.
class PageTableFile : public PageTableSink {
 public:
  // Errors: the file cannot be created.
  static Result<std::unique_ptr<PageTableFile>> create(const std::string& path);
  void on_entry(const PageTableWrite& write) override { add(json_line(write)); }
  void on_flush(const TlbFlush& flush) override;
  void on_root(const RootChange& change) override { add(json_line(change)); }
  // Errors: it could not be written (the disk is full, ...).
  Status close();

 private:
  explicit PageTableFile(std::unique_ptr<ByteSink> sink) : sink_(std::move(sink)) {}
  void add(std::string line);

  std::unique_ptr<ByteSink> sink_;
  Status status_ = Ok{};  // the first error stays
};

struct PageTableDumpOptions {
  std::string trace;
  uint64_t from = 0;              // first event; earlier ones are followed but not shown
  uint64_t count = ~uint64_t{0};  // lines at most
  bool json = false;              // one JSON object a line
};
// gpuvm dump --page-tables; prints and returns the exit status.
int run_dump_page_tables(const PageTableDumpOptions& options);

}  // namespace gpuvm::cli
