#include "traces/regmap/rnndb_write.h"

#include <fmt/format.h>

namespace gpuvm::rnn {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string_view unit_of(std::string_view name) {
  const size_t dot = name.find('.');
  const size_t brackets = name.find("[]");
  return dot == std::string_view::npos || brackets < dot ? std::string_view() : name.substr(0, dot);
}

void indent(int depth, std::string* out) {
  out->append(static_cast<size_t>(depth), '\t');
}

void append_register(const RegisterDeclaration& r, std::string_view name, uint64_t offset, bool repeated,
                     int depth, std::string* out) {
  indent(depth, out);
  *out += fmt::format("<reg{} offset=\"0x{:x}\" name=\"{}\"", r.width, offset, escaped(name));
  if (repeated && r.count != 1) *out += fmt::format(" length=\"{}\" stride=\"0x{:x}\"", r.count, r.stride);
  if (r.access != "rw") *out += fmt::format(" access=\"{}\"", escaped(r.access));
  if (r.fields.empty()) {
    *out += "/>\n";
    return;
  }
  *out += ">\n";
  for (const FieldDeclaration& field : r.fields) {
    indent(depth + 1, out);
    if (field.low == field.high) {
      *out += fmt::format("<bitfield pos=\"{}\" name=\"{}\"/>\n", field.low, escaped(field.name));
    } else {
      *out += fmt::format("<bitfield low=\"{}\" high=\"{}\" name=\"{}\"/>\n", field.low, field.high,
                          escaped(field.name));
    }
  }
  indent(depth, out);
  *out += fmt::format("</reg{}>\n", r.width);
}

// A name that still has parts becomes stripes around its register; the part with the index takes offset and
// stride.
void append_parts(const RegisterDeclaration& r, std::string_view name, bool indexed, int depth,
                  std::string* out) {
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos)
    return append_register(r, name, indexed ? 0 : r.offset, !indexed, depth, out);
  std::string_view part = name.substr(0, dot);
  const bool here = part.ends_with("[]");
  if (here) part.remove_suffix(2);
  indent(depth, out);
  *out += fmt::format("<stripe name=\"{}\"", escaped(part));
  if (here)
    *out += fmt::format(" offset=\"0x{:x}\" stride=\"0x{:x}\" length=\"{}\"", r.offset, r.stride, r.count);
  *out += ">\n";
  append_parts(r, name.substr(dot + 1), indexed || here, depth + 1, out);
  indent(depth, out);
  *out += "</stripe>\n";
}

}  // namespace

std::vector<RegisterDeclaration> declarations_of(std::span<const Register> registers) {
  std::vector<RegisterDeclaration> declarations;
  for (const Register& r : registers) {
    RegisterDeclaration declaration{.name = r.name, .offset = r.offset, .count = r.count, .stride = r.stride};
    if (r.access == Access::kReadOnly) declaration.access = "r";
    for (const Field& field : r.fields) {
      if (!field.name.empty()) declaration.fields.push_back({field.name, field.low, field.high});
    }
    declarations.push_back(std::move(declaration));
  }
  return declarations;
}

std::string to_xml(std::span<const RegisterDeclaration> registers, std::string_view domain,
                   uint64_t domain_size) {
  std::string out = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<database xmlns=\"http://nouveau.freedesktop.org/\">\n"
      "<domain name=\"{}\" bare=\"yes\" size=\"0x{:x}\">\n",
      escaped(domain), domain_size);
  std::string_view open;
  for (const RegisterDeclaration& r : registers) {
    const std::string_view unit = unit_of(r.name);
    if (unit != open) {
      if (!open.empty()) out += "\t</stripe>\n";
      if (!unit.empty()) out += fmt::format("\t<stripe name=\"{}\">\n", escaped(unit));
      open = unit;
    }
    append_parts(r, unit.empty() ? r.name : r.name.substr(unit.size() + 1), false, unit.empty() ? 1 : 2,
                 &out);
  }
  if (!open.empty()) out += "\t</stripe>\n";
  return out + "</domain>\n</database>\n";
}

}  // namespace gpuvm::rnn
