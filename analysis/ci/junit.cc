#include "analysis/ci/junit.h"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>
#include <pugixml.hpp>

#include "traces/core/printable.h"

namespace gpuvm {
namespace {

constexpr const char* kClass = "gpuvm.ci";

void set(pugi::xml_node node, const char* attribute, const std::string& value) {
  node.append_attribute(attribute).set_value(printable_text(value).c_str());
}

void set(pugi::xml_node node, const char* attribute, size_t value) {
  set(node, attribute, std::to_string(value));
}

void add_text(pugi::xml_node node, const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += printable_text(line) + "\n";
  if (!text.empty()) node.append_child(pugi::node_pcdata).set_value(text.c_str());
}

void add_check(pugi::xml_node suite, const Check& check) {
  pugi::xml_node node = suite.append_child("testcase");
  set(node, "classname", std::string(kClass));
  set(node, "name", check.name);
  switch (check.outcome) {
    case CheckOutcome::kHolds: {
      std::vector<std::string> lines = {check.message};
      lines.insert(lines.end(), check.details.begin(), check.details.end());
      add_text(node.append_child("system-out"), lines);
      break;
    }
    case CheckOutcome::kFails: {
      pugi::xml_node failure = node.append_child("failure");
      set(failure, "message", check.message);
      add_text(failure, check.details);
      break;
    }
    case CheckOutcome::kSkipped:
      set(node.append_child("skipped"), "message", check.message);
      break;
  }
}

}  // namespace

bool CheckRun::holds() const {
  return count(CheckOutcome::kFails) == 0;
}

size_t CheckRun::count(CheckOutcome outcome) const {
  return static_cast<size_t>(std::ranges::count(checks, outcome, &Check::outcome));
}

std::string junit_xml(const CheckRun& run) {
  pugi::xml_document document;
  pugi::xml_node declaration = document.append_child(pugi::node_declaration);
  set(declaration, "version", std::string("1.0"));
  set(declaration, "encoding", std::string("UTF-8"));
  pugi::xml_node suite = document.append_child("testsuites").append_child("testsuite");
  set(suite, "name", run.name);
  set(suite, "tests", run.checks.size());
  set(suite, "failures", run.count(CheckOutcome::kFails));
  set(suite, "skipped", run.count(CheckOutcome::kSkipped));
  set(suite, "errors", size_t{0});
  set(suite, "time", fmt::format("{:.3f}", run.seconds));
  pugi::xml_node properties = suite.append_child("properties");
  for (const auto& [name, value] : run.properties) {
    pugi::xml_node property = properties.append_child("property");
    set(property, "name", name);
    set(property, "value", value);
  }
  for (const Check& check : run.checks) add_check(suite, check);
  std::ostringstream text;
  document.save(text, " ");
  return text.str();
}

}  // namespace gpuvm
