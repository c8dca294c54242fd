// Which register names a trace gets: envytools' database if the user has it, else our own map of the GF100.
#pragma once

#include <memory>
#include <string>

#include "cli/verbs.h"
#include "traces/format/gvt.h"
#include "traces/regmap/namer.h"

namespace gpuvm::cli {

// The user's table, or the one that the trace holds, stands above the database, or our own map, which is for
// Fermi. May be null: no names are known for this chip. Tells the user on stderr what is missing.
// Errors: the database or the table cannot be loaded, or the chip's name is not known.
Result<std::unique_ptr<RegisterNamer>> choose_namer(TraceReader& reader, const NamingOptions& options);

}  // namespace gpuvm::cli
