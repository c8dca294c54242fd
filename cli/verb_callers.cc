// gpuvm callers: who caused the traps, from the call sites that a capture has sampled.
#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "analysis/access_groups.h"
#include "cli/namer_choice.h"
#include "cli/print.h"
#include "cli/program_callers.h"
#include "cli/verbs.h"
#include "tracer/symbols/call_chains.h"
#include "traces/format/gvt.h"
#include "traces/import/byte_source.h"
#include "traces/regmap/chips.h"

namespace gpuvm::cli {
namespace {

using json = nlohmann::ordered_json;

constexpr size_t kColumns = 80;
constexpr size_t kMaxSymbolText = 64 << 20;

uint64_t rounded(double accesses) {
  return static_cast<uint64_t>(std::llround(accesses));
}

const char* direction(const CallChain& chain) {
  return chain.write ? "write" : "read";
}

// Places of a device that is not our own card, or that the user has names for.
class NamedPlaces : public AccessPlaces {
 public:
  NamedPlaces(const DeviceInfo& device, const RegisterNamer* namer) : groups_(device, namer) {}
  uint64_t observe(const Event& event) override {
    groups_.observe(event);
    return is_mmio(event.kind) ? groups_.of(event) : 0;
  }
  std::string name(uint64_t place) const override {
    return groups_.describe(static_cast<uint32_t>(place)).name;
  }

 private:
  AccessGroups groups_;
};

Result<SymbolTable> load_symbols(const CallersOptions& options, const TraceReader& reader) {
  if (options.kallsyms.empty()) {
    GPUVM_TRY(const std::string text, reader.attachment(kKallsymsAttachment));
    return SymbolTable::from_kallsyms(text);
  }
  GPUVM_TRY(const std::unique_ptr<ByteSource> source, open_byte_source(options.kallsyms));
  std::string text;
  std::vector<char> piece(64 << 10);
  for (;;) {
    GPUVM_TRY(const size_t got, source->read(piece));
    if (got == 0) return SymbolTable::from_kallsyms(text);
    text.append(piece.data(), got);
    if (text.size() > kMaxSymbolText)
      return error("{}: larger than {} MiB; the guest's /proc/kallsyms is needed", options.kallsyms,
                   kMaxSymbolText >> 20);
  }
}

json to_json(const CallersOptions& options, const CallChainReport& report,
             const std::vector<CallChain>& chains) {
  json rows = json::array();
  for (const CallChain& c : chains) {
    rows.push_back({{"register", c.place},
                    {"direction", direction(c)},
                    {"accesses", rounded(c.accesses)},
                    {"samples", c.samples},
                    {"functions", c.functions}});
  }
  return {{"path", options.trace},
          {"accesses", report.accesses},
          {"samples", report.samples},
          {"places", report.places},
          {"unsampled_accesses", report.unsampled_accesses},
          {"chains", rows}};
}

// "a < b < c", cut to the lines that fit behind `indent` columns.
void print_functions(const std::vector<std::string>& functions, size_t indent) {
  constexpr size_t kLines = 3;
  std::string line;
  size_t lines = 0;
  for (const std::string& function : functions) {
    if (!line.empty() && indent + line.size() + 3 + function.size() > kColumns) {
      print("{:{}}{}\n", "", indent, line);
      line.clear();
      if (++lines == kLines) {
        print("{:{}}< ...\n", "", indent);
        return;
      }
    }
    if (!line.empty()) line += ' ';
    if (!line.empty() || lines > 0) line += "< ";
    line += printable_text(function);
  }
  print("{:{}}{}\n", "", indent, line.empty() ? "(no function known)" : line);
}

// The function that wanted the access, over all registers.
void print_functions_by_share(const std::vector<CallChain>& chains, size_t top) {
  std::map<std::string, double> by_function;
  double all = 0;
  for (const CallChain& c : chains) {
    by_function[c.functions.empty() ? "(no function known)" : c.functions.front()] += c.accesses;
    all += c.accesses;
  }
  std::vector<std::pair<std::string, double>> rows(by_function.begin(), by_function.end());
  std::ranges::sort(rows, [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  print("\n{:>12}  {:>6}  innermost function\n", "accesses", "share");
  for (size_t i = 0; i < std::min(top, rows.size()); ++i) {
    print("{:>12}  {:>5.1f}%  {}\n", thousands(rounded(rows[i].second)), 100 * rows[i].second / all,
          printable_text(rows[i].first));
  }
  if (rows.size() > top) print("{:>12}  {:>6}  {} more functions: --top\n", "", "", rows.size() - top);
}

void print_chains(const std::vector<CallChain>& chains, size_t top) {
  print("\n{:>12} {:>8}  register, and who called, innermost first\n", "accesses", "samples");
  for (size_t i = 0; i < std::min(top, chains.size()); ++i) {
    const CallChain& c = chains[i];
    print("{:>12} {:>8}  {} {}\n", thousands(rounded(c.accesses)), thousands(c.samples), direction(c),
          printable_text(c.place));
    print_functions(c.functions, 25);
  }
  if (chains.size() > top) print("{:>21}  {} more chains: --top, --register\n", "", chains.size() - top);
}

}  // namespace

int run_callers(const CallersOptions& options) {
  if (const Status other = expect_other_output({options.trace}); !other) return fail(other.error());
  auto reader = TraceReader::open(options.trace);
  if (!reader) return fail(reader.error());
  auto code = code_of(*reader.value(), options.code);
  if (!code) return fail(code.error());
  if (code.value()) return run_program_callers(*reader.value(), *code.value(), options);
  auto symbols = load_symbols(options, *reader.value());
  if (!symbols && !options.kallsyms.empty()) return fail(symbols.error());
  if (!symbols)
    print_error("gpuvm: {}: addresses are shown instead of names\n", printable_text(symbols.error().message));
  auto namer = choose_namer(*reader.value(), options.names);
  if (!namer) return fail(namer.error());
  const DeviceInfo& device = reader.value()->meta().device;
  std::optional<NamedPlaces> places;
  // What does not say which device it is, is a capture of our own card.
  const std::optional<uint32_t> chip = chip_id_of(device);
  const bool other_card =
      (device.vendor != 0 && device.vendor != kNvidiaVendor) || (chip && !is_fermi_chip(*chip));
  if (other_card || (namer.value() && namer.value()->beyond_bar0()))
    places.emplace(device, namer.value().get());
  auto report =
      collect_call_chains(*reader.value(), symbols ? &symbols.value() : nullptr, places ? &*places : nullptr);
  if (!report) return fail(report.error());
  const CallChainReport& r = report.value();
  if (r.samples == 0) {
    return fail(error("{} has no call sites; capture with --call-sites RATE", options.trace));
  }
  std::vector<CallChain> chains;
  std::ranges::copy_if(r.chains, std::back_inserter(chains),
                       [&](const CallChain& c) { return c.place.find(options.place) != std::string::npos; });
  if (chains.empty()) return fail(error("no register whose name contains '{}' was accessed", options.place));
  if (options.json) {
    print_json(to_json(options, r, chains).dump(1, ' ', false, json::error_handler_t::replace));
    return kDone;
  }
  print("{} accesses to {} registers and windows; the callers of {} were sampled\n", thousands(r.accesses),
        thousands(r.places), thousands(r.samples));
  if (r.unsampled_accesses != 0)
    print("{} accesses are of unknown callers\n", thousands(r.unsampled_accesses));
  print_functions_by_share(chains, options.top);
  print_chains(chains, options.top);
  return kDone;
}

}  // namespace gpuvm::cli
