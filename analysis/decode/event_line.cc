#include "analysis/decode/event_line.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "traces/context.h"
#include "traces/export/text.h"
#include "traces/kind_name.h"
#include "traces/map_record.h"
#include "traces/program_access.h"
#include "traces/regmap/bad_value.h"

namespace gpuvm {
namespace {

constexpr size_t kShownBytes = 32;   // of a DMA payload
constexpr size_t kShownText = 4096;  // of a mark or a note

// Seconds with six decimals; nanoseconds only where there are some.
char* write_seconds(uint64_t time_ns, char* at) {
  at = write_decimal(time_ns / 1'000'000'000, 5, at);
  *at++ = '.';
  const uint64_t rest = time_ns % 1'000'000'000;
  return rest % 1000 == 0 ? write_digits(rest / 1000, 6, at) : write_digits(rest, 9, at);
}

char* write_text(std::string_view text, char* at) {
  std::memcpy(at, text.data(), text.size());
  return at + text.size();
}

void append_printable(std::string_view text, std::string* out) {
  for (const char c : text.substr(0, kShownText)) {
    const auto byte = static_cast<unsigned char>(c);
    out->push_back(byte < 0x20 || byte == 0x7f ? '?' : c);
  }
  if (text.size() > kShownText) *out += fmt::format(" … ({} bytes)", text.size());
}

void append_name(const Event& event, AccessNamer* names, bool with_meaning, std::string* out) {
  if (names == nullptr) return;
  const NamedAccess& named = names->name(event);
  if (named.name.empty()) return;
  *out += "  ";
  *out += named.name;
  const std::string_view meaning = with_meaning ? names->decode(event) : std::string_view();
  if (meaning.empty()) return;
  *out += "  ";
  *out += meaning;
}

// Room for a line up to the value of an access.
constexpr size_t kHeadRoom = 160;

char* write_place(const Event& event, char letter, char* at) {
  *at++ = letter;
  at = write_decimal(event.width, 0, at);
  if (event.space == kNoBar) return write_hex(event.address, 10, write_text(" ---- ", at));
  at = write_decimal(event.space, 0, write_text(" BAR", at));
  *at++ = '+';
  return write_hex(event.address, 6, at);
}

// "U4 BAR1+0x000040 0x00000001 => 0x00000002"
void append_program_access(const Event& event, Bytes payload, std::string* out) {
  const char letter = event.kind == EventKind::kUpdate ? 'U' : event.kind == EventKind::kWideRead ? 'R' : 'W';
  std::array<char, kHeadRoom> place;
  out->append(place.data(), write_place(event, letter, place.data()));
  const Result<ProgramAccess> access = decode_program_access(event, payload);
  *out += letter == 'U' ? " " : letter == 'R' ? " -> " : " <- ";
  if (!access) return append_printable(access.error().message, out);
  append_hex_number(letter == 'W' ? access.value().after : access.value().before, out);
  if (letter != 'U') return;
  *out += " => ";
  append_hex_number(access.value().after, out);
}

// `head`: the line so far, which began at `line`.
void append_access(const Event& event, AccessNamer* names, const char* line, char* head, std::string* out) {
  const bool read = event.kind == EventKind::kMmioRead;
  head = write_place(event, read ? 'R' : 'W', head);
  if ((event.flags & kFlagValueUnknown) != 0) {
    head = write_hex(event.value, 6, write_text(" ?? instruction ", head));
  } else {
    head = write_hex(event.value, 2u * event.width, write_text(read ? " -> " : " <- ", head));
  }
  out->append(line, static_cast<size_t>(head - line));
  const BadValue bad = bad_value(event);
  // The fields of what is no value mean nothing.
  append_name(event, names, bad != BadValue::kBusError, out);
  if (bad != BadValue::kNone) {
    *out += "  !";
    *out += text_of(bad);
  }
}

void append_record(const Event& event, Bytes payload, std::string* out) {
  if (event.kind == EventKind::kContext) {
    *out += fmt::format("context {}: ", event.address);
    const Result<ContextRecord> record = decode_context(payload);
    if (!record) return append_printable(record.error().message, out);
    const ContextRecord& r = record.value();
    *out += fmt::format("map {} thread {} pc 0x{:x}", r.map_id, r.thread, r.pc);
    if (r.cpu != 0) *out += fmt::format(" cpu {}", r.cpu - 1);
    if (!r.label.empty()) {
      *out += ' ';
      append_printable(r.label, out);
    }
    for (const uint64_t caller : r.callers) *out += fmt::format(" < 0x{:x}", caller);
    return;
  }
  const bool map = event.kind == EventKind::kMap;
  const Result<MapRecord> record = decode_map(payload);
  if (!record) return append_printable(record.error().message, out);
  *out += fmt::format("{} {} 0x{:x}", map ? "map" : "unmap", record.value().map_id, event.address);
  if (map) *out += fmt::format(" + 0x{:x} at 0x{:x}", record.value().length, record.value().virtual_address);
  if (event.space != kNoBar) *out += fmt::format(" BAR{}", event.space);
}

void append_other(const Event& event, Bytes payload, AccessNamer* names, std::string* out) {
  switch (event.kind) {
    case EventKind::kConfigRead:
    case EventKind::kConfigWrite: {
      const bool read = event.kind == EventKind::kConfigRead;
      *out += fmt::format("{}{} config+0x{:02x} {} 0x{:0{}x}", read ? 'R' : 'W', event.width, event.address,
                          read ? "->" : "<-", event.value, 2 * event.width);
      append_name(event, names, true, out);
      return;
    }
    case EventKind::kDmaRead:
    case EventKind::kDmaWrite:
      *out += fmt::format("DMA {} 0x{:010x} {} bytes: ", event.kind == EventKind::kDmaRead ? "read" : "write",
                          event.address, payload.size());
      append_hex_bytes(payload.first(std::min(payload.size(), kShownBytes)), out);
      if (payload.size() > kShownBytes) *out += "…";
      return;
    case EventKind::kIrq:
      *out += event.space == kIrqMsi ? fmt::format("irq MSI 0x{:x} <- 0x{:x}", event.address, event.value)
                                     : fmt::format("irq INTx {}", event.value);
      if (event.space == kIrqMsi && event.aux != 0) *out += fmt::format(" vector {}", event.aux - 1);
      return;
    case EventKind::kMark:
    case EventKind::kNote:
      *out += kind_name(event.kind);
      *out += ' ';
      append_printable(as_text(payload), out);
      return;
    case EventKind::kLoss:
      *out += (event.flags & kFlagValueUnknown) != 0 ? "LOST events, how many is not known"
                                                     : fmt::format("LOST {} events", event.value);
      if (event.address != 0) *out += fmt::format(" on CPU {}", event.address - 1);
      return;
    case EventKind::kDigest:
      *out +=
          fmt::format("digest {} 0x{:016x}", event.space == kDigestVram ? "VRAM" : "registers", event.value);
      return;
    case EventKind::kContext:
    case EventKind::kMap:
    case EventKind::kUnmap:
      append_record(event, payload, out);
      return;
    default:
      *out += kind_name(event.kind);
      return;
  }
}

}  // namespace

void append_event_line(const Event& event, Bytes payload, uint64_t seq, AccessNamer* names, std::string* out,
                       std::string_view label) {
  std::array<char, kHeadRoom> line;
  char* head = write_decimal(seq, 9, line.data());
  *head++ = ' ';
  head = write_text("  ", write_seconds(event.time_ns, head));
  if (is_mmio(event.kind) || is_program_access(event.kind)) {
    if (is_mmio(event.kind)) {
      append_access(event, names, line.data(), head, out);
    } else {
      out->append(line.data(), head);
      append_program_access(event, payload, out);
    }
    if (!label.empty()) {
      *out += "  @";
      append_printable(label, out);
    }
  } else {
    out->append(line.data(), head);
    append_other(event, payload, names, out);
  }
  if (event.flags != 0) {
    *out += "  [";
    append_flags(event.flags, " ", out);
    *out += ']';
  }
  *out += '\n';
}

}  // namespace gpuvm
