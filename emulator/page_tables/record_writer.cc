#include "emulator/page_tables/record_writer.h"

namespace gpuvm {

void RecordWriter::directory_entry(TrackedTable& root, const Change& change,
                                   const fermi::Geometry& geometry) {
  PageTableWrite write{.level = PageTableLevel::kDirectory};
  write.va = uint64_t{change.index} << geometry.span_shift();
  write.span = geometry.span();
  write.table = root.address;
  ++counters.pde_writes;
  entry(write, root, change);
}

void RecordWriter::page_entry(const TrackedTable& table, const TrackedTable::Parent& parent,
                              const Change& change, const fermi::Geometry& geometry) {
  const bool small = table.kind == TableKind::kSmall;
  const unsigned shift = small ? fermi::kSmallShift : geometry.large_shift;
  PageTableWrite write{.level = small ? PageTableLevel::kSmall : PageTableLevel::kLarge};
  write.va = (uint64_t{parent.index} << geometry.span_shift()) + (uint64_t{change.index} << shift);
  write.span = uint64_t{1} << shift;
  write.table = table.address;
  ++counters.pte_writes;
  entry(write, *parent.directory, change);
}

void RecordWriter::entry(PageTableWrite& write, TrackedTable& root, const Change& change) {
  write.seq = moment.seq;
  write.time_ns = moment.time_ns;
  write.root = root.address;
  write.names = root.names;
  write.index = change.index;
  write.old_value = change.old_value;
  write.new_value = change.new_value;
  write.found = change.found;
  ++(write.changed() ? root.changed : counters.unchanged);
  if (write.found) ++counters.found_entries;
  if (sink_ != nullptr) sink_->on_entry(write);
}

void RecordWriter::flush(TlbFlush record) {
  record.seq = moment.seq;
  record.time_ns = moment.time_ns;
  ++counters.tlb_flushes;
  if (sink_ != nullptr) sink_->on_flush(record);
}

void RecordWriter::root(const TrackedTable& root, RootChange::What what) {
  if (sink_ != nullptr) sink_->on_root({moment.seq, moment.time_ns, root.address, what, root.names});
}

}  // namespace gpuvm
