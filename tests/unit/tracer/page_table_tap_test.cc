#include "tracer/recorder/page_table_tap.h"

#include <gtest/gtest.h>

namespace gpuvm {
namespace {

// Fails from the third event on, as on a full disk.
class FullDisk : public TraceWriter {
 public:
  explicit FullDisk(std::vector<Event>& seen) : seen_(seen) {}
  Status write(const Event& event, Bytes) override {
    if (seen_.size() == 2) return error("disk full");
    seen_.push_back(event);
    return Ok{};
  }
  Status attach(std::string_view, Bytes) override { return Ok{}; }
  Status flush() override { return Ok{}; }
  Status close() override { return Ok{}; }
  uint64_t events() const override { return seen_.size(); }

 private:
  std::vector<Event>& seen_;
};

struct Flushes : PageTableSink {
  void on_entry(const PageTableWrite&) override {}
  void on_flush(const TlbFlush& flush) override { seqs.push_back(flush.seq); }
  std::vector<uint64_t> seqs;
};

TEST(PageTableTap, TellsOfWhatTheTraceHolds) {
  std::vector<Event> written;
  Flushes flushes;
  PageTableTap tap(std::make_unique<FullDisk>(written), &flushes, DeviceInfo{});
  const Event flush{.address = 0x100cbc, .value = 0x80000001, .kind = EventKind::kMmioWrite, .width = 4};
  EXPECT_TRUE(tap.write({.kind = EventKind::kReset}, {}).ok());
  EXPECT_TRUE(tap.write(flush, {}).ok());
  EXPECT_FALSE(tap.write(flush, {}).ok());
  EXPECT_EQ(written.size(), 2u);
  EXPECT_EQ(flushes.seqs, std::vector<uint64_t>{1});
  EXPECT_EQ(tap.counters().tlb_flushes, 1u);
  EXPECT_EQ(tap.events(), 2u);
}

}  // namespace
}  // namespace gpuvm
