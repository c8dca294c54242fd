#include <algorithm>

#include "analysis/format.h"
#include "analysis/report/page_assets.h"
#include "analysis/report/sections.h"
#include "analysis/report/sha256.h"

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

Element card(std::string_view name, std::string_view value, std::string_view detail) {
  return Element("div", "card")
      .add(Element("p", "k").text(name))
      .add(Element("p", "v").text(value))
      .add(Element("p", "d").text(detail));
}

std::string document(std::string_view title, std::string_view style, Element body) {
  const std::string css = std::string(page_css()).append(style);
  const std::string policy =
      fmt::format("default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
                  csp_hash(css), csp_hash(page_js()));
  Element top("head");
  top.add(Element("meta").attr("charset", "utf-8"))
      .add(Element("meta").attr("http-equiv", "Content-Security-Policy").attr("content", policy))
      .add(Element("meta").attr("name", "viewport").attr("content", "width=device-width, initial-scale=1"))
      .add(Element("meta").attr("name", "color-scheme").attr("content", "light dark"))
      .add(Element("title").text(title))
      .add(Element("style").raw(css));
  body.add(Element("script").raw(page_js()));
  return "<!doctype html>\n" + Element("html").attr("lang", "en").add(top).add(body).html() + "\n";
}

}  // namespace gpuvm::report
