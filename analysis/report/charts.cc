#include "analysis/report/charts.h"

#include <algorithm>
#include <cmath>

namespace gpuvm::report {
namespace {

constexpr double kWidth = 1000;  // of every axis, in user units; the page stretches it

Element svg(double height, const char* css_class, std::string_view label) {
  Element out("svg", css_class);
  out.attr("viewBox", fmt::format("0 0 {} {:.6g}", kWidth, height)).attr("preserveAspectRatio", "none");
  out.attr("role", "img").attr("aria-label", label);
  return out;
}

// A line's width is in pixels whatever the stretching.
Element stroke(const std::string& path, std::string_view css_class) {
  return Element("path", css_class).trusted_attr("d", path).attr("vector-effect", "non-scaling-stroke");
}

Element tip(std::string_view text) {
  return Element("title").text(text);
}

Element decade_lines(double bottom, double top, double height) {
  std::string path;
  for (double value = bottom; value <= top * 1.001; value *= 10) {
    const double x = kWidth * std::log10(value / bottom) / std::log10(top / bottom);
    path += fmt::format("M{:.6g} 0v{:.6g}", x, height);
  }
  return stroke(path, "grid");
}

}  // namespace

double log_position(double value, double top) {
  if (value <= 1) return 0;
  return std::min(1.0, std::log10(value) / std::log10(top));
}

double decade_above(double value) {
  double top = 10;
  while (top < value) top *= 10;
  return top;
}

Element stacked_bar(const std::vector<Segment>& segments, uint64_t whole, std::string_view label) {
  Element out = svg(20, "bar", label);
  double x = 0;
  for (const Segment& segment : segments) {
    if (segment.value == 0 || whole == 0) continue;
    const double width = kWidth * static_cast<double>(segment.value) / static_cast<double>(whole);
    // What exists is visible, if only just.
    const double shown = std::max(width, 2.0);
    // An edge tells neighbours apart, but would hide a sliver.
    out.add(Element("rect", segment.css_class + (shown > 8 ? " edge" : ""))
                .attr("x", x)
                .attr("y", 0)
                .attr("width", shown)
                .attr("height", 20)
                .add(tip(segment.tip)));
    x += shown;
  }
  return out;
}

Element log_dots(const std::vector<Segment>& segments, double top, std::string_view label) {
  Element out = svg(20, "bar", label);
  out.add(decade_lines(1, top, 20));
  for (const Segment& segment : segments) {
    if (segment.value == 0) continue;
    const double x = kWidth * log_position(static_cast<double>(segment.value), top);
    // A round cap on a line of no length is a dot that stays round when stretched.
    out.add(stroke(fmt::format("M{:.6g} 10h.01", x), "dot " + segment.css_class).add(tip(segment.tip)));
  }
  return out;
}

Element log_ranges(const std::vector<Range>& ranges, double bottom, double top, std::string_view label) {
  const double height = 9 * static_cast<double>(ranges.size()) + 3;
  Element out = svg(height, "ranges", label);
  out.add(decade_lines(bottom, top, height));
  const auto place = [&](double value) {
    return kWidth *
           std::clamp(std::log10(std::max(value, bottom) / bottom) / std::log10(top / bottom), 0.0, 1.0);
  };
  double y = 6;
  for (const Range& range : ranges) {
    if (range.high > 0) {
      const double from = place(range.low);
      const double length = std::max(0.01, place(range.high) - from);
      out.add(stroke(fmt::format("M{:.6g} {:.6g}h{:.6g}", from, y, length), "range " + range.css_class)
                  .add(tip(range.tip)));
    }
    y += 9;
  }
  return out;
}

Element column_strip(const std::vector<double>& heights, std::string_view css_class, std::string_view label) {
  constexpr double kHeight = 40;
  Element out = svg(kHeight, "strip", label);
  // The outline as steps; columns of one height are one step.
  const double width = kWidth / static_cast<double>(std::max<size_t>(heights.size(), 1));
  const auto top_of = [&](size_t i) {
    return heights[i] <= 0 ? kHeight : kHeight - std::max(1.2, kHeight * std::min(heights[i], 1.0));
  };
  std::string path = fmt::format("M0 {}", kHeight);
  for (size_t i = 0; i < heights.size();) {
    size_t next = i + 1;
    while (next < heights.size() && heights[next] == heights[i]) ++next;
    path += fmt::format("V{:.4g}H{:.6g}", top_of(i), width * static_cast<double>(next));
    i = next;
  }
  return out.add(Element("path", css_class).trusted_attr("d", path + fmt::format("V{}z", kHeight)));
}

}  // namespace gpuvm::report
