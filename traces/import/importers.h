// The formats that can be imported. An importer is one file of its own and one row of this table.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "traces/import/line_importer.h"

namespace gpuvm {

struct ImporterRow {
  std::string_view name;   // of --format
  std::string_view alias;  // an older one, or empty
  std::string_view what;   // for messages: "Linux mmiotrace"
  // Names of kNotRecordable, with spaces between.
  std::string_view not_recorded;
  // Whether a line is one of this format's own; *end as in LineImporter::line(). No side effects.
  bool (*recognises)(const char* begin, const char* end);
  // Whether a line is the first that the logger writes when it is started.
  bool (*opens_session)(std::string_view line);
  std::unique_ptr<LineImporter> (*make)(ImportRun& run);
};

// In the order in which they are tried.
std::span<const ImporterRow> importers();
// By name or alias; null: there is none.
const ImporterRow* find_importer(std::string_view name);
// "mmiotrace, qemu, ...": for messages.
std::string importer_names();

}  // namespace gpuvm
