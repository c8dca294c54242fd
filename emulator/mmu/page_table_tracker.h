// Derives page-table traffic from the MMIO accesses of a Fermi trace: which directory and table entries were
// written, what they map, and the TLB flushes that commit them. Rules, columns and limits:
// docs/page-tables.md.
#pragma once

#include <array>
#include <optional>
#include <set>
#include <vector>

#include "emulator/mmu/page_table_records.h"
#include "emulator/mmu/shadow_memory.h"
#include "emulator/mmu/tracked_tables.h"
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
  void finish() { commit_pending(); }

  PageTableCounters counters() const;
  // The chip is known to be no Fermi: nothing is followed.
  bool foreign_chip() const { return foreign_chip_; }
  fermi::Geometry geometry() const { return geometry_; }

  struct Root {
    uint64_t directory = 0;
    RootNames names;
  };
  std::vector<Root> roots() const;
  struct Mapping {
    uint64_t va = 0;
    PageTableLevel level = PageTableLevel::kSmall;
    fermi::Pte pte;
  };
  // Every present entry below a directory, as memory has it now, by virtual address within each directory
  // entry, small pages first. Where both sizes map an address the card takes the small page.
  std::vector<Mapping> mappings(uint64_t directory);

 private:
  static constexpr uint64_t kLearnedFromReadsEnd = 0x101000;
  static constexpr unsigned kBar1Slot = 128, kBar3Slot = 129, kFecsSlot = 130, kSlots = 131;

  struct Register {
    bool known = false;
    uint32_t value = 0;
  };
  // One who names an instance block.
  struct Binding {
    TrackedTable* instance = nullptr;
    TrackedTable* root = nullptr;
  };
  // An entry of a table that is being written in parts.
  struct Pending {
    uint64_t address = ~uint64_t{0};
    uint64_t mask = 0;
    uint64_t old_value = 0;
    uint64_t seq = 0;
    uint64_t time_ns = 0;
  };

  void observe_write(uint64_t seq, const Event& event);
  void observe_read(uint64_t seq, const Event& event);
  void observe_other(uint64_t seq, const Event& event);
  void write_window(unsigned slot, const Register& pointer, const Event& event);
  void write_memory(uint64_t address, unsigned width, uint64_t value);
  void write_word(uint64_t address, uint64_t mask, uint64_t value);
  std::optional<uint64_t> translate(const Register& pointer, uint64_t offset);

  void write_registers(uint64_t offset, unsigned width, uint64_t value);
  void write_register(uint32_t offset, uint32_t value, uint32_t mask);
  Register* register_at(uint32_t offset);
  void set_geometry(uint32_t vm_cfg);
  void flush(uint32_t command);
  void bind(unsigned slot, uint32_t pointer, bool valid);
  void unbind(unsigned slot);
  void resolve(unsigned slot);
  void set_name(TrackedTable* root, unsigned slot, bool on);
  void reset();

  void commit_pending();
  void commit(TrackedTable* table, uint64_t address, uint64_t old_value, uint64_t new_value);
  void entry_changed(TrackedTable* directory, uint32_t index, uint64_t old_value, uint64_t new_value);
  void link(TrackedTable* directory, uint32_t index, TableKind kind, uint64_t address, uint32_t entries);
  void unlink(TrackedTable* directory, uint32_t index, TableKind kind, uint64_t address, uint32_t entries);
  void instance_changed(const TrackedTable* instance);

  // `even_if_empty` false: a directory without entries is not worth following.
  TrackedTable* learn_root(uint64_t directory, unsigned slot, bool even_if_empty);
  void drop_root(TrackedTable* root);
  void drop_if_dead(TrackedTable* root);
  void note_roots_reused_by(const TrackedTable& table, const TrackedTable* spared);
  void drop_reused_roots();
  void drop_all_roots();

  void emit_directory(TrackedTable* root, uint32_t index, uint64_t old_value, uint64_t new_value, bool found);
  void emit_page(const TrackedTable* table, const TrackedTable::Parent& parent, uint32_t index,
                 uint64_t old_value, uint64_t new_value, bool found);
  void emit(PageTableWrite& write, TrackedTable* root);
  void tell(const TrackedTable* root, RootChange::What what);

  PageTableSink* sink_;
  PageTableTrackerOptions options_;
  ShadowMemory memory_;
  TrackedTables tables_;
  fermi::Geometry geometry_;
  bool foreign_chip_ = false;
  Register host_memory_, bar1_, bar3_, vm_cfg_, vm_pd_, fecs_data_;
  std::array<Register, 128> channels_{};
  std::array<Binding, kSlots> bindings_{};
  Pending pending_;
  std::set<uint64_t> reused_;  // directories whose memory has become something else
  uint64_t seq_ = 0;           // of the event at work
  uint64_t time_ns_ = 0;
  PageTableCounters counters_;
};

}  // namespace gpuvm
