// Formats in which each line that matters is one access: a function that reads a line is all that they need.
#pragma once

#include <optional>
#include <string_view>
#include <unordered_map>

#include "traces/import/access_writer.h"
#include "traces/import/importers.h"
#include "traces/import/label_table.h"

namespace gpuvm {

// What a line tells. A read is either one line with its value, or two: that it begins, and what came of it.
struct AccessLine {
  enum class Part : uint8_t {
    kWhole,
    kBegins,   // the value comes in a later kEnds of the same thread, address and width; if none comes it is
               // unknown
    kEnds,     // the same access as the last kBegins of this thread, if address and width agree, else a whole
               // one
    kAgain,    // the same access as the last kWhole of this thread, if all agree, else a whole one
    kNothing,  // understood, but no access: kept as a note, or in the header
  };
  Part part = Part::kWhole;
  bool write = false;
  bool value_unknown = false;
  uint64_t width = 0;  // bytes; what is no access's width is kept as a note
  uint64_t address = 0;
  uint64_t value = 0;
  std::optional<uint64_t> time_us;
  uint32_t thread = 0;     // 0: unknown
  uint32_t cpu = 0;        // number + 1, 0: unknown
  uint64_t pc = 0;         // 0: unknown
  std::string_view label;  // who did it, or to what
  // Formats that name a device and count from its beginning, instead of printing an address: which BAR, and
  // who.
  uint8_t bar = kNoBar;
  uint32_t device = 0;  // PCI ids, vendor << 16 | device; 0: not told
};

class AccessLineImporter : public LineImporter {
 public:
  using Parse = std::optional<AccessLine> (*)(const char* begin, const char* end);

  // `guesses_bars`: the addresses are physical, so that a card that is read at its PMC.BOOT_0 can be found.
  AccessLineImporter(ImportRun& run, Parse parse, bool (*opens)(std::string_view), bool guesses_bars)
      : run_(run), parse_(parse), opens_session_(opens), guesses_bars_(guesses_bars), writer_(run) {}

  Status begin_session(std::string_view first_lines) override;
  Result<LineOutcome> line(const char* begin, const char* end) override;
  Status end_session() override;

 private:
  struct Pending {
    AccessLine line;  // its label is not valid
    std::string label;
  };

  Status record(const AccessLine& line, std::string_view text);
  Status emit(const AccessLine& line);
  Status unfinished(uint32_t key);
  uint64_t time_of(const AccessLine& line) {
    return line.time_us ? run_.clock.time_ns(*line.time_us, run_.out.seq()) : run_.clock.last_ns();
  }

  static constexpr size_t kMaxPending = 4096;  // threads

  ImportRun& run_;
  Parse parse_;
  bool (*opens_session_)(std::string_view);
  bool guesses_bars_;
  uint32_t device_ = 0;
  uint64_t first_event_ = 0;
  BarMap bars_;
  AccessWriter writer_;
  LabelTable labels_;
  std::unordered_map<uint32_t, Pending> begun_;  // by thread, or CPU
  std::unordered_map<uint32_t, AccessLine> last_;
};

// For formats whose text comes out of Linux's trace buffer: its header opens a session.
bool opens_ftrace_session(std::string_view line);
bool opens_nothing(std::string_view line);

}  // namespace gpuvm
