// Traps by mode and aperture, by phase, and the shadow work behind them.
#include <algorithm>
#include <array>
#include <cmath>

#include "analysis/format.h"
#include "analysis/report/charts.h"
#include "analysis/report/sections.h"

namespace gpuvm::report {
namespace {

constexpr size_t kMaxPhaseRows = 24;

struct BarColumn {
  unsigned bar;
  const char* name;
  const char* fill;
  const char* key;
};
constexpr std::array<BarColumn, 4> kBars{{{0, "BAR0", "f0", "n part key k0"},
                                          {1, "BAR1", "f1", "n part key k1"},
                                          {3, "BAR3", "f3", "n part key k3"},
                                          {4, "BAR4", "f4", "n part key k4"}}};

uint64_t most_traps(const ReplayResult& replay) {
  uint64_t most = 0;
  for (const ModeResult& mode : replay.modes) most = std::max(most, mode.traps.total());
  return most;
}

bool uses_bar(const ReplayResult& replay, unsigned bar) {
  return std::ranges::any_of(replay.modes, [&](const ModeResult& m) { return m.traps.bar[bar] > 0; });
}

Element mode_head(const ModeResult& mode) {
  Element out("th");
  out.attr("scope", "row").text(mode.mode);
  const std::string_view summary = mode_summary(mode.mode);
  if (!summary.empty()) out.add(Element("small").text(summary));
  return out;
}

std::vector<Segment> segments_of(const ModeResult& mode) {
  std::vector<Segment> segments;
  for (const BarColumn& column : kBars) {
    const uint64_t value = mode.traps.bar[column.bar];
    segments.push_back({value, column.fill,
                        fmt::format("{}, {}: {} traps, {} of the mode's", mode.mode, column.name,
                                    thousands(value), percent(value, mode.traps.total()))});
  }
  return segments;
}

Element log_axis(double top) {
  Element axis("div", "axis vb");
  for (double value = 1; value <= top * 1.001; value *= 10)
    axis.add(Element("span").text(short_count(static_cast<uint64_t>(value))));
  return axis;
}

Element traps_lead(const ReplayResult& replay) {
  Element lead("p", "lead");
  const ModeResult* naive = find_mode(replay, Mode::kNaive);
  const ModeResult* best = nullptr;
  for (const ModeResult& mode : replay.modes) {
    if (mode.traps.total() > 0 && (best == nullptr || mode.traps.total() < best->traps.total())) best = &mode;
  }
  if (naive && best && best != naive && best->traps.total() < naive->traps.total()) {
    const double ratio = static_cast<double>(naive->traps.total()) / static_cast<double>(best->traps.total());
    lead.text("Trapping everything costs ")
        .add(Element("b").text(thousands(naive->traps.total())))
        .text(" exits. The fewest are taken by ")
        .add(Element("b").text(best->mode))
        .text(", ")
        .add(Element("b").text(fmt::format("{:.1f} times fewer", ratio)))
        .text(": page tables written through BAR3 no longer leave the guest.");
    if (best->traps.bar[3] >= naive->traps.bar[3]) {
      lead = Element("p", "lead")
                 .text("The fewest exits are taken by ")
                 .add(Element("b").text(best->mode))
                 .text(".");
    }
  } else {
    lead.text("How often the guest leaves to the hypervisor, by the aperture that it touched.");
  }
  return lead;
}

// One row per virtual machine, if there are several.
Element vm_table(const ReplayResult& replay) {
  Element table("table");
  Element row("tr");
  row.add(head("mode"));
  const size_t vms = replay.modes.front().vms.size();
  for (size_t vm = 0; vm < vms; ++vm) row.add(head(fmt::format("VM {}", vm), "n"));
  table.add(Element("thead").add(row));
  Element body("tbody");
  for (const ModeResult& mode : replay.modes) {
    Element line("tr");
    line.add(Element("th").attr("scope", "row").text(mode.mode));
    for (const ModeResult& vm : mode.vms) line.add(number_cell(vm.traps.total()));
    body.add(line);
  }
  return Element("div", "scroll").add(table.add(body));
}

struct PhaseRow {
  std::string name;
  uint64_t duration_ns = 0;
  std::vector<uint64_t> traps;  // by mode
};

// Phases by their place in the recording; every mode replays the same marks.
std::vector<PhaseRow> phase_rows(const ReplayResult& replay) {
  std::vector<PhaseRow> rows;
  for (size_t m = 0; m < replay.modes.size(); ++m) {
    const auto& phases = replay.modes[m].phases;
    for (size_t i = 0; i < phases.size(); ++i) {
      if (i >= rows.size())
        rows.push_back({phases[i].name, phases[i].duration_ns, std::vector<uint64_t>(replay.modes.size())});
      rows[i].traps[m] = phases[i].traps.total();
    }
  }
  return rows;
}

// Spread between the smallest and the largest cell, logarithmically: phases differ by orders of magnitude.
std::string heat_class(uint64_t value, uint64_t least, uint64_t most) {
  if (value == 0) return "n z";
  if (least >= most) return "n h4";
  const double share = std::log(static_cast<double>(value) / static_cast<double>(least)) /
                       std::log(static_cast<double>(most) / static_cast<double>(least));
  return fmt::format("n h{}", std::clamp(1 + static_cast<int>(std::lround(share * 6)), 1, 7));
}

Element scaled_bar(uint64_t value, uint64_t most, const char* fill, std::string_view tip) {
  return Element("td", "grow2")
      .add(stacked_bar({{value, fill, std::string(tip)}}, std::max<uint64_t>(most, 1), tip));
}

}  // namespace

Element traps_section(const ReplayResult& replay, DataStyle& style) {
  Element out = section("traps", "What traps", traps_lead(replay));
  if (replay.modes.empty()) return out;
  const uint64_t most = most_traps(replay);
  const double top = decade_above(static_cast<double>(most));
  Element top_row("tr");
  top_row.add(head("mode"));
  top_row.add(
      Element("th", "grow").attr("scope", "col").add(Element("span", "va").text("traps")).add(log_axis(top)));
  for (const BarColumn& column : kBars) {
    if (!uses_bar(replay, column.bar)) continue;
    top_row.add(Element("th", "n part")
                    .attr("scope", "col")
                    .add(Element("span", std::string_view(column.key).substr(7)).text(column.name)));
  }
  Element legend("p", "legend");
  for (const BarColumn& column : kBars) {
    if (uses_bar(replay, column.bar))
      legend.add(Element("span", std::string_view(column.key).substr(7)).text(column.name));
  }
  top_row.add(Element("th", "n").attr("scope", "col").add(Element("span", "key kt").text("total")));
  top_row.add(head("of accesses", "n part"));
  Element body("tbody");
  for (const ModeResult& mode : replay.modes) {
    std::vector<Segment> segments = segments_of(mode);
    const std::string label = fmt::format("{}: {} traps", mode.mode, thousands(mode.traps.total()));
    Element chart("td", "grow");
    Element linear("div", "va");
    linear.add(stacked_bar(segments, std::max<uint64_t>(most, 1), label));
    segments.push_back({mode.traps.total(), "ft",
                        fmt::format("{}: {} traps in all", mode.mode, thousands(mode.traps.total()))});
    Element logarithmic("div", "vb");
    logarithmic.add(log_dots(segments, top, label));
    chart.add(linear).add(logarithmic);
    Element row("tr");
    row.add(mode_head(mode)).add(chart);
    for (const BarColumn& column : kBars) {
      if (uses_bar(replay, column.bar)) row.add(number_cell(mode.traps.bar[column.bar], "n part"));
    }
    row.add(number_cell(mode.traps.total(), "n t"));
    row.add(cell(percent(mode.traps.total(), mode.accesses.total()), "n part"));
    body.add(row);
  }
  Element panel("div", "scroll traps");
  panel.add(legend).add(Element("table").add(Element("thead").add(top_row)).add(body));
  out.add(switched("linear", "logarithmic", panel, style));
  if (replay.modes.front().vms.size() > 1)
    out.add(Element("h3").text("By virtual machine")).add(vm_table(replay));
  return out;
}

// What the shader cores did in each phase in which they did something. Every mode runs the same grids.
Element shaders_table(const ReplayResult& replay) {
  Element body("tbody");
  size_t rows = 0;
  for (const PhaseResult& phase : replay.modes.front().phases) {
    if (phase.shaders.grids == 0 || rows++ >= kMaxPhaseRows) continue;
    Element row("tr");
    row.add(Element("th").attr("scope", "row").text(phase.name));
    for (const uint64_t count : {phase.shaders.grids, phase.shaders.warps, phase.shaders.thread_instructions,
                                 phase.shaders.bytes_read, phase.shaders.bytes_written})
      row.add(number_cell(count, "n"));
    body.add(row);
  }
  Element out("div");
  if (rows == 0) return out;
  Element top("tr");
  top.add(head("phase"));
  for (const char* name : {"grids", "warps", "instructions by threads", "bytes read", "bytes written"})
    top.add(head(name, "n"));
  out.add(Element("h3").text("What the shader cores did"));
  return out.add(Element("div", "scroll").add(Element("table").add(Element("thead").add(top)).add(body)));
}

Element phases_section(const ReplayResult& replay) {
  Element out = section("phases", "When it traps",
                        Element("p", "lead")
                            .text("Traps in each phase of the workload, as its own marks divide it. The "
                                  "darker the cell, the more traps, on a logarithmic scale."));
  const std::vector<PhaseRow> rows = phase_rows(replay);
  uint64_t least = ~uint64_t{0}, most = 0;
  for (const PhaseRow& row : rows) {
    for (const uint64_t traps : row.traps) {
      most = std::max(most, traps);
      if (traps > 0) least = std::min(least, traps);
    }
  }
  Element top("tr");
  top.add(head("phase")).add(head("lasted", "n"));
  for (const ModeResult& mode : replay.modes) top.add(head(mode.mode, "n"));
  Element body("tbody");
  for (size_t i = 0; i < std::min(rows.size(), kMaxPhaseRows); ++i) {
    Element row("tr");
    row.add(Element("th").attr("scope", "row").text(rows[i].name));
    row.add(cell(time_text(static_cast<double>(rows[i].duration_ns) / 1000), "n"));
    for (const uint64_t traps : rows[i].traps) {
      row.add(Element("td", heat_class(traps, least, most)).text(thousands(traps)));
    }
    body.add(row);
  }
  out.add(Element("div", "scroll").add(Element("table", "heat").add(Element("thead").add(top)).add(body)));
  if (rows.size() > kMaxPhaseRows) {
    out.add(Element("p", "note")
                .text(fmt::format("{} further phases are not shown.", rows.size() - kMaxPhaseRows)));
  }
  out.add(shaders_table(replay));
  return out;
}

Element shadow_section(const ReplayResult& replay) {
  Element out = section("shadow", "Shadow work",
                        Element("p", "lead")
                            .text("What the hypervisor does to keep its own page tables in step with the "
                                  "guest's: a rebuild reads guest entries and writes shadow entries. "
                                  "Para-virtual modes write the real tables by hypercall instead."));
  uint64_t most_scanned = 0, most_written = 0;
  for (const ModeResult& mode : replay.modes) {
    most_scanned = std::max(most_scanned, mode.shadow.entries_scanned);
    most_written = std::max(most_written, mode.shadow.entries_written);
  }
  Element top("tr");
  top.add(head("mode")).add(head("TLB flushes", "n")).add(head("rebuilds", "n"));
  top.add(head("entries scanned", "grow2"))
      .add(head("", "n"))
      .add(head("entries written", "n"))
      .add(head("hypercalls", "n"));
  Element body("tbody");
  for (const ModeResult& mode : replay.modes) {
    Element row("tr");
    row.add(Element("th").attr("scope", "row").text(mode.mode));
    row.add(number_cell(mode.tlb_flushes)).add(number_cell(mode.shadow.rebuilds));
    row.add(
        scaled_bar(mode.shadow.entries_scanned, most_scanned, "f0b",
                   fmt::format("{}: {} entries scanned", mode.mode, thousands(mode.shadow.entries_scanned))));
    row.add(number_cell(mode.shadow.entries_scanned)).add(number_cell(mode.shadow.entries_written));
    std::string operations;
    for (const auto& [operation, count] : mode.hypercalls) {
      operations += fmt::format("{}{} {}", operations.empty() ? "" : ", ", operation, thousands(count));
    }
    Element calls = number_cell(hypercalls_of(mode));
    if (!operations.empty()) calls.attr("title", operations);
    row.add(calls);
    body.add(row);
  }
  return out.add(Element("div", "scroll").add(Element("table").add(Element("thead").add(top)).add(body)));
}

}  // namespace gpuvm::report
