#include "analysis/evaluation/page.h"

#include <nlohmann/json.hpp>

#include "analysis/evaluation/page_sections.h"
#include "analysis/report/page_assets.h"
#include "analysis/report/sha256.h"

namespace gpuvm {

using namespace report;

std::string evaluation_page(const nlohmann::json& e) {
  Element main("main");
  main.add(evaluation_page_parts::key_figures(e)).add(evaluation_page_parts::time_section(e));
  main.add(evaluation_page_parts::phase_section(e)).add(evaluation_page_parts::count_section(e));
  main.add(evaluation_page_parts::scaling_section(e)).add(evaluation_page_parts::contention_section(e));
  main.add(evaluation_page_parts::fairness_section(e)).add(evaluation_page_parts::source_section(e));
  const std::string css(page_css());
  const std::string policy =
      fmt::format("default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
                  csp_hash(css), csp_hash(page_js()));
  Element document_head("head");
  document_head.add(Element("meta").attr("charset", "utf-8"))
      .add(Element("meta").attr("http-equiv", "Content-Security-Policy").attr("content", policy))
      .add(Element("meta").attr("name", "viewport").attr("content", "width=device-width, initial-scale=1"))
      .add(Element("meta").attr("name", "color-scheme").attr("content", "light dark"))
      .add(Element("title").text("gpuvm evaluation"))
      .add(Element("style").raw(css));
  Element body("body");
  body.add(evaluation_page_parts::head_section(e)).add(main);
  body.add(Element("footer").text(
      fmt::format("Written by gpuvm {}. This page is complete in itself: it loads nothing. "
                  "The same figures are in results.json and the "
                  "CSV files beside it; what each means is in docs/evaluation.md.",
                  e.at("tool").get<std::string>())));
  body.add(Element("script").raw(page_js()));
  return "<!doctype html>\n" + Element("html").attr("lang", "en").add(document_head).add(body).html() + "\n";
}

}  // namespace gpuvm
