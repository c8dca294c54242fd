// docs/registers.md says what the map says. After a change of the map:
//   GPUVM_WRITE_DOCS=1 build/conformance --gtest_filter='RegisterPage.*'
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "traces/regmap/gf100.h"

namespace gpuvm::gf100 {
namespace {

std::string_view access_of(const Register& r) {
  switch (r.access) {
    case Access::kStorage:
      return "storage";
    case Access::kReadOnly:
      return "read only";
    case Access::kCommand:
      return "command";
    case Access::kPending:
      return "pending";
    case Access::kWindow:
      return "window";
  }
  return "";
}

std::string_view holds_of(const Register& r) {
  switch (r.holds) {
    case Holds::kNothing:
      return "";
    case Holds::kInstancePage:
      return "instance block >> 12";
    case Holds::kVramPage12:
      return "VRAM >> 12";
    case Holds::kVramPage8:
      return "VRAM >> 8";
    case Holds::kWindowPage16:
      return "VRAM >> 16";
    case Holds::kBar1Page12:
      return "BAR1 >> 12";
    case Holds::kSystemPage8:
      return "system memory >> 8";
    case Holds::kTablePage8:
      return "page directory >> 8";
    case Holds::kChannelId:
      return "channel id";
  }
  return "";
}

std::string fields_of(const Register& r) {
  std::string text;
  for (const Field& f : r.fields) {
    if (f.name.empty()) continue;
    if (!text.empty()) text += ", ";
    text += f.low == f.high ? fmt::format("{} {}", f.low, f.name)
                            : fmt::format("{}:{} {}", f.high, f.low, f.name);
  }
  return text;
}

std::string_view unit_of(const Register& r) {
  return r.name.substr(0, r.name.find_first_of(".["));
}

constexpr std::string_view kHead =
    "| BAR0 | name | elements | access | reset | holds | fields |\n|---|---|---|---|---|---|---|\n";

std::string row(const Register& r) {
  const std::string elements = r.count == 1    ? ""
                               : r.stride == 4 ? fmt::format("{}", r.count)
                                               : fmt::format("{}, every 0x{:x}", r.count, r.stride);
  const std::string reset = r.volatility == Volatility::kTime ? "clock"
                            : r.reset == 0                    ? ""
                                                              : fmt::format("0x{:x}", r.reset);
  return fmt::format("| 0x{:06x} | {} | {} | {} | {} | {} | {} |\n", r.offset, r.name, elements, access_of(r),
                     reset, holds_of(r), fields_of(r));
}

std::string page() {
  std::string text =
      "# The registers of the card\n\n"
      "Made from `traces/regmap/gf100_registers.inc`, the one place where a register is declared; a test "
      "holds that it\n"
      "is current (`RegisterPage.IsCurrent`, which also says how to make it anew). Names and fields are "
      "envytools'\n"
      "where it has them. A word that is not here is answered as plain storage, counted, and listed at the "
      "end of a\n"
      "capture and of a replay.\n\n"
      "* access: *storage* reads back what was written; *read only* drops writes; a write to a *command* "
      "does something;\n"
      "  of a *pending* register the card sets bits, and writing 1 clears them; a *window* shows something "
      "else.\n"
      "* reset: what it reads at first, 0 if empty. *clock*: it follows the clock, and a replay does not "
      "compare it.\n"
      "* holds: an address or a number that a hypervisor has to translate; see "
      "[hypervisor.md](hypervisor.md).\n"
      "* fields: bits and names.\n";
  std::vector<std::string_view> units;  // in the order of their first registers
  for (const Register& r : registers()) {
    if (std::ranges::find(units, unit_of(r)) == units.end()) units.push_back(unit_of(r));
  }
  for (const std::string_view unit : units) {
    text += fmt::format("\n## {}\n\n{}", unit, kHead);
    for (const Register& r : registers()) {
      if (unit_of(r) == unit) text += row(r);
    }
  }
  return text;
}

TEST(RegisterPage, IsCurrent) {
  const std::string path = std::string(GPUVM_SOURCE_DIR) + "/docs/registers.md";
  if (std::getenv("GPUVM_WRITE_DOCS") != nullptr) std::ofstream(path) << page();
  std::ostringstream there;
  there << std::ifstream(path).rdbuf();
  EXPECT_TRUE(there.str() == page())
      << "docs/registers.md is not what the map says; see the top of this test's file";
}

}  // namespace
}  // namespace gpuvm::gf100
