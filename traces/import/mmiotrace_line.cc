#include "traces/import/mmiotrace_line.h"

#include "traces/import/text_scanner.h"

namespace gpuvm {
namespace {

constexpr bool is_printed_width(uint64_t width) {
  return width <= 8 && ((1u << width) & (1u << 0 | 1u << 1 | 1u << 2 | 1u << 4 | 1u << 8)) != 0;
}

bool take_pid(TextScanner& scan, uint32_t* pid) {
  uint64_t value;
  if (!scan.decimal(&value) || value > 0xffffffff) return false;
  *pid = static_cast<uint32_t>(value);
  return true;
}

// What stands after "R " or "W ".
bool parse_access(TextScanner& scan, MmiotraceLine* line) {
  const unsigned width = static_cast<unsigned char>(*scan.position()) - unsigned{'0'};
  if (!is_printed_width(width)) return false;
  line->width = static_cast<uint8_t>(width);
  scan.take(*scan.position());
  return scan.take(' ') && scan.stamp(&line->time_us) && scan.take(' ') &&
         scan.signed_decimal(&line->map_id) && scan.take(' ') && scan.hex(&line->address) && scan.take(' ') &&
         scan.hex(&line->value) && scan.take(' ') && scan.hex(&line->pc) && scan.take(' ') &&
         take_pid(scan, &line->pid) && scan.at_end();
}

bool parse_unknown(TextScanner& scan, MmiotraceLine* line) {
  if (!(scan.stamp(&line->time_us) && scan.take(' ') && scan.signed_decimal(&line->map_id) &&
        scan.take(' ') && scan.hex(&line->address) && scan.take(' '))) {
    return false;
  }
  uint64_t bytes = 0;
  for (int i = 0; i < 3; ++i) {
    uint64_t byte;
    if ((i > 0 && !scan.take(',')) || !scan.bare_hex(&byte) || byte > 0xff) return false;
    bytes = bytes << 8 | byte;
  }
  line->value = bytes;
  return scan.take(' ') && scan.hex(&line->pc) && scan.take(' ') && take_pid(scan, &line->pid) &&
         scan.at_end();
}

bool parse_map(TextScanner& scan, MmiotraceLine* line) {
  return scan.stamp(&line->time_us) && scan.take(' ') && scan.signed_decimal(&line->map_id) &&
         scan.take(' ') && scan.hex(&line->address) && scan.take(' ') && scan.hex(&line->virtual_address) &&
         scan.take(' ') && scan.hex(&line->length) && scan.take(' ') && scan.hex(&line->pc) &&
         scan.take(' ') && take_pid(scan, &line->pid) && scan.at_end();
}

bool parse_unmap(TextScanner& scan, MmiotraceLine* line) {
  return scan.stamp(&line->time_us) && scan.take(' ') && scan.signed_decimal(&line->map_id) &&
         scan.take(' ') && scan.hex(&line->pc) && scan.take(' ') && take_pid(scan, &line->pid) &&
         scan.at_end();
}

// "Lost 5 events." with a stamp of 0.000000 is the tracer's own report; any other text is somebody's mark.
bool parse_mark(TextScanner& scan, MmiotraceLine* line) {
  if (!scan.stamp(&line->time_us)) return false;
  if (!scan.take(' ') && !scan.at_end()) return false;
  line->text = scan.rest();
  if (line->time_us != 0 || !scan.take("Lost ")) return true;
  uint64_t lost;
  if (scan.decimal(&lost) && scan.take(" events.") && scan.at_end()) {
    line->kind = LineKind::kLost;
    line->lost = lost;
    line->cpu = -1;
  }
  return true;
}

bool parse_cpu_lost(TextScanner& scan, MmiotraceLine* line) {
  uint64_t cpu;
  if (!scan.decimal(&cpu) || cpu > 0xffff || !scan.take(" [LOST ")) return false;
  line->cpu = static_cast<int32_t>(cpu);
  line->lost.reset();
  if (scan.take("EVENTS]")) return scan.at_end();
  uint64_t lost;
  if (!scan.decimal(&lost) || !scan.take(" EVENTS]") || !scan.at_end()) return false;
  line->lost = lost;
  return true;
}

struct Keyword {
  std::string_view text;
  LineKind kind;
  bool (*parse)(TextScanner&, MmiotraceLine*);
};
bool accept(TextScanner&, MmiotraceLine*) {
  return true;
}
constexpr std::array<Keyword, 9> kKeywords = {{
    {"MARK ", LineKind::kMark, parse_mark},
    {"MAP ", LineKind::kMap, parse_map},
    {"UNMAP ", LineKind::kUnmap, parse_unmap},
    {"UNKNOWN ", LineKind::kUnknown, parse_unknown},
    {"CPU:", LineKind::kLost, parse_cpu_lost},
    {"PCIDEV ", LineKind::kHeader, accept},
    {"VERSION ", LineKind::kHeader, accept},
    {"LSPCI ", LineKind::kHeader, accept},
    {"#", LineKind::kHeader, accept},
}};

}  // namespace

void parse_mmiotrace_line(const char* begin, const char* end, MmiotraceLine* line) {
  if (end - begin > 2 && begin[1] == ' ' && (begin[0] == 'R' || begin[0] == 'W')) {
    TextScanner scan(begin + 2, end);
    line->kind = !parse_access(scan, line) ? LineKind::kOther
                 : begin[0] == 'R'         ? LineKind::kRead
                                           : LineKind::kWrite;
    return;
  }
  const std::string_view text(begin, static_cast<size_t>(end - begin));
  for (const Keyword& keyword : kKeywords) {
    if (!text.starts_with(keyword.text)) continue;
    TextScanner scan(begin + keyword.text.size(), end);
    line->kind = keyword.kind;
    if (!keyword.parse(scan, line)) line->kind = LineKind::kOther;
    return;
  }
  line->kind = LineKind::kOther;
}

std::optional<PciDevLine> parse_pcidev(std::string_view text) {
  TextScanner scan(text.data(), text.data() + text.size());
  PciDevLine line;
  uint64_t place, ids;
  if (!scan.take("PCIDEV ") || !scan.bare_hex(&place) || place > 0xffff || !scan.take(' ') ||
      !scan.bare_hex(&ids) || ids > 0xffffffff || !scan.take(' ') || !scan.bare_hex(&line.irq)) {
    return std::nullopt;
  }
  line.bus = static_cast<uint8_t>(place >> 8);
  line.devfn = static_cast<uint8_t>(place);
  line.vendor = static_cast<uint16_t>(ids >> 16);
  line.device = static_cast<uint16_t>(ids);
  for (std::array<uint64_t, 7>* row : {&line.base, &line.size}) {
    for (uint64_t& number : *row) {
      if (!scan.take(' ') || !scan.bare_hex(&number)) return std::nullopt;
    }
  }
  scan.take(' ');
  line.driver = scan.rest();
  return line;
}

std::optional<uint64_t> parse_entries_header(std::string_view text) {
  TextScanner scan(text.data(), text.data() + text.size());
  uint64_t kept, written;
  if (!scan.take("# entries-in-buffer/entries-written: ") || !scan.decimal(&kept) || !scan.take('/') ||
      !scan.decimal(&written) || written < kept) {
    return std::nullopt;
  }
  return written - kept;
}

}  // namespace gpuvm
