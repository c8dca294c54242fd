// Follows page tables while a recording is being written.
#pragma once

#include <memory>

#include "emulator/page_tables/tracker.h"
#include "traces/format/gvt.h"

namespace gpuvm {

// A writer in front of a writer: what passes is written and observed, in that order, so that a record is
// given out only of an event that the trace holds under the same number.
class PageTableTap : public TraceWriter {
 public:
  // `sink` may be null and must outlive the tap.
  PageTableTap(std::unique_ptr<TraceWriter> next, PageTableSink* sink, const DeviceInfo& device)
      : next_(std::move(next)), tracker_(sink, page_table_options(device)) {}

  using EventSink::write;
  Status write(const Event& event, Bytes payload) override {
    const uint64_t seq = next_->events();
    GPUVM_TRY_STATUS(next_->write(event, payload));
    tracker_.observe(seq, event);
    return Ok{};
  }
  Status attach(std::string_view name, Bytes bytes) override { return next_->attach(name, bytes); }
  Status flush() override { return next_->flush(); }
  Status close() override {
    tracker_.finish();
    return next_->close();
  }
  uint64_t events() const override { return next_->events(); }

  PageTableCounters counters() const { return tracker_.counters(); }

 private:
  std::unique_ptr<TraceWriter> next_;
  PageTableTracker tracker_;
};

}  // namespace gpuvm
