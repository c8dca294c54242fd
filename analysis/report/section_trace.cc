// What the driver did, from the recording alone: accesses over the run, busiest registers, units, gaps.
#include <algorithm>
#include <array>
#include <cmath>

#include "analysis/format.h"
#include "analysis/report/charts.h"
#include "analysis/report/sections.h"

namespace gpuvm::report {
namespace {

constexpr size_t kMaxRegisterRows = 40;
constexpr size_t kMaxBadPlaces = 8;
constexpr size_t kMaxUnitRows = 16;
constexpr size_t kMaxBands = 60;
constexpr size_t kMaxCallSiteRows = 20;

struct LaneLook {
  Lane lane;
  const char* name;
  const char* fill;
  const char* key;
};
constexpr std::array<LaneLook, 7> kLooks{{{Lane::kRegisters, "registers", "f0", "key k0"},
                                          {Lane::kPramin, "PRAMIN", "f0b", "key k0b"},
                                          {Lane::kBar1, "BAR1", "f1", "key k1"},
                                          {Lane::kBar3, "BAR3", "f3", "key k3"},
                                          {Lane::kOther, "other", "f4", "key k4"},
                                          {Lane::kDma, "DMA", "f5", "key k5"},
                                          {Lane::kInterrupt, "interrupts", "f6", "key k6"}}};

uint64_t lane_total(const Timeline& timeline, Lane lane) {
  uint64_t total = 0;
  for (const Timeline::Bin& bin : timeline.bins()) total += bin[static_cast<size_t>(lane)];
  return total;
}

uint64_t highest(const Timeline& timeline) {
  uint64_t most = 0;
  for (const Timeline::Bin& bin : timeline.bins()) most = std::max(most, std::ranges::max(bin));
  return most;
}

// What one axis is measured in.
struct AxisView {
  const Timeline& timeline;
  uint64_t end = 0;  // place of the last event
  uint64_t (*phase_start)(const PhaseSummary&) = nullptr;
  std::string (*label)(uint64_t place) = nullptr;
  bool logarithmic = false;
};

Element bands(const TraceFacts& facts, const AxisView& view, DataStyle& style) {
  Element out("div", "bands");
  const uint64_t start = view.timeline.start();
  const auto width = static_cast<double>(view.timeline.bins().size() * view.timeline.bin_width());
  for (size_t i = 0; i < std::min(facts.phases.size(), kMaxBands); ++i) {
    const PhaseSummary& phase = facts.phases[i];
    const uint64_t from = std::max(view.phase_start(phase), start);
    const uint64_t to = i + 1 < facts.phases.size() ? view.phase_start(facts.phases[i + 1]) : view.end;
    if (to <= from) continue;
    const double left = 100 * static_cast<double>(from - start) / width;
    const double share = 100 * static_cast<double>(to - from) / width;
    if (left >= 100) continue;
    const std::string tip = fmt::format(
        "{}: {} accesses in {}", phase.name, thousands(phase.total()),
        time_text(static_cast<double>(phase.end_ns - std::min(phase.start_ns, phase.end_ns)) / 1000));
    out.add(Element("b", style.place(left, std::min(share, 100 - left)))
                .attr("title", tip)
                .text(share > 2.5 ? phase.name : ""));
  }
  return out;
}

Element lanes(const TraceFacts& facts, const AxisView& view, const char* css_class, DataStyle& style) {
  const Timeline& timeline = view.timeline;
  Element out("div", std::string("lanes ") + css_class);
  const uint64_t most = std::max<uint64_t>(highest(timeline), 1);
  out.add(Element("span").text("phase"))
      .add(bands(facts, view, style))
      .add(Element("span", "n").text("in all"));
  for (const LaneLook& look : kLooks) {
    const uint64_t total = lane_total(timeline, look.lane);
    if (total == 0) continue;
    std::vector<double> heights(timeline.bins().size());
    for (size_t i = 0; i < heights.size(); ++i) {
      const auto value = static_cast<double>(timeline.bins()[i][static_cast<size_t>(look.lane)]);
      heights[i] = view.logarithmic ? std::log1p(value) / std::log1p(static_cast<double>(most))
                                    : value / static_cast<double>(most);
    }
    out.add(Element("span", look.key).text(look.name));
    out.add(column_strip(heights, look.fill, fmt::format("{}: {} in all", look.name, thousands(total))));
    out.add(Element("span", "n").text(short_count(total)));
  }
  Element axis("div", "axis");
  const uint64_t width = timeline.bins().size() * timeline.bin_width();
  for (uint64_t i = 0; i <= 4; ++i) axis.add(Element("span").text(view.label(width / 4 * i)));
  return out.add(axis);
}

Element over_the_run(const TraceFacts& facts, DataStyle& style) {
  Element out("div");
  out.add(Element("h3").text("Over the run"));
  if (facts.by_order.bins().empty())
    return out.add(Element("p", "note").text("The trace holds no accesses."));
  const AxisView by_order{facts.by_order, facts.accesses(),
                          [](const PhaseSummary& p) { return p.first_access; },
                          [](uint64_t n) { return short_count(n); }};
  const AxisView by_time{facts.by_time, facts.last_ns, [](const PhaseSummary& p) { return p.start_ns; },
                         [](uint64_t ns) { return time_text(static_cast<double>(ns) / 1000); }, true};
  Element panel("div");
  panel.add(lanes(facts, by_order, "va", style)).add(lanes(facts, by_time, "vb", style));
  out.add(switched("by access", "by time", panel, style));
  const uint64_t hidden =
      facts.phases.size() - std::min(facts.phases.size(), kMaxBands) + facts.phases_dropped;
  if (hidden != 0) {
    out.add(Element("p", "note").text(fmt::format("{} further phases have no band.", thousands(hidden))));
  }
  return out.add(Element("p", "note")
                     .text(fmt::format("By access: a column is {} consecutive accesses, heights linear. By "
                                       "time: a column is {}, heights "
                                       "logarithmic, so that quiet stretches show.",
                                       thousands(facts.by_order.bin_width()),
                                       time_text(static_cast<double>(facts.by_time.bin_width()) / 1000))));
}

Element small_bar(uint64_t reads, uint64_t writes, uint64_t most, std::string_view name) {
  return Element("td", "grow2")
      .add(stacked_bar({{reads, "f0b", fmt::format("{}: {} reads", name, thousands(reads))},
                        {writes, "f1", fmt::format("{}: {} writes", name, thousands(writes))}},
                       std::max<uint64_t>(most, 1),
                       fmt::format("{}: {} accesses", name, thousands(reads + writes))));
}

// Reads of what hardware gives where there is no value, and where; a register may hold all ones, too.
Element bad_values(const TraceFacts& facts) {
  std::vector<const GroupSummary*> places;
  for (const GroupSummary& g : facts.groups) {
    if (g.bad_values != 0) places.push_back(&g);
  }
  std::ranges::stable_sort(places, std::greater{}, &GroupSummary::bad_values);
  std::string text =
      fmt::format("{} reads gave all ones, as where nobody answers, and {} an error of the register bus: ",
                  thousands(facts.all_ones), thousands(facts.bus_errors));
  for (size_t i = 0; i < std::min(places.size(), kMaxBadPlaces); ++i) {
    text +=
        fmt::format("{}{} ({})", i == 0 ? "" : ", ", places[i]->group.name, thousands(places[i]->bad_values));
  }
  if (places.size() > kMaxBadPlaces) text += fmt::format(" and {} more", places.size() - kMaxBadPlaces);
  return Element("p", "note").text(text + ".");
}

Element busiest(const TraceFacts& facts) {
  Element top("tr");
  top.add(head("register or window")).add(head("unit")).add(head("", "grow2").flag("data-fixed"));
  top.add(head("reads", "n"))
      .add(head("of them polls", "n"))
      .add(head("longest poll", "n"))
      .add(head("writes", "n"));
  top.add(Element("th", "n").attr("scope", "col").attr("aria-sort", "descending").text("accesses"));
  Element body("tbody");
  const uint64_t most = facts.groups.empty() ? 1 : facts.groups[0].counts.total();
  for (size_t i = 0; i < std::min(facts.groups.size(), kMaxRegisterRows); ++i) {
    const GroupSummary& g = facts.groups[i];
    Element name("td", "mono");
    name.text(g.group.name);
    if (!g.group.known) name.text(" ").add(Element("span", "tag none").text("unknown"));
    Element row("tr");
    row.add(name).add(cell(g.group.unit)).add(small_bar(g.counts.reads, g.counts.writes, most, g.group.name));
    row.add(number_cell(g.counts.reads)).add(number_cell(g.polls)).add(number_cell(g.longest_poll));
    row.add(number_cell(g.counts.writes)).add(number_cell(g.counts.total(), "n t"));
    body.add(row);
  }
  Element out("div");
  out.add(Element("h3").text("Busiest registers"));
  Element caption("p", "cap");
  caption.add(Element("span", "key k0b").text("reads ")).add(Element("span", "key k1").text("writes. "));
  caption.text(
      "An array counts as one, and so does a window onto memory. A poll is a read that repeats the access "
      "before it.");
  out.add(caption);
  out.add(Element("div", "scroll").add(Element("table", "sort").add(Element("thead").add(top)).add(body)));
  if (facts.groups.size() > kMaxRegisterRows) {
    uint64_t rest = 0;
    for (size_t i = kMaxRegisterRows; i < facts.groups.size(); ++i) rest += facts.groups[i].counts.total();
    out.add(Element("p", "note")
                .text(fmt::format("{} further places share {} accesses.",
                                  thousands(facts.groups.size() - kMaxRegisterRows), thousands(rest))));
  }
  if (const uint64_t unknown = facts.unknown_registers(); unknown > 0) {
    out.add(Element("p", "note")
                .text(fmt::format("{} of the places are named by no register map.", thousands(unknown))));
  }
  if (facts.all_ones + facts.bus_errors > 0) out.add(bad_values(facts));
  return out;
}

Element units(const TraceFacts& facts) {
  std::vector<std::pair<std::string, AccessCounts>> rows(facts.units.begin(), facts.units.end());
  std::ranges::sort(rows, [](const auto& x, const auto& y) {
    return x.second.total() != y.second.total() ? x.second.total() > y.second.total() : x.first < y.first;
  });
  const uint64_t most = rows.empty() ? 1 : rows[0].second.total();
  Element body("tbody");
  for (size_t i = 0; i < std::min(rows.size(), kMaxUnitRows); ++i) {
    const auto& [name, counts] = rows[i];
    Element row("tr");
    row.add(Element("th").attr("scope", "row").text(name))
        .add(small_bar(counts.reads, counts.writes, most, name));
    row.add(number_cell(counts.total()));
    body.add(row);
  }
  Element top("tr");
  top.add(head("unit")).add(head("", "grow2")).add(head("accesses", "n"));
  Element out("div");
  out.add(Element("h3").text("By unit")).add(Element("table").add(Element("thead").add(top)).add(body));
  if (rows.size() > kMaxUnitRows)
    out.add(Element("p", "note").text(fmt::format("{} further units.", rows.size() - kMaxUnitRows)));
  return out;
}

Element gaps(const TraceFacts& facts) {
  size_t first = facts.gaps.size(), last = 0;
  uint64_t most = 1;
  for (size_t i = 0; i < facts.gaps.size(); ++i) {
    if (facts.gaps[i] == 0) continue;
    first = std::min(first, i);
    last = i;
    most = std::max(most, facts.gaps[i]);
  }
  Element out("div");
  out.add(Element("h3").text("Time between accesses"));
  if (first > last) return out.add(Element("p", "note").text("Too few accesses."));
  Element body("tbody");
  // Buckets of four: a power of two alone is finer than the recording's clock.
  for (size_t i = first / 2 * 2; i <= last; i += 2) {
    const uint64_t count = facts.gaps[i] + (i + 1 < facts.gaps.size() ? facts.gaps[i + 1] : 0);
    const double to_us = std::ldexp(1.0, static_cast<int>(i) + 2) / 1000;
    const std::string name = "below " + time_text(to_us);
    Element row("tr");
    row.add(cell(name, "n"));
    row.add(
        Element("td", "grow")
            .add(stacked_bar({{count, "f5", fmt::format("{}: {}", name, thousands(count))}}, most, name)));
    row.add(number_cell(count));
    body.add(row);
  }
  Element top("tr");
  top.add(head("gap", "n")).add(head("", "grow")).add(head("times", "n"));
  return out.add(Element("table").add(Element("thead").add(top)).add(body));
}

Element call_sites(const TraceFacts& facts) {
  Element body("tbody");
  for (size_t i = 0; i < std::min(facts.call_sites.size(), kMaxCallSiteRows); ++i) {
    body.add(Element("tr")
                 .add(cell(facts.call_sites[i].place, "mono"))
                 .add(number_cell(facts.call_sites[i].accesses)));
  }
  Element top("tr");
  top.add(head("instruction")).add(head("accesses", "n"));
  Element out("div");
  out.add(Element("h3").text("Where from")).add(Element("table").add(Element("thead").add(top)).add(body));
  if (facts.call_sites.size() > kMaxCallSiteRows || facts.other_call_sites != 0) {
    out.add(
        Element("p", "note")
            .text(fmt::format(
                "{} further places are not shown{}.",
                facts.call_sites.size() - std::min(facts.call_sites.size(), kMaxCallSiteRows),
                facts.other_call_sites == 0
                    ? ""
                    : fmt::format("; {} accesses are from places beyond the first {}",
                                  thousands(facts.other_call_sites), thousands(uint64_t{kMaxCallSites})))));
  }
  return out;
}

Element lead_of(const TraceFacts& facts) {
  uint64_t writes = 0;
  for (const AccessCounts& bar : facts.bars) writes += bar.writes;
  Element lead("p", "lead");
  lead.add(Element("b").text(thousands(facts.accesses())))
      .text(fmt::format(" accesses, {} of them writes; ", percent(writes, facts.accesses())))
      .text(fmt::format(
          "{} DMA transfers of {} together; {} interrupts; {} of accesses repeat the read before.",
          thousands(facts.kinds[static_cast<size_t>(EventKind::kDmaRead)] +
                    facts.kinds[static_cast<size_t>(EventKind::kDmaWrite)]),
          bytes_text(facts.dma_read_bytes + facts.dma_write_bytes), thousands(facts.msi + facts.intx_raised),
          percent(facts.polls(), facts.accesses())));
  return lead;
}

}  // namespace

Element trace_section(const ReportTrace& trace, size_t index, size_t count, DataStyle& style) {
  const std::string title =
      count == 1 ? "What the driver did" : fmt::format("VM {}: what its driver did", index);
  const std::string id = fmt::format("trace{}", index);
  Element out("section");
  out.attr("id", id).add(Element("h2").text(title)).add(lead_of(trace.facts));
  if (count > 1) out.add(Element("p", "note mono").text(trace.path));
  out.add(over_the_run(trace.facts, style)).add(busiest(trace.facts));
  out.add(Element("div", "two").add(units(trace.facts)).add(gaps(trace.facts)));
  if (!trace.facts.call_sites.empty()) out.add(call_sites(trace.facts));
  return out;
}

}  // namespace gpuvm::report
