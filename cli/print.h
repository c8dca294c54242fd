// How verbs talk to people: one-line diagnostics, numbers that can be read.
#pragma once

#include <cstdint>
#include <string>

#include "traces/core/result.h"

namespace gpuvm::cli {

// "gpuvm: MESSAGE" on stderr; returns kUnusable, so that a verb can `return fail(error)`.
int fail(const Error& error);

std::string grouped(uint64_t number);        // 1,234,567
std::string byte_size(uint64_t bytes);       // 12.3 MiB
std::string duration(uint64_t nanoseconds);  // 1.234 s
// Escape sequences and other control characters of a hostile file must not reach the terminal.
std::string printable(const std::string& text);

// Breaks the lines of a help text that are longer than `columns`; what goes on stands under the description.
std::string wrapped(const std::string& text, size_t columns);
// Of the terminal, 80 if there is none.
size_t terminal_columns();

}  // namespace gpuvm::cli
