// A small table of names, for devices that no register database knows: a line a register or a range.
// The language is described in docs/names.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "traces/core/result.h"
#include "traces/regmap/bank_window.h"
#include "traces/regmap/rnndb_model.h"

namespace gpuvm {

struct NameTable {
  // One domain for each space that has names, called as the file calls the space.
  rnn::Database database;
  std::vector<BankWindow> windows;
  std::vector<std::string> window_names;  // beside windows; their spaces count from kFirstWindowSpace
};

inline constexpr size_t kMaxNameTableBytes = 1 << 20;

// "bar0" ... "bar5", "rom", "bus", "config", or a window's name. Empty: no such space.
std::string space_name(const NameTable& table, RegisterSpace space);

// Errors: "FILE:LINE: what", for the first line that is not understood, and for more than 1 MiB, 65,536
// lines, 4,096 characters in a line, 128 in a name, 64 fields, 256 values of a field, or 16 windows.
Result<NameTable> parse_name_table(std::string_view text, const std::string& file);

// Errors: also a file that cannot be read.
Result<std::string> read_name_table(const std::string& path);

}  // namespace gpuvm
