// Did the guest see the same machine? What was compared, and what differed.
#include <algorithm>
#include <array>

#include "analysis/divergence.h"
#include "analysis/format.h"
#include "analysis/report/sections.h"
#include "traces/core/printable.h"
#include "traces/regmap/gf100.h"

namespace gpuvm::report {
namespace {

constexpr size_t kMaxDivergenceRows = 12;  // of a mode and virtual machine
constexpr size_t kMaxDivergenceRowsInAll = 120;
constexpr size_t kMaxUnknownRows = 40;

// "12,345" checked and nothing wrong, or how many are.
Element checked_cell(uint64_t checked, uint64_t wrong) {
  Element out("td", wrong > 0 ? "n bad" : checked == 0 ? "n z" : "n");
  out.text(thousands(checked));
  if (wrong > 0) out.text(" ").add(Element("b").text(fmt::format("✕ {}", thousands(wrong))));
  return out;
}

Element verdict_cell(const ModeResult& mode) {
  const bool nothing = mode.reads_checked + mode.dma_writes_checked + mode.digests_checked == 0;
  const char* css_class = !mode.holds()                           ? "tag bad"
                          : nothing || !mode.not_recorded.empty() ? "tag none"
                                                                  : "tag ok";
  const char* word = !mode.holds()                ? "✕ diverges"
                     : !mode.not_recorded.empty() ? "○ counted, not compared"
                     : nothing                    ? "○ nothing compared"
                                                  : "✓ faithful";
  return Element("td").add(Element("span", css_class).text(word));
}

Element summary_table(const ReplayResult& replay) {
  Element top("tr");
  top.add(head("mode")).add(head("verdict")).add(head("reads", "n")).add(head("volatile reads", "n"));
  top.add(head("DMA reads", "n"))
      .add(head("DMA writes", "n"))
      .add(head("interrupts", "n"))
      .add(head("digests", "n"))
      .add(head("oracle checks", "n"));
  Element body("tbody");
  for (const ModeResult& mode : replay.modes) {
    Element row("tr");
    row.add(Element("th").attr("scope", "row").text(mode.mode)).add(verdict_cell(mode));
    row.add(checked_cell(mode.reads_checked, mode.reads_mismatched)).add(number_cell(mode.reads_volatile));
    row.add(checked_cell(mode.dma_reads, mode.dma_reads_mismatched));
    row.add(checked_cell(mode.dma_writes_checked, mode.dma_writes_mismatched));
    row.add(checked_cell(mode.interrupts_checked, mode.interrupts_mismatched));
    row.add(checked_cell(mode.digests_checked, mode.digests_mismatched));
    row.add(checked_cell(mode.oracle_checks, mode.oracle_violations));
    body.add(row);
  }
  return Element("div", "scroll").add(Element("table").add(Element("thead").add(top)).add(body));
}

Element value_cell(const Divergence& d, uint64_t value, bool builtin_map) {
  Element out("td", "mono n");
  out.text(fmt::format("0x{:x}", value));
  if (builtin_map && d.bar == 0 && d.what == "read" && d.offset < gf100::kMappedBytes &&
      value <= UINT32_MAX) {
    out.attr("title", gf100::decode(static_cast<uint32_t>(d.offset), static_cast<uint32_t>(value)));
  }
  return out;
}

Element divergence_row(const Divergence& d, bool several_vms, bool builtin_map) {
  Element row("tr");
  row.add(cell(several_vms ? fmt::format("{}, VM {}", d.mode, d.vm) : d.mode));
  row.add(number_cell(d.seq)).add(cell(name_of(d)));
  row.add(Element("td", "mono where").text(d.register_name.empty() ? place_of(d) : d.register_name));
  row.add(value_cell(d, d.expected, builtin_map)).add(value_cell(d, d.got, builtin_map));
  return row.add(cell(fmt::format("0x{:x}", d.expected ^ d.got), "mono n"));
}

Element divergence_table(const ReplayResult& replay, bool builtin_map) {
  Element top("tr");
  top.add(head("mode")).add(head("event", "n")).add(head("what")).add(head("where"));
  top.add(head("should be", "n")).add(head("is", "n")).add(head("bits", "n"));
  Element body("tbody");
  std::map<std::pair<std::string_view, unsigned>, size_t> shown;
  size_t rows = 0;
  for (const Divergence& d : replay.divergences) {
    if (rows == kMaxDivergenceRowsInAll || ++shown[{d.mode, d.vm}] > kMaxDivergenceRows) continue;
    body.add(divergence_row(d, replay.traces.size() > 1, builtin_map));
    ++rows;
  }
  Element out("div");
  out.add(Element("h3").text("Divergences"));
  std::string caption = "The first of each mode, in the order of the recording.";
  if (rows < replay.divergences.size()) {
    caption +=
        fmt::format(" {} more are in gpuvm replay --json.", thousands(replay.divergences.size() - rows));
  }
  out.add(Element("p", "cap").text(caption));
  return out.add(
      Element("div", "scroll").add(Element("table", "sort").add(Element("thead").add(top)).add(body)));
}

// What the card's shaders did, and what they and the other engines did not.
Element work_note(const ReplayResult& replay) {
  const GpuWork& work = replay.modes.front().work;
  Element out("div");
  if (work.shaders.grids != 0) {
    out.add(
        Element("p", "note")
            .text(fmt::format("The shader cores ran {} grids: {} warps, {} instructions by threads; {} bytes "
                              "of memory read, {} written.",
                              thousands(work.shaders.grids), thousands(work.shaders.warps),
                              thousands(work.shaders.thread_instructions), thousands(work.shaders.bytes_read),
                              thousands(work.shaders.bytes_written))));
  }
  if (work.trapped != 0) {
    out.add(Element("p", "note")
                .text(fmt::format("{} grids were stopped by a trap; the first: {}", thousands(work.trapped),
                                  work.traps.empty() ? "" : printable_text(work.traps.front()))));
  }
  if (work.undone.empty()) return out;
  std::string list;
  size_t shown = 0;
  for (const auto& [what, count] : work.undone) {
    if (shown++ == kMaxUnknownRows) break;
    list += fmt::format("{}{} {} ({})", list.empty() ? "" : ", ", printable_text(what.first),
                        printable_text(what.second), thousands(count));
  }
  return out.add(
      Element("p", "note").text("Work that the driver asked for and this card does not do: " + list));
}

// Registers that the emulator does not know: it answered, and it says so.
Element unknown_note(const ReplayResult& replay) {
  std::map<uint32_t, uint64_t> unknown;
  for (const ModeResult& mode : replay.modes) {
    for (const auto& [offset, count] : mode.unknown_registers)
      unknown[offset] = std::max(unknown[offset], count);
  }
  if (unknown.empty())
    return Element("p", "note")
        .text("Every register that the driver touched is one that the emulator knows.");
  std::string list;
  size_t shown = 0;
  for (const auto& [offset, count] : unknown) {
    if (shown++ == kMaxUnknownRows) break;
    list += fmt::format("{}0x{:06x} ({})", list.empty() ? "" : ", ", offset, thousands(count));
  }
  if (unknown.size() > kMaxUnknownRows)
    list += fmt::format(", and {} more", unknown.size() - kMaxUnknownRows);
  return Element("details")
      .add(Element("summary").text(
          fmt::format("{} registers that the emulator does not know", unknown.size())))
      .add(Element("p", "note mono").text(list));
}

}  // namespace

Element correctness_section(const ReplayResult& replay, bool builtin_map) {
  Element out =
      section("correctness", "Correctness",
              Element("p", "lead")
                  .text("How many things were compared with the recording in each mode. Volatile reads "
                        "follow the clock and are not compared. A digest covers all of video memory "
                        "or all registers; the oracle walks shadow tables independently at every use."));
  out.add(summary_table(replay));
  if (replay.divergences.empty()) {
    out.add(Element("p", "note").text("No divergence."));
  } else {
    out.add(divergence_table(replay, builtin_map));
  }
  if (!replay.modes.empty() && !replay.modes.front().work.empty()) out.add(work_note(replay));
  return out.add(unknown_note(replay));
}

}  // namespace gpuvm::report
