// Accesses with their origins into events: what the importers of formats without peculiarities share.
#pragma once

#include "traces/import/context_table.h"
#include "traces/import/line_importer.h"

namespace gpuvm {

class AccessWriter {
 public:
  explicit AccessWriter(ImportRun& run) : run_(run) {}

  // Counts the access and writes it, before it the definition of its origin if that is new. `event`: all but
  // aux, and flags only as far as the log tells; a value wider than the access is marked.
  Status write(Event event, const Origin& origin, std::string_view label);

 private:
  ImportRun& run_;
  ContextTable contexts_;
};

constexpr bool is_access_width(uint64_t width) {
  return width == 1 || width == 2 || width == 4 || width == 8;
}

}  // namespace gpuvm
