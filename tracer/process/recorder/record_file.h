// A file of records, as the agent made them in a guest.
#pragma once

#include <string>
#include <vector>

#include "tracer/process/recorder/record_translator.h"

namespace gpuvm {

struct RecordFileReport {
  trace_channel::EndCounts end{};
  std::vector<std::string> notes;  // lines for the user
};

// Hands every record to `translator`, and what names files and modules at the end. Errors: the file is not
// one, damaged or cut short (what is whole of it was handed on); those of the translator's sink.
Result<RecordFileReport> translate_record_file(const std::string& path, RecordTranslator& translator);

}  // namespace gpuvm
