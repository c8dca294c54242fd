// The lines of `gpuvm dump --page-tables`. Nothing in them comes from the trace but numbers: no escaping is
// needed.
#include <fmt/format.h>

#include "emulator/page_tables/text.h"

namespace gpuvm {
namespace {

std::string size_name(uint64_t bytes) {
  return bytes >= uint64_t{1} << 20 ? fmt::format("{}M", bytes >> 20) : fmt::format("{}K", bytes >> 10);
}

std::string row(uint64_t seq, uint64_t time_ns, uint64_t root, const RootNames& names, const char* what) {
  return fmt::format("{:>10} {:>13.6f}  {:#012x} {:<16} {:<9}", seq, static_cast<double>(time_ns) / 1e9, root,
                     describe(names), what);
}

const char* change_name(RootChange::What what) {
  switch (what) {
    case RootChange::What::kNamed:
      return "named";
    case RootChange::What::kUnnamed:
      return "unnamed";
    case RootChange::What::kForgotten:
      return "forgotten";
  }
  return "";
}

std::string head(uint64_t seq, uint64_t time_ns, const char* kind) {
  return fmt::format(R"({{"seq":{},"time_us":{:.3f},"kind":"{}")", seq, static_cast<double>(time_ns) / 1e3,
                     kind);
}

std::string names_json(const RootNames& names) {
  std::string text;
  const auto add = [&](std::string_view name) {
    text += fmt::format(R"({}"{}")", text.empty() ? "" : ",", name);
  };
  if (names.bar1) add("BAR1");
  if (names.bar3) add("BAR3");
  for (size_t id = 0; id < names.channels.size(); ++id) {
    if (names.channels[id]) add(fmt::format("channel {}", id));
  }
  if (names.fecs) add("FECS");
  if (names.flush) add("flush");
  return "[" + text + "]";
}

std::string table_json(const char* name, unsigned target, uint64_t address) {
  if (target == 0) return "";
  const char* where = target == 1 ? "VRAM" : target == 2 ? "system" : "system no-snoop";
  return fmt::format(R"(,"{}_table":"{:#x}","{}_aperture":"{}")", name, address, name, where);
}

std::string target_json(const PageTableWrite& write) {
  if (write.level == PageTableLevel::kDirectory) {
    const fermi::Pde pde = write.pde();
    std::string text = table_json("large", pde.large_target(), pde.large_address());
    if (pde.large_target() != 0) text += fmt::format(R"(,"large_entries":{})", pde.large_entries());
    return text + table_json("small", pde.small_target(), pde.small_address());
  }
  const fermi::Pte pte = write.pte();
  if (!pte.present()) return "";
  return fmt::format(
      R"(,"target":"{:#x}","aperture":"{}","read_only":{},"privileged":{},"storage":"{:#04x}")",
      pte.address(), aperture_name(pte.aperture()), pte.read_only(), pte.privileged(), pte.kind());
}

}  // namespace

std::string text_heading() {
  return fmt::format("{:>10} {:>13}  {:<12} {:<16} {:<9}  {:<12} {:>5}  {:<20} {}", "seq", "time (s)", "root",
                     "named by", "what", "va", "size", "entry", "old -> new");
}

std::string text_line(const PageTableWrite& write) {
  return row(write.seq, write.time_ns, write.root, write.names, level_name(write.level)) +
         fmt::format("  {:#012x} {:>5}  {:<20} {} -> {}{}", write.va, size_name(write.span),
                     fmt::format("{:#x}[{}]", write.table, write.index),
                     write.found ? "?" : describe_value(write.level, write.old_value),
                     describe_value(write.level, write.new_value), write.changed() ? "" : " (the same)");
}

std::string text_line(const TlbFlush& flush) {
  return row(flush.seq, flush.time_ns, flush.root, flush.names, "flush") +
         fmt::format(
             "  {}, {}{} changed", describe_scope(flush.scope),
             flush.root_known ? "" : "directory not known, ",
             flush.entries_changed == 1 ? "1 entry" : fmt::format("{} entries", flush.entries_changed));
}

std::string text_line(const RootChange& change) {
  std::string text = row(change.seq, change.time_ns, change.root, change.names, change_name(change.what));
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

std::string json_line(const PageTableWrite& write) {
  const bool directory = write.level == PageTableLevel::kDirectory;
  std::string text = head(write.seq, write.time_ns, directory ? "pde_write" : "pte_write");
  text += fmt::format(R"(,"root":"{:#x}","named_by":{})", write.root, names_json(write.names));
  if (!directory)
    text += fmt::format(R"(,"level":"{}")", write.level == PageTableLevel::kSmall ? "small" : "large");
  text += fmt::format(R"(,"va":"{:#x}","size":{},"table":"{:#x}","index":{},"found":{})", write.va,
                      write.span, write.table, write.index, write.found);
  if (!write.found) text += fmt::format(R"(,"old":"{:#018x}")", write.old_value);
  text += fmt::format(R"(,"new":"{:#018x}","present":{})", write.new_value, write.present());
  return text + target_json(write) + "}";
}

std::string json_line(const TlbFlush& flush) {
  std::string text = head(flush.seq, flush.time_ns, "tlb_flush");
  if (flush.root_known && !flush.all_roots) {
    text += fmt::format(R"(,"root":"{:#x}","aperture":"{}","named_by":{})", flush.root,
                        aperture_name(flush.aperture), names_json(flush.names));
  }
  return text + fmt::format(R"(,"all_roots":{},"scope":{},"entries_changed":{}}})", flush.all_roots,
                            flush.scope, flush.entries_changed);
}

std::string json_line(const RootChange& change) {
  return head(change.seq, change.time_ns, fmt::format("root_{}", change_name(change.what)).c_str()) +
         fmt::format(R"(,"root":"{:#x}","named_by":{}}})", change.root, names_json(change.names));
}

}  // namespace gpuvm
