#include "tracer/symbols/call_chains.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "tracer/callsites/access_place.h"
#include "tracer/callsites/call_site_sampler.h"

namespace gpuvm {
namespace {

// How a driver reaches a register; what called them is the question.
constexpr std::string_view kAccessors[] = {
    "ioread",        "iowrite",         "memcpy_toio", "memcpy_fromio",
    "__memcpy_toio", "__memcpy_fromio", "memset_io",   "string_memcpy_toio",
    "__memset",      "__memcpy",        "memset",      "memcpy"};
// Below these there are only the ways into the kernel.
constexpr std::string_view kOutermost[] = {"entry_SYSCALL_64_after_hwframe", "ret_from_fork"};
constexpr size_t kMaxFunctions = 24;

bool is_accessor(std::string_view name) {
  return std::ranges::any_of(kAccessors, [&](std::string_view prefix) { return name.starts_with(prefix); });
}

struct PlaceCounts {
  uint64_t accesses = 0;
  uint64_t samples = 0;
  std::map<std::vector<std::string>, uint64_t> chains;
};

}  // namespace

std::vector<std::string> functions_of(const ContextRecord& context, const SymbolTable* symbols) {
  if (context.label == "user") return {"user"};
  std::vector<std::string> functions;
  const auto add = [&](const std::optional<SymbolTable::Place>& place, uint64_t address) {
    if (symbols == nullptr) {
      functions.push_back(fmt::format("{:#x}", address));
    } else if (place && !is_accessor(place->symbol->name) &&
               (functions.empty() || functions.back() != place->symbol->name)) {
      functions.push_back(place->symbol->name);
    }
  };
  add(symbols == nullptr ? std::nullopt : symbols->find(context.pc), context.pc);
  for (const uint64_t caller : context.callers) {
    if (functions.size() >= kMaxFunctions) break;
    add(symbols == nullptr ? std::nullopt : symbols->find_caller(caller), caller);
    if (!functions.empty() && std::ranges::find(kOutermost, functions.back()) != std::end(kOutermost)) break;
  }
  return functions;
}

Result<CallChainReport> collect_call_chains(EventSource& events, const SymbolTable* symbols,
                                            AccessPlaces* own_places) {
  CallChainReport report;
  std::unordered_map<uint64_t, std::vector<std::string>> contexts;  // by id
  std::unordered_map<AccessPlace, PlaceCounts, AccessPlaceHash> places;
  while (true) {
    GPUVM_TRY(const EventBatch* batch, events.next());
    if (batch == nullptr) break;
    for (const Event& event : batch->events) {
      if (event.kind == EventKind::kContext) {
        GPUVM_TRY(const ContextRecord record, decode_context(batch->payload(event)));
        contexts[event.address] = functions_of(record, symbols);
      }
      const uint64_t number = own_places == nullptr ? 0 : own_places->observe(event);
      if (!is_mmio(event.kind)) continue;
      ++report.accesses;
      PlaceCounts& place =
          places[own_places == nullptr
                     ? place_of(event.kind, event.space, event.address)
                     : AccessPlace{.write = event.kind == EventKind::kMmioWrite, .number = number}];
      ++place.accesses;
      const auto context = event.aux == 0 ? contexts.end() : contexts.find(event.aux);
      if (context == contexts.end()) continue;
      ++report.samples;
      ++place.samples;
      ++place.chains[context->second];
    }
  }
  report.places = places.size();
  std::map<std::pair<std::string, std::vector<std::string>>, CallChain>
      chains;  // pieces of one window together
  for (const auto& [place, counts] : places) {
    const std::string name = own_places == nullptr ? name_of(place) : own_places->name(place.number);
    if (counts.samples == 0) report.unsampled_accesses += counts.accesses;
    for (const auto& [functions, samples] : counts.chains) {
      const double share = static_cast<double>(samples) / static_cast<double>(counts.samples);
      const std::string key = fmt::format("{} {}", name, place.write);
      CallChain& chain =
          chains.try_emplace({key, functions}, CallChain{name, place.write, functions, 0, 0}).first->second;
      chain.samples += samples;
      chain.accesses += share * static_cast<double>(counts.accesses);
    }
  }
  for (auto& [key, chain] : chains) report.chains.push_back(std::move(chain));
  std::ranges::sort(report.chains, [](const CallChain& a, const CallChain& b) {
    if (a.accesses != b.accesses) return a.accesses > b.accesses;
    return std::tie(a.place, a.write, a.functions) < std::tie(b.place, b.write, b.functions);
  });
  return report;
}

}  // namespace gpuvm
