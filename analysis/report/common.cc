#include <algorithm>
#include <array>

#include "analysis/format.h"
#include "analysis/report/sections.h"

namespace gpuvm::report {
namespace {

struct ModeText {
  std::string_view mode;
  std::string_view text;
};
constexpr std::array<ModeText, 8> kModes{{
    {"passthrough", "the card itself, no hypervisor"},
    {"naive", "traps all, rebuilds at every TLB flush"},
    {"bar-remap", "BAR3 direct, rebuilds at every TLB flush"},
    {"lazy", "traps all, rebuilds at first use"},
    {"optimized", "BAR3 direct, rebuilds at first use"},
    {"pv", "one hypercall a page-table entry"},
    {"pv-multicall", "hypercalls in batches"},
    {"incremental", "BAR3 direct, only changed entries"},
}};

}  // namespace

std::string_view mode_summary(std::string_view mode) {
  const auto* found = std::ranges::find(kModes, mode, &ModeText::mode);
  return found == kModes.end() ? std::string_view() : found->text;
}

const ModeResult* find_mode(const ReplayResult& replay, std::string_view mode) {
  const auto found = std::ranges::find(replay.modes, mode, &ModeResult::mode);
  return found == replay.modes.end() ? nullptr : &*found;
}

uint64_t hypercalls_of(const ModeResult& mode) {
  uint64_t total = 0;
  for (const auto& [operation, count] : mode.hypercalls) total += count;
  return total;
}

Element number_cell(uint64_t value, const char* css_class) {
  return Element("td", value == 0 ? std::string(css_class) + " z" : css_class)
      .attr("data-v", value)
      .text(thousands(value));
}

Element switched(std::string_view first, std::string_view second, const Element& panel, DataStyle& style) {
  const std::string name = fmt::format("switch{}", style.unique());
  const auto radio = [&](const char* css_class, const char* suffix) {
    return Element("input", css_class).attr("type", "radio").attr("name", name).attr("id", name + suffix);
  };
  Element toggle("div", "toggle");
  toggle.add(Element("label", "la").attr("for", name + "a").text(first));
  toggle.add(Element("label", "lb").attr("for", name + "b").text(second));
  return Element("div")
      .add(radio("sw swa", "a").flag("checked"))
      .add(radio("sw swb", "b"))
      .add(toggle)
      .add(panel);
}

Element section(const char* id, std::string_view title, const Element& lead) {
  return Element("section").attr("id", id).add(Element("h2").text(title)).add(lead);
}

}  // namespace gpuvm::report
