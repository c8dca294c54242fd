// Which tables a trace has put into use, and what a changed word of one means for the entries and mappings
// below it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "emulator/page_tables/record_writer.h"
#include "emulator/page_tables/shadow_memory.h"
#include "emulator/page_tables/tracked_tables.h"

namespace gpuvm {

class FollowedTables {
 public:
  FollowedTables(PageTableSink* sink, size_t max_pages, size_t max_tables)
      : records_(sink), memory_(max_pages), tables_(memory_, max_tables) {}

  // The event that the calls below come from.
  void set_moment(uint64_t seq, uint64_t time_ns) { records_.moment = {seq, time_ns}; }
  // Stores the bits of `mask` of the 8-byte word at `address`. Entries may be written in parts: one is given
  // out when it is whole, or when something else happens.
  void write_word(uint64_t address, uint64_t mask, uint64_t value);
  void commit_pending();
  // `holder` names the instance block of `pointer`, or none if that is not valid.
  void bind(Holder holder, uint32_t pointer);
  // Another size of large pages: every table means something else now.
  void set_geometry(const fermi::Geometry& geometry);
  // `scope`: PFFB.VM_FLUSH without its trigger. `directory`: PFFB.VM_PD, if the trace has written it.
  void flush(uint32_t scope, std::optional<uint32_t> directory);
  // Nothing is bound and no table in use; memory stays.
  void reset();

  struct Walked {
    fermi::Pte pte;
    unsigned shift = fermi::kSmallShift;
  };
  // What maps an address in the space of the instance block of `pointer`, as memory has it now.
  Walked walk(uint32_t pointer, uint64_t va);

  const fermi::Geometry& geometry() const { return geometry_; }
  PageTableCounters counters() const;
  // For what the caller could not follow.
  PageTableCounters& count() { return records_.counters; }

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
  std::vector<Mapping> mappings(uint64_t directory);

 private:
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
    Moment moment;
  };

  void commit(TrackedTable* table, uint64_t address, uint64_t old_value, uint64_t new_value);
  void entry_changed(TrackedTable* directory, const RecordWriter::Change& change);
  void link(TrackedTable* directory, uint32_t index, TableKind kind, uint64_t address, uint32_t entries);
  void unlink(TrackedTable* directory, uint32_t index, TableKind kind, uint64_t address, uint32_t entries);

  void unbind(Holder holder, Binding& binding);
  void resolve(Holder holder, Binding& binding);
  void leave_root(Holder holder, Binding& binding);
  void set_name(TrackedTable* root, Holder holder, bool on);

  // `even_if_empty` false: a directory without entries is not worth following.
  TrackedTable* learn_root(uint64_t directory, Holder holder, bool even_if_empty);
  void drop_root(TrackedTable* root);
  void drop_if_dead(TrackedTable* root);
  void drop_all_roots();
  // Memory that now holds `table` is no longer a directory, unless somebody still uses it as one.
  // They go at the end of the step at work: until then an entry may be committed in one table and not yet in
  // another.
  void note_roots_reused_by(const TrackedTable& table, const TrackedTable* spared);
  void drop_reused_roots();

  RecordWriter records_;
  ShadowMemory memory_;
  TrackedTables tables_;
  fermi::Geometry geometry_;
  std::map<Holder, Binding> bindings_;
  Pending pending_;
  std::set<uint64_t> reused_;  // directories whose memory has become something else
};

}  // namespace gpuvm
