// The parts of the evaluation's page, in their order.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "analysis/report/charts.h"
#include "analysis/report/markup.h"
#include "analysis/report/sections.h"

namespace gpuvm::evaluation_page_parts {

report::Element head_section(const nlohmann::json& evaluation);
report::Element key_figures(const nlohmann::json& evaluation);
report::Element time_section(const nlohmann::json& evaluation);
report::Element phase_section(const nlohmann::json& evaluation);
report::Element count_section(const nlohmann::json& evaluation);
report::Element scaling_section(const nlohmann::json& evaluation);
report::Element contention_section(const nlohmann::json& evaluation);
report::Element fairness_section(const nlohmann::json& evaluation);
report::Element source_section(const nlohmann::json& evaluation);

// "×3.1"; a whole number from ten on.
std::string times_text(double value);
// A section with its title and a paragraph.
report::Element section(const char* id, std::string_view title, std::string_view lead);
// A table in a box that scrolls sideways.
report::Element table(const report::Element& top, const report::Element& body,
                      const char* css_class = "scroll");

}  // namespace gpuvm::evaluation_page_parts
