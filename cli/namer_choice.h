// Which register names a trace gets: envytools' database if the user has it, else our own map of the GF100.
#pragma once

#include <memory>
#include <string>

#include "traces/format/gvt.h"
#include "traces/regmap/namer.h"

namespace gpuvm::cli {

// `rnndb`: folder of the database, empty: our own map, which is for Fermi. `chip`: "GF100" or "0xc0", empty:
// from the trace. May be null: no names are known for this chip. Tells the user on stderr what is missing.
// Errors: the database cannot be loaded, or the chip's name is not known.
Result<std::unique_ptr<RegisterNamer>> choose_namer(TraceReader& reader, const std::string& rnndb,
                                                    const std::string& chip);

}  // namespace gpuvm::cli
