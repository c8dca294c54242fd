// The code that a traced program ran: names, lines and instructions for the sites of a trace.
#pragma once

#include <optional>
#include <string>

#include "cli/code_options.h"
#include "tracer/code/code_sites.h"
#include "traces/format/gvt.h"

namespace gpuvm::cli {

// Empty: the trace is not one of `gpuvm trace`. Errors: its list of files is damaged.
Result<std::optional<CodeSites>> code_of(const TraceReader& reader, const CodeOptions& options);
// Says on stderr what could not be looked at.
void tell_notes(CodeSites& sites);
// For `dump --code`: "             mov eax, dword ptr [rdi]  ; push at ring.h:12 < main at a.c:40\n", empty
// if nothing is known.
std::string code_line(CodeSites& sites, std::string_view label);

}  // namespace gpuvm::cli
