// Who caused the traps: the call sites of a trace, by name and by register.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tracer/symbols/symbol_table.h"
#include "traces/context.h"
#include "traces/stream.h"

namespace gpuvm {

struct CallChain {
  std::string place;  // a register or a window, by name
  bool write = false;
  std::vector<std::string>
      functions;         // innermost first, the accessors (ioread32, ...) left out; "user" alone: user space
  uint64_t samples = 0;  // accesses that this chain was seen to make
  double accesses = 0;   // its share of all accesses to the place
};

struct CallChainReport {
  uint64_t accesses = 0;            // in the trace
  uint64_t samples = 0;             // of them with a known call site
  uint64_t places = 0;              // registers and windows, by direction
  uint64_t unsampled_accesses = 0;  // to places of which no access was sampled
  std::vector<CallChain> chains;    // most accesses first
};

// CallChain::functions of one call site. `symbols` may be nullptr: then it is made of addresses.
std::vector<std::string> functions_of(const ContextRecord& context, const SymbolTable* symbols);

// What the accesses of a trace go to, by number: one for each place that has a name of its own.
class AccessPlaces {
 public:
  virtual ~AccessPlaces() = default;
  // Every event of the trace, in order; of an access: the number of its place.
  virtual uint64_t observe(const Event& event) = 0;
  virtual std::string name(uint64_t place) const = 0;
};

// `symbols` may be nullptr: then chains are made of addresses. `places` may be nullptr: then they are our own
// card's, a memory window counted in pieces. Errors: those of the source.
Result<CallChainReport> collect_call_chains(EventSource& events, const SymbolTable* symbols,
                                            AccessPlaces* places = nullptr);

}  // namespace gpuvm
