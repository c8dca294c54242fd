#include "analysis/evaluation/page.h"

#include <nlohmann/json.hpp>

#include "analysis/evaluation/page_sections.h"

namespace gpuvm {

using namespace report;

std::string evaluation_page(const nlohmann::json& e) {
  Element main("main");
  main.add(evaluation_page_parts::key_figures(e)).add(evaluation_page_parts::time_section(e));
  main.add(evaluation_page_parts::phase_section(e)).add(evaluation_page_parts::count_section(e));
  main.add(evaluation_page_parts::scaling_section(e)).add(evaluation_page_parts::contention_section(e));
  main.add(evaluation_page_parts::fairness_section(e)).add(evaluation_page_parts::source_section(e));
  Element body("body");
  body.add(evaluation_page_parts::head_section(e)).add(main);
  body.add(Element("footer").text(
      fmt::format("Written by gpuvm {}. This page is complete in itself: it loads nothing. "
                  "The same figures are in results.json and the "
                  "CSV files beside it; what each means is in docs/evaluation.md.",
                  e.at("tool").get<std::string>())));
  return document("gpuvm evaluation", "", std::move(body));
}

}  // namespace gpuvm
