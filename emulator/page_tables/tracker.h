// Derives page-table traffic from the MMIO accesses of a Fermi trace: which directory and table entries were
// written, what they map, and the TLB flushes that commit them. Rules, columns and limits:
// docs/page-tables.md.
//
// Three steps, a class each: PageTableTracker makes an event a written register or a written word of VRAM,
// FollowedTables makes a word an entry of a table that is in use, and RecordWriter makes an entry a record.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "emulator/page_tables/followed_tables.h"
#include "traces/event.h"
#include "traces/meta.h"
#include "traces/stream.h"

namespace gpuvm {

struct PageTableTrackerOptions {
  uint32_t boot0 = 0;       // PMC.BOOT_0, 0: unknown until the trace reads it
  bool foreign = false;     // the device is known to be no NVIDIA card: nothing is followed
  uint64_t vram_bytes = 0;  // writes beyond are dropped, as the card does; 0: unknown
  // What a trace can make the tracker hold. Defaults: 32 MiB of written pages, about 16 MiB for tables.
  size_t max_pages = 8192;
  size_t max_tables = 2048;
};

PageTableTrackerOptions page_table_options(const DeviceInfo& device);

class PageTableTracker {
 public:
  // `sink` may be null (counters only) and must outlive the tracker.
  explicit PageTableTracker(PageTableSink* sink, const PageTableTrackerOptions& options = {});

  // Events in order. Payloads mean nothing here.
  void observe(uint64_t seq, const Event& event) {
    if (event.kind == EventKind::kMmioWrite) {
      observe_write(seq, event);
    } else if (event.kind != EventKind::kMmioRead) {
      observe_other(seq, event);
    } else if (event.space == 0 && event.address < kLearnedFromReadsEnd) {
      observe_read(seq, event);
    }
  }
  void observe(const EventBatch& batch) {
    uint64_t seq = batch.first_seq;
    for (const Event& event : batch.events) observe(seq++, event);
  }
  // Gives out an entry of which only a part was written so far. Call it at the end of the trace.
  void finish() { tables_.commit_pending(); }

  PageTableCounters counters() const { return tables_.counters(); }
  // The chip is known to be no Fermi: nothing is followed.
  bool foreign_chip() const { return foreign_chip_; }
  fermi::Geometry geometry() const { return tables_.geometry(); }

  using Root = FollowedTables::Root;
  std::vector<Root> roots() const { return tables_.roots(); }
  using Mapping = FollowedTables::Mapping;
  // Every present entry below a directory, as memory has it now, by virtual address within each directory
  // entry, small pages first. Where both sizes map an address the card takes the small page.
  std::vector<Mapping> mappings(uint64_t directory) { return tables_.mappings(directory); }

 private:
  static constexpr uint64_t kLearnedFromReadsEnd = 0x101000;
  static constexpr unsigned kChannels = 128;

  // Where the values of the registers that matter are kept; a channel's at kFirstChannel + its number.
  enum Place : unsigned {
    kHostMemory,
    kBar1,
    kBar3,
    kVmCfg,
    kVmPd,
    kFecsData,
    kFirstChannel,
    kNotKept = ~0u
  };
  struct Value {
    bool known = false;
    uint32_t bits = 0;
  };
  struct Row;
  static const Row kRows[];
  static const Row* row_at(uint64_t offset, unsigned& index);

  void observe_write(uint64_t seq, const Event& event);
  void observe_read(uint64_t seq, const Event& event);
  void observe_other(uint64_t seq, const Event& event);
  void write_window(Place pointer, const Event& event);
  void write_memory(uint64_t address, unsigned width, uint64_t value);
  std::optional<uint64_t> translate(const Value& pointer, uint64_t offset);

  void write_registers(uint64_t offset, unsigned width, uint64_t value);
  void write_register(uint64_t offset, uint32_t value, uint32_t mask);
  // What a register's new value means; `index`: of a channel.
  void bar1_written(unsigned index, uint32_t value);
  void bar3_written(unsigned index, uint32_t value);
  void channel_written(unsigned index, uint32_t value);
  void vm_cfg_written(unsigned index, uint32_t value);
  void flush_written(unsigned index, uint32_t value);
  void fecs_command_written(unsigned index, uint32_t value);
  void reset();

  PageTableTrackerOptions options_;
  FollowedTables tables_;
  bool foreign_chip_ = false;
  std::array<Value, kFirstChannel + kChannels> values_{};
};

}  // namespace gpuvm
