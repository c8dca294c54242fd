// Bars, ranges and strips as stretchable SVG without text: labels and numbers stay HTML, so that they keep
// their size on any width, can be selected, and are read aloud.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "analysis/report/markup.h"

namespace gpuvm::report {

struct Segment {
  uint64_t value = 0;
  std::string css_class;  // colour
  std::string tip;        // "BAR3: 266,012 traps"
};

// Position on a logarithmic axis from 1 to `top`, 0 to 1.
double log_position(double value, double top);

// One horizontal stacked bar; `whole` is the length of the axis.
Element stacked_bar(const std::vector<Segment>& segments, uint64_t whole, std::string_view label);
// The same numbers as dots on a logarithmic axis to `top` (a power of ten), with a line at every decade.
Element log_dots(const std::vector<Segment>& segments, double top, std::string_view label);

struct Range {
  double low = 0;
  double high = 0;
  std::string css_class;
  std::string tip;
};
// Ranges below each other on one logarithmic axis from `bottom` to `top`.
Element log_ranges(const std::vector<Range>& ranges, double bottom, double top, std::string_view label);

// Columns of 0 to 1, side by side.
Element column_strip(const std::vector<double>& heights, std::string_view css_class, std::string_view label);

// The smallest power of ten that is not below `value`, at least 10.
double decade_above(double value);

}  // namespace gpuvm::report
