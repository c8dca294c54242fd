// Blocks of text into lines for an importer, whatever ends them and stands around them.
#pragma once

#include <string>

#include "traces/import/importers.h"

namespace gpuvm {

class LineFeeder {
 public:
  // `prefixed`: most lines have something before them that is not theirs.
  LineFeeder(LineImporter& importer, ImportRun& run, const ImporterRow& row, bool prefixed)
      : importer_(importer), run_(run), row_(row), prefixed_(prefixed) {}

  // The lines of `block` up to, not including, the one that opens another session; returns how many bytes
  // that are. The byte behind the block is readable.
  Result<size_t> feed(std::string_view block);

 private:
  // False: the line opens another session.
  Result<bool> one(const char* at, const char* end);
  Result<bool> split_at_returns(const char* at, const char* end, const char** next);
  Result<bool> in_pieces(const char* at, const char* end);
  Result<bool> noisy(const char* at, const char* end);

  LineImporter& importer_;
  ImportRun& run_;
  const ImporterRow& row_;
  bool prefixed_;
  std::string buffer_;
};

}  // namespace gpuvm
