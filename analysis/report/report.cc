#include "analysis/report/report.h"

#include "analysis/report/sections.h"

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

  std::string title = "gpuvm report";
  if (!input.traces.empty()) title += ": " + input.traces[0].path.substr(input.traces[0].path.rfind('/') + 1);
  Element body("body");
  body.add(head_section(input)).add(main);
  body.add(Element("footer").text(
      fmt::format("Written by {}. This page is complete in itself: it loads nothing. What each "
                  "number means and where it comes from is in docs/report.md.",
                  input.tool.empty() ? "gpuvm" : input.tool)));
  return document(title, style.css(), std::move(body));
}

}  // namespace gpuvm
