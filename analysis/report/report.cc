#include "analysis/report/report.h"

#include "analysis/report/page_assets.h"
#include "analysis/report/sections.h"
#include "analysis/report/sha256.h"

namespace gpuvm {

using namespace report;

std::string render_report(const ReportInput& input) {
  DataStyle style;
  Element main("main");
  main.add(key_figures(input));
  const bool builtin_map =
      !input.traces.empty() && AccessGroups(input.traces[0].meta.device).uses_builtin_map();
  if (input.replay && !input.replay->modes.empty()) {
    const ReplayResult& replay = *input.replay;
    main.add(traps_section(replay, style)).add(phases_section(replay)).add(shadow_section(replay));
    main.add(cost_section(replay)).add(correctness_section(replay, builtin_map));
  }
  for (size_t i = 0; i < input.traces.size(); ++i)
    main.add(trace_section(input.traces[i], i, input.traces.size(), style));

  const std::string css = std::string(page_css()) + style.css();
  const std::string policy =
      fmt::format("default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
                  csp_hash(css), csp_hash(page_js()));
  std::string title = "gpuvm report";
  if (!input.traces.empty()) title += ": " + input.traces[0].path.substr(input.traces[0].path.rfind('/') + 1);
  Element document_head("head");
  document_head.add(Element("meta").attr("charset", "utf-8"))
      .add(Element("meta").attr("http-equiv", "Content-Security-Policy").raw("").attr("content", policy))
      .add(Element("meta").attr("name", "viewport").attr("content", "width=device-width, initial-scale=1"))
      .add(Element("meta").attr("name", "color-scheme").attr("content", "light dark"))
      .add(Element("title").text(title))
      .add(Element("style").raw(css));
  Element body("body");
  body.add(head_section(input)).add(main);
  body.add(Element("footer").text(
      fmt::format("Written by {}. This page is complete in itself: it loads nothing. What each "
                  "number means and where it comes from is in docs/report.md.",
                  input.tool.empty() ? "gpuvm" : input.tool)));
  body.add(Element("script").raw(page_js()));
  return "<!doctype html>\n" + Element("html").attr("lang", "en").add(document_head).add(body).html() + "\n";
}

}  // namespace gpuvm
