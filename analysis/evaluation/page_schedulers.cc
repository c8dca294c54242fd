// Who gets the card: the page's second half.
#include <nlohmann/json.hpp>

#include "analysis/evaluation/page_sections.h"
#include "analysis/evaluation/results.h"
#include "analysis/format.h"

namespace gpuvm::evaluation_page_parts {

using namespace report;
using nlohmann::json;

namespace {

std::string scheduler_text(const json& run) {
  return text_of(run.at("scheduler")) + (run.at("variant") == "main" ? " (main line)" : "");
}

std::string percents(const json& list) {
  std::string out;
  for (const json& p : list) out += fmt::format("{}{:.1f}", out.empty() ? "" : " / ", p.get<double>());
  return out;
}

std::string ratio_text(const json& run) {
  const json& r = run.at("min_max_ratio");
  return r.is_number() ? fmt::format("{:.3f}", r.get<double>()) : "–";
}

uint64_t longest_wait_us(const json& run) {
  uint64_t longest = 0;
  for (const json& m : run.at("machines"))
    longest = std::max(longest, m.at("longest_wait_us").get<uint64_t>());
  return longest;
}

double sum_of(const json& numbers) {
  double sum = 0;
  for (const json& n : numbers) sum += n.get<double>();
  return sum;
}

std::string milliseconds(uint64_t us) {
  return fmt::format("{:.1f} ms", static_cast<double>(us) / 1000);
}

bool starts_with(const json& value, std::string_view prefix) {
  return text_of(value).starts_with(prefix);
}

// Points between published and here, of the machine that is farther off.
double distance(const json& run) {
  double most = 0;
  const json& published = run.at("published_percent");
  for (size_t vm = 0; vm < published.size(); ++vm)
    most = std::max(most, std::abs(run.at("percent").at(vm).get<double>() - published[vm].get<double>()));
  return most;
}

Element gdev_table(const json& cases) {
  Element top("tr");
  top.add(head("scheduler")).add(head("LUD / HW here, %", "n")).add(head("published, %", "n"));
  top.add(head("farthest, points", "n"))
      .add(head("min-max ratio", "n"))
      .add(head("longest wait", "n"))
      .add(head(""));
  Element body("tbody");
  for (const json& run : cases) {
    if (!starts_with(run.at("key"), "gdev-")) continue;
    const bool known = !run.at("published_percent").empty();
    const bool near = known && distance(run) <= 5;
    Element row("tr");
    const bool equal = run.at("key") == "gdev-equal-band";
    row.add(
        Element("th").attr("scope", "row").text(scheduler_text(run) + (equal ? ", LUD against LUD" : "")));
    row.add(cell(percents(run.at("percent")), "n"))
        .add(cell(known ? percents(run.at("published_percent")) : "–", "n"));
    row.add(cell(known ? fmt::format("{:.1f}", distance(run)) : "–", "n")).add(cell(ratio_text(run), "n"));
    row.add(cell(milliseconds(longest_wait_us(run)), "n"));
    row.add(Element("td").add(
        Element("span", known ? (near ? "tag ok" : "tag bad") : "tag none")
            .text(known ? (near ? "within 5 points" : "not within 5 points") : "not published")));
    body.add(row);
  }
  return table(top, body);
}

Element strips(const json& cases) {
  Element lanes("div", "lanes");
  for (const json& run : cases) {
    const std::string key = text_of(run.at("key"));
    if (!key.starts_with("gdev-") || key == "gdev-equal-band" || key == "gdev-direct") continue;
    for (size_t vm = 0; vm < run.at("machines").size(); ++vm) {
      std::vector<double> heights;
      for (const json& second : run.at("utilisation_1s")) heights.push_back(second.at(vm).get<double>());
      const std::string name = text_of(run.at("machines").at(vm).at("program"));
      lanes.add(Element("div").text(vm == 0 ? scheduler_text(run) : ""));
      lanes.add(
          column_strip(heights, vm == 0 ? "f0" : "f1", fmt::format("{} under {}, by seconds", name, key)));
      lanes.add(
          Element("div", "n").text(fmt::format("{} {:.0f} %", name, run.at("percent").at(vm).get<double>())));
    }
  }
  lanes.add(Element("div", "axis")
                .add(Element("span").text("0 s"))
                .add(Element("span").text("100 s"))
                .add(Element("span").text("200 s")));
  return lanes;
}

Element case_table(const json& cases, std::string_view prefix) {
  Element top("tr");
  top.add(head("case"))
      .add(head("scheduler"))
      .add(head("parts, %", "n"))
      .add(head("min-max ratio", "n"))
      .add(head("longest wait", "n"));
  Element body("tbody");
  for (const json& run : cases) {
    if (!starts_with(run.at("key"), prefix)) continue;
    Element row("tr");
    row.add(Element("th").attr("scope", "row").text(text_of(run.at("title")))).add(cell(scheduler_text(run)));
    row.add(cell(percents(run.at("percent")), "n")).add(cell(ratio_text(run), "n"));
    row.add(cell(milliseconds(longest_wait_us(run)), "n"));
    body.add(row);
  }
  return table(top, body);
}

}  // namespace

Element contention_section(const json& e) {
  Element out = section("contention", "Recordings that contend",
                        "Each recording as several machines at once, boot left out, again and again for a "
                        "minute, guests ten times as "
                        "fast as recorded. A guest that waited for a fence is later by as much as the fence "
                        "is. Wait: between a doorbell "
                        "and its turn, the longest of any machine.");
  for (const json& w : e.at("workloads")) {
    Element top("tr");
    top.add(head("scheduler"));
    for (const json& n : e.at("vms")) top.add(head(fmt::format("{}: card busy", text_of(n)), "n"));
    for (const json& n : e.at("vms")) top.add(head(fmt::format("{}: longest wait", text_of(n)), "n"));
    Element body("tbody");
    bool any = false;
    for (const json& name : e.at("schedulers")) {
      Element row("tr");
      row.add(Element("th").attr("scope", "row").text(text_of(name)));
      for (const bool waits : {false, true}) {
        for (const json& n : e.at("vms")) {
          const json* run = contention_of(w, text_of(name), n.get<unsigned>());
          any = any || run != nullptr;
          row.add(cell(run == nullptr ? "–"
                       : waits        ? milliseconds(longest_wait_us(*run))
                                      : fmt::format("{:.1f} %", sum_of(run->at("percent"))),
                       "n"));
        }
      }
      body.add(row);
    }
    out.add(Element("h3").text(text_of(w.at("name"))));
    out.add(any ? table(top, body) : Element("p", "note").text("It asks nothing of the card's engines."));
  }
  return out;
}

Element fairness_section(const json& e) {
  const json& cases = e.at("fairness");
  Element out = section("fairness", "Fairness",
                        "Synthetic machines whose times on the card are published ones. First the case of "
                        "the Gdev paper: LUD, runs of "
                        "about 3 ms, against HW, runs of about 149 ms, which comes after 30 s. The number of "
                        "launches that a run of HW "
                        "is cut into is not published: it is set so that fifo gives its published share, and "
                        "everything else follows.");
  out.add(gdev_table(cases)).add(Element("h3").text("The card over 200 seconds")).add(strips(cases));
  out.add(Element("h3").text("Equal loads")).add(case_table(cases, "equal-"));
  out.add(Element("h3").text("Weights")).add(case_table(cases, "weights-"));
  out.add(Element("h3").text("One that floods: it never waits for its launches"))
      .add(case_table(cases, "flood-"));
  out.add(Element("h3").text("One that never ends")).add(case_table(cases, "endless-"));
  out.add(Element("p", "note")
              .text("The card cannot be interrupted: whoever has it keeps it, under every scheduler. Who "
                    "still waits at the end of a run is not in its longest wait."));
  return out;
}

Element source_section(const json& e) {
  Element out = section("sources", "Costs and their sources",
                        "Every time on this page is made of these and of the counts. Others: --costs FILE.");
  Element list("ul", "sources");
  for (const auto& [key, c] : e.at("costs").items()) {
    list.add(
        Element("li")
            .add(Element("b").text(key + ": "))
            .text(fmt::format("{:g} – {:g} {}. {}", c.at("low").get<double>(), c.at("high").get<double>(),
                              text_of(c.at("unit")), text_of(c.at("source")))));
  }
  out.add(list);
  out.add(Element("h3").text("What is the driver's, or the set-up's"));
  Element notes("ul", "sources");
  for (const char* note :
       {"Of a load's 161 thousand BAR0 accesses 148 thousand are nouveau zeroing memory through the PRAMIN "
        "window, word by word, on "
        "every card and in kernels 6.1 and 7.2: they weigh on boot and load in every mode that traps BAR0.",
        "A real video BIOS instead of the emulated card's 8 KiB one adds 11 % BAR0 accesses (PROM, GPIO, "
        "I2C).",
        "The guest ran under QEMU's TCG: its own time is divided by guest_slowdown, an assumption; the "
        "recording's duration is not "
        "passed off as a machine's.",
        "What the guest waited for the emulated card is in its own time."})
    notes.add(Element("li").text(note));
  return out.add(notes);
}

}  // namespace gpuvm::evaluation_page_parts
