// HTML and SVG text that cannot carry anything from a trace unescaped: what goes in is either text, which is
// escaped, or an element built here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace gpuvm::report {

// Escapes for element content and quoted attributes alike; control characters become U+FFFD; bytes that are
// no UTF-8, too. At most `limit` bytes of the input are used, "…" says so.
std::string escape(std::string_view text, size_t limit = 400);

class Element {
 public:
  // `tag` and attribute names are literals of ours.
  explicit Element(const char* tag) : tag_(tag) {}
  Element(const char* tag, std::string_view css_class) : tag_(tag) { attr("class", css_class); }

  Element& attr(const char* name, std::string_view value) {
    attributes_ += fmt::format(" {}=\"{}\"", name, escape(value, 4000));
    return *this;
  }
  Element& attr(const char* name, const char* value) { return attr(name, std::string_view(value)); }
  Element& attr(const char* name, double value) {
    attributes_ += fmt::format(" {}=\"{:.6g}\"", name, value);
    return *this;
  }
  Element& attr(const char* name, uint64_t value) {
    attributes_ += fmt::format(" {}=\"{}\"", name, value);
    return *this;
  }
  Element& attr(const char* name, int value) { return attr(name, static_cast<double>(value)); }
  // A value that is long and made here: path data.
  Element& trusted_attr(const char* name, std::string_view value) {
    attributes_ += fmt::format(" {}=\"{}\"", name, value);
    return *this;
  }
  // An attribute without a value.
  Element& flag(const char* name) {
    attributes_ += fmt::format(" {}", name);
    return *this;
  }
  Element& text(std::string_view content) {
    content_ += escape(content);
    return *this;
  }
  Element& add(const Element& child) {
    content_ += child.html();
    return *this;
  }
  // CSS and script of ours, which are not escaped in HTML.
  Element& raw(std::string_view trusted) {
    content_ += trusted;
    return *this;
  }

  std::string html() const;

 private:
  const char* tag_;
  std::string attributes_;
  std::string content_;
};

inline Element cell(std::string_view text, const char* css_class = "") {
  return Element("td", css_class).text(text);
}
inline Element head(std::string_view text, const char* css_class = "") {
  return Element("th", css_class).attr("scope", "col").text(text);
}

}  // namespace gpuvm::report
