// The parts of the page, in the order in which they appear. Each takes what it shows and returns a <section>.
#pragma once

#include <string>

#include "analysis/report/markup.h"
#include "analysis/report/report.h"
#include "traces/mode.h"

namespace gpuvm::report {

// Style rules that depend on the data: the policy forbids style attributes, so places get classes.
class DataStyle {
 public:
  // A class for an absolutely placed box; both in percent.
  std::string place(double left, double width) {
    const std::string name = fmt::format("d{}", count_++);
    css_ += fmt::format(".{}{{left:{:.4g}%;width:{:.4g}%}}\n", name, left, width);
    return name;
  }
  // A number that no other element of the page has.
  unsigned unique() { return count_++; }
  const std::string& css() const { return css_; }

 private:
  unsigned count_ = 0;
  std::string css_;
};

Element head_section(const ReportInput& input);
Element key_figures(const ReportInput& input);
Element traps_section(const ReplayResult& replay, DataStyle& style);
Element phases_section(const ReplayResult& replay);
Element shadow_section(const ReplayResult& replay);
Element cost_section(const ReplayResult& replay);
Element correctness_section(const ReplayResult& replay, bool builtin_map);
Element trace_section(const ReportTrace& trace, size_t index, size_t count, DataStyle& style);

// What a mode traps and when it rebuilds; empty for a mode that this build does not know.
std::string_view mode_summary(std::string_view mode);
const ModeResult* find_mode(const ReplayResult& replay, Mode mode);
uint64_t hypercalls_of(const ModeResult& mode);

// Right-aligned table cell with thousands separators; zero is faint.
Element number_cell(uint64_t value, const char* css_class = "n");
// Two looks of one panel with a switch; `panel` holds elements of class va (first look) and vb (second).
Element switched(std::string_view first, std::string_view second, const Element& panel, DataStyle& style);
Element section(const char* id, std::string_view title, const Element& lead);
// A key figure.
Element card(std::string_view name, std::string_view value, std::string_view detail);
// The whole page, with the policy under which it loads nothing. `style`: after the pages' own.
std::string document(std::string_view title, std::string_view style, Element body);

}  // namespace gpuvm::report
