// What was traced, and the verdict; the figures that most readers come for.
#include "analysis/cost_model.h"
#include "analysis/format.h"
#include "analysis/report/sections.h"

#include <fmt/ranges.h>

namespace gpuvm::report {
namespace {

std::string title_of(const ReportInput& input) {
  if (input.traces.size() > 1) return fmt::format("{} virtual machines on one card", input.traces.size());
  if (input.traces.empty()) return "No trace";
  const TraceMeta& meta = input.traces[0].meta;
  const std::string driver = meta.driver.substr(0, meta.driver.find(' '));
  const std::string chip = meta.device.chip.empty() ? "an unnamed GPU" : meta.device.chip;
  const std::string what = meta.workload.empty()
                               ? input.traces[0].path.substr(input.traces[0].path.rfind('/') + 1)
                               : meta.workload;
  return driver.empty() ? fmt::format("{} on {}", what, chip)
                        : fmt::format("{}: {} on {}", what, driver, chip);
}

Element verdict(const ReportInput& input) {
  Element out("div");
  const auto fill = [&](const char* css_class, const char* sign, std::string_view word,
                        std::string_view rest) {
    out.attr("class", std::string("verdict ") + css_class)
        .add(Element("i").attr("aria-hidden", "true").text(sign))
        .add(Element("p").text(word).text(" ").add(Element("span").text(rest)));
  };
  if (!input.replay) {
    fill("none", "○", "No replay was run.",
         input.no_replay_reason.empty() ? "What follows is what the recording itself says."
                                        : "The reason: " + input.no_replay_reason);
    return out;
  }
  const ReplayResult& replay = *input.replay;
  std::string failing;
  size_t failures = 0;
  for (const ModeResult& mode : replay.modes) {
    if (mode.holds()) continue;
    ++failures;
    failing += (failing.empty() ? "" : ", ") + mode.mode;
  }
  if (failures > 0) {
    fill("bad", "✕", fmt::format("{} of {} modes diverge: {}.", failures, replay.modes.size(), failing),
         "The guest would not have seen the machine it was recorded on. See Correctness.");
  } else if (replay.modes.empty()) {
    fill("none", "○", "No mode was replayed.", "");
  } else if (!replay.modes[0].not_recorded.empty()) {
    fill("none", "○", "Traps are counted; what the guest saw is not compared.",
         fmt::format(
             "The recording does not hold {}. Reads were answered from it, and every shadow table agrees "
             "with an independent walk.",
             fmt::join(replay.modes[0].not_recorded, ", ")));
  } else {
    const std::string words = replay.modes.size() == 1
                                  ? replay.modes[0].mode + " is faithful."
                                  : fmt::format("All {} modes are faithful.", replay.modes.size());
    fill("ok", "✓", words,
         "Every value that the guest read and every byte that the card wrote is as recorded, and every "
         "shadow table "
         "agrees with an independent walk.");
  }
  return out;
}

Element recording_verdict(const ReportTrace& trace) {
  std::string rest = trace.problem;
  if (trace.facts.lost_events > 0) {
    rest += fmt::format("{}{} events were lost while recording.", rest.empty() ? "" : " ",
                        thousands(trace.facts.lost_events));
  }
  if (!trace.complete && rest.empty()) rest = "It was not closed cleanly; what is shown is what is readable.";
  return Element("div", "verdict bad")
      .add(Element("i").attr("aria-hidden", "true").text("!"))
      .add(Element("p")
               .text(trace.complete ? "The recording has gaps. " : "The recording is not complete. ")
               .add(Element("span").text(rest)));
}

bool is_reference(std::string_view translation) {
  return translation == "reference";
}

// Nobody shall take figures of guests that were not isolated for those of guests that were.
Element translation_verdict(const char* which) {
  return Element("div", "verdict bad")
      .add(Element("i").attr("aria-hidden", "true").text("!"))
      .add(Element("p").text(which).text(" ").add(
          Element("span").text("The guests' addresses were let through as GPUvm's prototype did "
                               "(--translation reference).")));
}

void fact(Element& list, std::string_view name, const std::string& value, const char* css_class = "") {
  if (value.empty()) return;
  list.add(Element("div", css_class[0] == '\0' ? std::string_view("f") : css_class)
               .add(Element("dt").text(name))
               .add(Element("dd", css_class[0] == '\0' ? std::string_view("v") : std::string_view("mono"))
                        .text(value)));
}

std::string device_text(const DeviceInfo& device) {
  if (device.vendor == 0 && device.chip.empty()) return "";
  std::string text = fmt::format("{}{:04x}:{:04x}", device.chip.empty() ? "" : device.chip + ", ",
                                 device.vendor, device.device);
  if (device.vram_bytes != 0) text += ", " + bytes_text(device.vram_bytes) + " VRAM";
  return text;
}

std::string bars_text(const DeviceInfo& device) {
  std::string text;
  for (size_t bar = 0; bar < device.bars.size(); ++bar) {
    if (device.bars[bar].size == 0) continue;
    text += fmt::format("{}BAR{} {}", text.empty() ? "" : ", ", bar, bytes_text(device.bars[bar].size));
  }
  return text;
}

Element facts_list(const ReportTrace& trace) {
  const TraceMeta& meta = trace.meta;
  const TraceFacts& facts = trace.facts;
  Element list("dl", "facts");
  fact(list, "Device", device_text(meta.device));
  fact(list, "Apertures", bars_text(meta.device));
  fact(list, "Driver", meta.driver);
  fact(list, "Guest kernel", meta.kernel);
  fact(list, "Workload", meta.workload);
  fact(list, "Mode while recording", meta.mode);
  fact(list, "Translation", meta.translation);
  fact(list, "Recorded",
       fmt::format("{} events over {}", thousands(facts.events),
                   time_text(static_cast<double>(facts.last_ns - facts.first_ns) / 1000)));
  fact(
      list, "File",
      fmt::format("{}{}{}", trace.file_bytes == 0 ? "" : bytes_text(trace.file_bytes) + ", ",
                  trace.complete ? "complete" : "not complete", facts.lost_events == 0 ? ", no losses" : ""));
  fact(list, "Made by", meta.source + (meta.tool.empty() ? "" : ", gpuvm " + meta.tool));
  fact(list, "Command", meta.command, "wide");
  return list;
}

std::string times_fewer(uint64_t from, uint64_t to) {
  if (to == 0 || from == 0) return "";
  const double ratio = static_cast<double>(from) / static_cast<double>(to);
  return ratio < 1.05 ? "no fewer than naive" : fmt::format("{:.1f} times fewer than naive", ratio);
}

void replay_cards(Element& cards, const ReplayResult& replay) {
  const ModeResult* naive = find_mode(replay, Mode::kNaive);
  const ModeResult* optimized = find_mode(replay, Mode::kOptimized);
  const ModeResult* lazy = find_mode(replay, Mode::kLazy);
  if (naive)
    cards.add(
        card("Traps, naive", short_count(naive->traps.total()), thousands(naive->traps.total()) + " exits"));
  if (optimized) {
    cards.add(
        card("Traps, optimized", short_count(optimized->traps.total()),
             naive ? times_fewer(naive->traps.total(), optimized->traps.total()) : std::string("exits")));
  }
  if (naive && lazy) {
    cards.add(
        card("Shadow rebuilds",
             fmt::format("{} → {}", short_count(naive->shadow.rebuilds), short_count(lazy->shadow.rebuilds)),
             "at every flush → at first use"));
  }
  if (const ModeResult* shown = optimized ? optimized : naive) {
    const CostRange cost = estimate_overhead(*shown, reference_scenario()).total();
    cards.add(card(fmt::format("Overhead, {}", shown->mode), "≈ " + time_text(cost.middle_us()),
                   fmt::format("{} to {}, estimated", time_text(cost.low_us), time_text(cost.high_us))));
  }
  if (!replay.modes.empty()) {
    const ModeResult& mode = replay.modes.front();
    cards.add(card("Reads compared", short_count(mode.reads_checked),
                   thousands(mode.reads_mismatched) + " differ, " + mode.mode));
  }
}

}  // namespace

Element head_section(const ReportInput& input) {
  Element out("header", "top");
  out.add(Element("p", "eyebrow").text("gpuvm report"));
  out.add(Element("h1").text(title_of(input)));
  out.add(verdict(input));
  if (input.replay && is_reference(input.replay->translation))
    out.add(translation_verdict("Replayed without isolation."));
  for (const ReportTrace& trace : input.traces) {
    if (is_reference(trace.meta.translation)) out.add(translation_verdict("Recorded without isolation."));
    if (!trace.complete || trace.facts.lost_events > 0 || !trace.problem.empty())
      out.add(recording_verdict(trace));
  }
  for (const ReportTrace& trace : input.traces) {
    if (input.traces.size() > 1) out.add(Element("h3").text(trace.path));
    out.add(facts_list(trace));
  }
  return out;
}

Element key_figures(const ReportInput& input) {
  Element cards("div", "cards");
  uint64_t reads = 0, writes = 0;
  for (const ReportTrace& trace : input.traces) {
    for (const AccessCounts& bar : trace.facts.bars) reads += bar.reads, writes += bar.writes;
  }
  cards.add(card("Accesses", short_count(reads + writes),
                 fmt::format("{} reads, {} writes", thousands(reads), thousands(writes))));
  if (input.replay) {
    replay_cards(cards, *input.replay);
  } else if (!input.traces.empty()) {
    const TraceFacts& facts = input.traces[0].facts;
    cards.add(card("DMA", bytes_text(facts.dma_read_bytes + facts.dma_write_bytes),
                   fmt::format("{} read, {} written by the card", bytes_text(facts.dma_read_bytes),
                               bytes_text(facts.dma_write_bytes))));
    cards.add(card("Interrupts", short_count(facts.msi + facts.intx_raised),
                   facts.msi > 0 ? "by message" : "by line"));
    cards.add(card("Polling", percent(facts.polls(), facts.accesses()), "of accesses repeat a read"));
  }
  return Element("section", "keys").attr("aria-label", "Key figures").add(cards);
}

}  // namespace gpuvm::report
