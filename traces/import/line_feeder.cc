#include "traces/import/line_feeder.h"

#include <algorithm>
#include <cstring>

#include "traces/import/block_reader.h"
#include "traces/import/line_noise.h"

namespace gpuvm {
namespace {

const char* find_or_end(const char* at, const char* end, char c) {
  const void* found = std::memchr(at, c, static_cast<size_t>(end - at));
  return found == nullptr ? end : static_cast<const char*>(found);
}

}  // namespace

Result<size_t> LineFeeder::feed(std::string_view block) {
  const char* at = block.data();
  const char* const stop = at + block.size();
  const bool returns = find_or_end(at, stop, '\r') != stop;
  while (at < stop) {
    const char* const end = find_or_end(at, stop, '\n');
    const char* next = end + 1;
    GPUVM_TRY(const bool taken, returns ? split_at_returns(at, end, &next) : one(at, end));
    if (!taken) return static_cast<size_t>((returns ? next : at) - block.data());
    at = next;
  }
  return block.size();
}

// A carriage return ends a line as a line feed does; those before a line feed belong to it.
Result<bool> LineFeeder::split_at_returns(const char* at, const char* end, const char** next) {
  const char* const after = *next;
  const char* last = end;
  while (last > at && last[-1] == '\r') --last;
  do {
    const char* const part_end = find_or_end(at, last, '\r');
    run_.report.crlf_lines += part_end != end;
    GPUVM_TRY(const bool taken, one(at, part_end));
    if (!taken) {
      run_.report.crlf_lines -= part_end != end;
      *next = at;
      return false;
    }
    at = part_end + 1;
  } while (at < last);
  *next = after;
  return true;
}

Result<bool> LineFeeder::one(const char* at, const char* end) {
  ++run_.report.lines;
  const char* const start = at;
  // A crash leaves a hole of NULs, and the text may go on behind it.
  while (at < end && *at == 0) ++at;
  if (at == end) {
    run_.report.nul_bytes += static_cast<size_t>(at - start);
    ++run_.report.empty_lines;
    return true;
  }
  if (static_cast<size_t>(end - at) > kMaxLogLine) return in_pieces(at, end);
  GPUVM_TRY(const LineOutcome outcome, importer_.line(at, end));
  if (outcome == LineOutcome::kNotUnderstood) {
    GPUVM_TRY(const bool taken, noisy(at, end));
    if (!taken) return false;
  } else if (outcome == LineOutcome::kOpensSession) {
    --run_.report.lines;
    return false;
  }
  run_.report.nul_bytes += static_cast<size_t>(at - start);
  return true;
}

Result<bool> LineFeeder::noisy(const char* at, const char* end) {
  const std::string_view whole(at, static_cast<size_t>(end - at));
  std::string_view text = whole;
  if (whole.size() <= kMaxNoisyLine) text = without_colours(whole, &buffer_);
  if (text.empty()) {
    ++run_.report.empty_lines;
    return true;
  }
  size_t from = 0;
  if (!row_.recognises(text.data(), text.data() + text.size())) {
    from = prefixed_ ? find_record(text, row_.recognises) : std::string_view::npos;
  } else if (text.size() == whole.size()) {
    from = std::string_view::npos;  // it was asked already
  }
  if (from != std::string_view::npos) {
    GPUVM_TRY(const LineOutcome outcome, importer_.line(text.data() + from, text.data() + text.size()));
    if (outcome == LineOutcome::kOpensSession) {
      --run_.report.lines;
      return false;
    }
    if (outcome == LineOutcome::kTaken) {
      if (run_.report.prefixed_lines++ == 0 && from != 0) run_.report.first_prefix = text.substr(0, from);
      return true;
    }
  }
  GPUVM_TRY_STATUS(run_.out.not_understood(whole, run_.clock.last_ns()));
  return true;
}

Result<bool> LineFeeder::in_pieces(const char* at, const char* end) {
  while (at < end) {
    const std::string piece(at, std::min(kMaxLogLine, static_cast<size_t>(end - at)));
    GPUVM_TRY(const LineOutcome outcome, importer_.line(piece.c_str(), piece.c_str() + piece.size()));
    if (outcome != LineOutcome::kTaken) {
      GPUVM_TRY_STATUS(run_.out.not_understood(piece, run_.clock.last_ns()));
    }
    at += piece.size();
  }
  return true;
}

}  // namespace gpuvm
