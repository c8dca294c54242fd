// Who caused the traps: the call sites of a trace, by name and by register.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tracer/callsites/access_place.h"
#include "tracer/symbols/symbol_table.h"
#include "traces/stream.h"

namespace gpuvm {

struct CallChain {
  AccessPlace place;
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

// `symbols` may be nullptr: then chains are made of addresses. Errors: those of the source.
Result<CallChainReport> collect_call_chains(EventSource& events, const SymbolTable* symbols);

}  // namespace gpuvm
