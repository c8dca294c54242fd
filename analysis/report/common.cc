#include <algorithm>

#include "analysis/format.h"
#include "analysis/report/sections.h"

namespace gpuvm::report {

std::string_view mode_summary(std::string_view mode) {
  const auto found = std::ranges::find(all_modes(), mode, &ModePolicy::name);
  return found == all_modes().end() ? std::string_view() : found->summary;
}

const ModeResult* find_mode(const ReplayResult& replay, Mode mode) {
  const auto found = std::ranges::find(replay.modes, policy_of(mode).name, &ModeResult::mode);
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
