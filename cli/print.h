// How verbs talk to people, and the only way in which they do: one-line diagnostics, help that fits, and text
// that cannot steer a terminal. Numbers are analysis/format.h's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/format.h"
#include "traces/core/printable.h"
#include "traces/core/result.h"

namespace gpuvm::cli {

// Text for standard output, of any number of lines. False: it cannot be written; finish() says so.
bool put(std::string_view text);
template <typename... Args>
void print(fmt::format_string<Args...> format, Args&&... args) {
  put(fmt::format(format, std::forward<Args>(args)...));
}
// One JSON value and a line end.
void print_json(const std::string& json);

// Text for standard error. That it cannot be written is nobody's to be told.
void put_error(std::string_view text);
template <typename... Args>
void print_error(fmt::format_string<Args...> format, Args&&... args) {
  put_error(fmt::format(format, std::forward<Args>(args)...));
}
// "gpuvm: MESSAGE" on stderr; returns kUnusable, so that a verb can `return fail(error)`.
int fail(const Error& error);

// A line on stderr that the next one overwrites; empty: none.
void show_status(std::string_view text);

// Standard input, output and error exist from now on, if only as places where nothing comes from and where
// writing fails: else the next file that is opened would get their numbers, and what is printed.
void open_standard_streams();
// Errors: standard output goes into one of these files that are read ("-": standard input), as by `>>
// IN.gvt`.
Status expect_other_output(const std::vector<std::string>& inputs);
// To be returned by main: `status`, or kUnusable, with a line, if some of the output was lost.
int finish(int status);

std::string duration(uint64_t nanoseconds);  // 1.234 s
// Breaks the lines of a help text that are longer than `columns`; what goes on stands under the description.
std::string wrapped(const std::string& text, size_t columns);
// Of the terminal, 80 if there is none.
size_t terminal_columns();

}  // namespace gpuvm::cli
