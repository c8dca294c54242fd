#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/command_tree.h"

namespace gpuvm::cli {
namespace {

// A backslash and a hyphen mean something in roff, and so does a dot or an apostrophe that begins a line.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string head(const std::string& name, const std::string& version) {
  std::string upper = name;
  std::ranges::transform(upper, upper.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return fmt::format(".TH {} 1 \"\" \"{}\" \"gpuvm\"\n", roff(upper), roff(version));
}

std::string option_text(const OptionText& option) {
  std::string value;
  if (!option.value.empty()) value = fmt::format(" \\fI{}\\fR", roff(option.value));
  std::string line;
  for (const std::string& name : option.names) {
    line += fmt::format("{}\\fB{}\\fR", line.empty() ? "" : ", ", roff(name));
  }
  if (option.names.empty()) line = fmt::format("\\fI{}\\fR", roff(option.place));
  std::string text =
      fmt::format(".TP\n{}{}\n{}\n", line, option.names.empty() ? "" : value, roff(option.description));
  if (!option.choices.empty())
    text += fmt::format(".br\nOne of {}.\n", roff(fmt::format("{}", fmt::join(option.choices, ", "))));
  if (!option.initial.empty()) text += fmt::format(".br\nDefault: {}.\n", roff(option.initial));
  return text;
}

constexpr std::string_view kStatus =
    ".SH EXIT STATUS\n"
    "0 done; 1 the checked thing does not hold (a divergence, a damaged file, a guest that failed); 2 "
    "unusable arguments "
    "or input, with one line that says what, where and what to do.\n";

}  // namespace

std::string manual_page(const CommandText& verb, const std::string& version) {
  std::string page = head("gpuvm-" + verb.name, version);
  page += fmt::format(".SH NAME\ngpuvm\\-{} \\- {}\n", roff(verb.name), roff(verb.description));
  page += fmt::format(".SH SYNOPSIS\n\\fBgpuvm {}\\fR [options]", roff(verb.name));
  for (const OptionText& option : verb.options) {
    if (!option.names.empty()) continue;
    const std::string name = roff(option.place) + (option.repeats ? "..." : "");
    page += option.required ? fmt::format(" \\fI{}\\fR", name) : fmt::format(" [\\fI{}\\fR]", name);
  }
  page += "\n.SH OPTIONS\n";
  for (const OptionText& option : verb.options) page += option_text(option);
  if (!verb.examples.empty()) page += fmt::format(".SH EXAMPLES\n.nf\n{}\n.fi\n", roff(verb.examples));
  page += kStatus;
  page += ".SH SEE ALSO\n.BR gpuvm (1)\n";
  return page;
}

std::string manual_page(const std::vector<CommandText>& verbs, const std::string& description,
                        const std::string& version) {
  std::string page = head("gpuvm", version);
  page += fmt::format(".SH NAME\ngpuvm \\- {}\n", roff(description));
  page += ".SH SYNOPSIS\n\\fBgpuvm\\fR \\fIverb\\fR [options]\n.SH VERBS\n";
  for (const CommandText& verb : verbs) {
    page += fmt::format(".TP\n\\fBgpuvm\\-{}\\fR(1)\n{}\n", roff(verb.name), roff(verb.description));
  }
  page += kStatus;
  return page;
}

}  // namespace gpuvm::cli
