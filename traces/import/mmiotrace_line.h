// One line of a Linux mmiotrace log, VERSION 20070824: text to fields and nothing more.
// The grammar is the one that kernel/trace/trace_mmiotrace.c prints; every field is separated by one space.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gpuvm {

enum class LineKind : uint8_t {
  kOther,    // not understood
  kRead,     // R
  kWrite,    // W
  kUnknown,  // UNKNOWN: an access whose instruction the tracer could not decode
  kMap,      // MAP
  kUnmap,    // UNMAP
  kMark,     // MARK
  kLost,     // "MARK 0.000000 Lost N events." and "CPU:1 [LOST 5 EVENTS]"
  kHeader,   // VERSION, PCIDEV, LSPCI and lines that begin with '#'
};

struct MmiotraceLine {
  LineKind kind = LineKind::kOther;
  uint8_t width = 0;     // R, W: as printed, one of 0 1 2 4 8
  int32_t map_id = 0;    //
  uint32_t pid = 0;      //
  uint64_t time_us = 0;  //
  uint64_t address = 0;  // R, W, UNKNOWN, MAP: physical
  uint64_t value = 0;  // R, W: as printed, not masked; UNKNOWN: b0 << 16 | b1 << 8 | b2, as the kernel has it
  uint64_t pc = 0;     //
  uint64_t virtual_address = 0;  // MAP
  uint64_t length = 0;           // MAP
  std::string_view text;         // MARK: what follows the stamp
  // kLost: how many, no value: the line does not tell; cpu: -1 if it was the tracer's own line.
  std::optional<uint64_t> lost;
  int32_t cpu = -1;
};

// Reads the line [begin, end), which has no line feed; *end must be readable and must be no digit. Widths
// other than 0, 1, 2, 4 and 8, a missing or further field, a number that does not fit: kOther. Only the
// members that the kind's comment names are set.
void parse_mmiotrace_line(const char* begin, const char* end, MmiotraceLine* line);

struct PciDevLine {
  uint8_t bus = 0, devfn = 0;
  uint16_t vendor = 0, device = 0;
  uint64_t irq = 0;
  std::array<uint64_t, 7> base{};  // with the low flag bits
  std::array<uint64_t, 7> size{};
  std::string_view driver;
};

// A PCIDEV line, or nothing if it is not well-formed. *(end of text) must be readable.
std::optional<PciDevLine> parse_pcidev(std::string_view text);

// How many events were lost according to "# entries-in-buffer/entries-written: 32555/372955   #P:1".
std::optional<uint64_t> parse_entries_header(std::string_view text);

}  // namespace gpuvm
