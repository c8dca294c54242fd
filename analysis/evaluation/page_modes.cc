// What modes cost: the page's first half.
#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "analysis/evaluation/page_sections.h"
#include "analysis/evaluation/results.h"
#include "analysis/format.h"
#include "traces/mode.h"

namespace gpuvm::evaluation_page_parts {

using namespace report;
using nlohmann::json;

namespace {

std::string_view bare_card() {
  return policy_of(Mode::kPassthrough).name;
}

Element number(const json& value) {
  return number_cell(value.get<uint64_t>());
}

// The least and the most of a mode's relative time over all workloads.
std::pair<double, double> over_workloads(const json& e, std::string_view mode) {
  double low = 1e300, high = 0;
  for (const json& w : e.at("workloads")) {
    const json* estimate = estimate_of_mode(w, mode);
    if (estimate == nullptr) continue;
    const auto middle = estimate->at("relative").at("middle").get<double>();
    low = std::min(low, middle);
    high = std::max(high, middle);
  }
  return {high == 0 ? 0 : low, high};
}

std::string between(std::pair<double, double> range) {
  if (range.second == 0) return "–";
  const std::string low = times_text(range.first), high = times_text(range.second);
  return low == high ? low : low + " – " + high;
}

double ratio_of(const json& e, std::string_view key) {
  for (const json& c : e.at("fairness")) {
    if (c.at("key") == key && c.at("min_max_ratio").is_number()) return c["min_max_ratio"].get<double>();
  }
  return -1;
}

}  // namespace

std::string times_text(double value) {
  return value >= 9.95 ? fmt::format("×{}", thousands(static_cast<uint64_t>(value + 0.5)))
                       : fmt::format("×{:.{}f}", value, value < 1.1 ? 2 : 1);
}

Element section(const char* id, std::string_view title, std::string_view lead) {
  return report::section(id, title, Element("p", "lead").text(lead));
}

Element table(const Element& top, const Element& body, const char* css_class) {
  return Element("div", css_class).add(Element("table").add(Element("thead").add(top)).add(body));
}

Element head_section(const json& e) {
  std::string names;
  for (const json& w : e.at("workloads")) names += (names.empty() ? "" : ", ") + text_of(w.at("name"));
  Element out("header", "top");
  out.add(Element("p", "eyebrow").text("gpuvm evaluation"));
  out.add(Element("h1").text("What virtualising this GPU driver costs, and who gets the card"));
  out.add(Element("p", "lead")
              .text("An unmodified driver was recorded on a virtual GF100. Each recording was replayed under "
                    "every way of virtualising "
                    "the card, and every trap, page-table rebuild and hypercall was counted; the guest must "
                    "see the same machine each "
                    "time. Then machines were let contend for the card under each scheduler."));
  size_t replays = 0, differ = 0;
  for (const json& w : e.at("workloads")) {
    for (const json& m : w.at("modes")) {
      ++replays;
      differ += m.at("verdict") == "different" ? 1 : 0;
    }
  }
  const size_t errors = e.at("errors").size();
  Element verdict("div", differ + errors == 0 ? "verdict ok" : "verdict bad");
  verdict.add(Element("i").text(differ + errors == 0 ? "✓" : "✗"));
  verdict.add(Element("p").text(
      differ + errors == 0 ? fmt::format("In all {} replays the guest saw the same machine: no read, "
                                         "transfer or interrupt differed, and no "
                                         "isolation check failed.",
                                         replays)
                           : fmt::format("{} of {} replays differ from their recordings, {} jobs failed.",
                                         differ, replays, errors)));
  out.add(verdict);
  for (const json& line : e.at("errors")) out.add(Element("p", "note").text(text_of(line)));
  return out.add(Element("p", "note").text("Workloads: " + names + "."));
}

Element key_figures(const json& e) {
  Element cards("div", "cards");
  cards.add(card("Full virtualisation, naive", between(over_workloads(e, "naive")),
                 "of the time on the bare card"));
  cards.add(card("Full, optimised", between(over_workloads(e, "optimized")), "BAR3 direct, lazy shadows"));
  cards.add(card("Para-virtual, batched", between(over_workloads(e, "pv-multicall")), "no shadow tables"));
  const double ratio = ratio_of(e, "equal-band-4");
  cards.add(card("Fairness under band", ratio < 0 ? "–" : fmt::format("{:.2f}", ratio),
                 "least part by greatest, four equal machines"));
  return Element("section", "keys").add(cards);
}

Element time_section(const json& e) {
  Element out = section(
      "time", "Time, relative to the bare card",
      "What the guest did between accesses, taken from the recording, plus counts times "
      "costs. A bar spans the "
      "costs' ranges, on a logarithmic axis; the figure is their middle. Estimates, not "
      "measurements on hardware. The whole run without the machine's boot, before the driver is there.");
  double top = 10;
  for (const json& w : e.at("workloads")) {
    for (const json& m : w.at("modes")) {
      if (m.contains("estimate"))
        top = std::max(top, decade_above(m["estimate"]["relative"]["high"].get<double>()));
    }
  }
  Element axis("div", "axis");
  for (double v = 1; v <= top * 1.001; v *= 10) axis.add(Element("span").text(times_text(v)));
  for (const json& w : e.at("workloads")) {
    Element body("tbody");
    for (const json& name : e.at("modes")) {
      const json* estimate = estimate_of_mode(w, text_of(name));
      if (estimate == nullptr) continue;
      const json& r = estimate->at("relative");
      const double low = r["low"].get<double>(), high = r["high"].get<double>();
      Element row("tr");
      row.add(Element("th")
                  .attr("scope", "row")
                  .text(text_of(name))
                  .add(Element("small").text(mode_summary(text_of(name)))));
      row.add(Element("td", "grow")
                  .add(log_ranges(
                      {{low, high, "f0",
                        fmt::format("{}: {} to {}", text_of(name), times_text(low), times_text(high))}},
                      1, top, text_of(name) + ": relative time")));
      row.add(cell(times_text(low), "n"))
          .add(cell(times_text(r["middle"].get<double>()), "n t"))
          .add(cell(times_text(high), "n"));
      body.add(row);
    }
    Element head_row("tr");
    head_row.add(head("mode")).add(Element("th", "grow").attr("scope", "col").add(axis));
    head_row.add(head("least", "n")).add(head("middle", "n")).add(head("most", "n"));
    out.add(Element("h3").text(text_of(w.at("name")))).add(table(head_row, body, "scroll traps"));
  }
  return out;
}

Element phase_section(const json& e) {
  Element out = section("phases", "By phase",
                        "The same, for each phase of a run: boot and load are the machine and the driver "
                        "starting, init to close the "
                        "program. Shaded: where the time of a mode is spent.");
  for (const json& w : e.at("workloads")) {
    const json* bare = estimate_of_mode(w, bare_card());
    if (bare == nullptr) continue;
    Element head_row("tr");
    head_row.add(head("mode"));
    for (const json& p : bare->at("phases")) head_row.add(head(text_of(p.at("name")), "n"));
    Element body("tbody");
    for (const json& name : e.at("modes")) {
      const json* estimate = estimate_of_mode(w, text_of(name));
      if (estimate == nullptr) continue;
      const json& phases = estimate->at("phases");
      double whole = 0;
      const auto time_of = [](const json& p) {
        return p.at("native_us").get<double>() + p.at("traps_us").get<double>() +
               p.at("shadow_us").get<double>();
      };
      for (const json& p : phases) whole += time_of(p);
      Element row("tr");
      row.add(Element("th").attr("scope", "row").text(text_of(name)));
      for (const json& p : phases) {
        const double part = whole <= 0 ? 0 : time_of(p) / whole;
        const int shade = std::clamp(static_cast<int>(part * 8), 0, 7);
        row.add(Element("td", shade == 0 ? "n" : fmt::format("n h{}", shade))
                    .text(times_text(p["relative"]["middle"].get<double>()))
                    .add(Element("small").text(fmt::format("{:.0f} %", part * 100))));
      }
      body.add(row);
    }
    out.add(Element("h3").text(text_of(w.at("name")))).add(table(head_row, body, "scroll heat"));
  }
  return out;
}

Element count_section(const json& e) {
  Element out = section("counts", "Counts",
                        "What the estimates are made of, for one machine. These do not depend on any cost: "
                        "they are the same on every "
                        "machine and in every run.");
  for (const json& w : e.at("workloads")) {
    Element body("tbody");
    for (const json& name : e.at("modes")) {
      const json* m = result_of_mode(w, text_of(name));
      if (m == nullptr) continue;
      const json& traps = m->at("traps");
      const json& shadow = m->at("shadow");
      Element row("tr");
      row.add(Element("th").attr("scope", "row").text(text_of(name)));
      for (const char* bar : {"bar0", "bar1", "bar3", "bar4"}) row.add(number(traps.at(bar)));
      row.add(number(m->at("hypercalls").at("total"))).add(number(m->at("tlb_flushes")));
      row.add(number(shadow.at("rebuilds")))
          .add(number(shadow.at("entries_scanned")))
          .add(number(shadow.at("entries_written")));
      body.add(row);
    }
    Element top("tr");
    top.add(head("mode"));
    for (const char* name : {"BAR0 traps", "BAR1", "BAR3", "BAR4", "hypercalls", "TLB flushes",
                             "shadow rebuilds", "entries read", "entries changed"})
      top.add(head(name, "n"));
    out.add(Element("h3").text(text_of(w.at("name")))).add(table(top, body));
  }
  return out;
}

Element scaling_section(const json& e) {
  Element out = section("scaling", "Several machines on one card",
                        "Traps and shadow entries that one hypervisor handles when so many machines run the "
                        "workload at once. Each is "
                        "kept apart from the others by its partition of the card.");
  for (const json& w : e.at("workloads")) {
    Element top("tr");
    top.add(head("mode"));
    for (const json& n : e.at("vms")) top.add(head(fmt::format("{} traps", text_of(n)), "n"));
    for (const json& n : e.at("vms")) top.add(head(fmt::format("{} entries", text_of(n)), "n"));
    Element body("tbody");
    for (const json& name : e.at("modes")) {
      if (text_of(name) == bare_card()) continue;
      Element row("tr");
      row.add(Element("th").attr("scope", "row").text(text_of(name)));
      for (const bool entries : {false, true}) {
        for (const json& n : e.at("vms")) {
          const json* m = result_of_mode(w, text_of(name), n.get<unsigned>());
          if (m == nullptr) {
            row.add(cell("–", "n"));
          } else {
            row.add(number(entries ? m->at("shadow").at("entries_scanned") : m->at("traps").at("total")));
          }
        }
      }
      body.add(row);
    }
    out.add(Element("h3").text(text_of(w.at("name")))).add(table(top, body));
  }
  return out;
}

}  // namespace gpuvm::evaluation_page_parts
