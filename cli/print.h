// How verbs talk to people: one-line diagnostics, help that fits. Numbers are analysis/format.h's.
#pragma once

#include <cstdint>
#include <string>

#include "analysis/format.h"
#include "traces/core/result.h"

namespace gpuvm::cli {

// "gpuvm: MESSAGE" on stderr; returns kUnusable, so that a verb can `return fail(error)`.
int fail(const Error& error);

std::string duration(uint64_t nanoseconds);  // 1.234 s
// Breaks the lines of a help text that are longer than `columns`; what goes on stands under the description.
std::string wrapped(const std::string& text, size_t columns);
// Of the terminal, 80 if there is none.
size_t terminal_columns();

}  // namespace gpuvm::cli
