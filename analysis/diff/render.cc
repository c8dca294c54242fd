// A comparison as text for people and as JSON for programs.
#include <nlohmann/json.hpp>

#include "analysis/diff/diff.h"
#include "analysis/format.h"
#include "traces/core/printable.h"

namespace gpuvm {
namespace {

using json = nlohmann::ordered_json;
constexpr size_t kMaxValueLines = 30;

std::string side_line(const char* letter, const std::string& name, const DiffSide& side) {
  std::string line = fmt::format("{}  {}: {} events, {} compared", letter, printable_text(name),
                                 thousands(side.events), thousands(side.compared));
  if (side.lost_events > 0) line += fmt::format(", {} lost while recording", thousands(side.lost_events));
  return line + "\n";
}

std::string lines_text(const std::vector<DiffLine>& lines, char sign, uint64_t all) {
  std::string out;
  for (const DiffLine& line : lines)
    out += fmt::format("  {} {:>9} {}\n", sign, line.seq, printable_text(line.text));
  if (sign != ' ' && all > lines.size())
    out += fmt::format("  {} … {} more\n", sign, thousands(all - lines.size()));
  return out;
}

std::string hunk_text(const DiffHunk& hunk) {
  std::string out = fmt::format("@@ A {} B {} @@ {} only in A, {} only in B{}\n", hunk.seq_a, hunk.seq_b,
                                thousands(hunk.only_a), thousands(hunk.only_b),
                                hunk.out_of_step ? "; out of step, no common point in the window" : "");
  out += lines_text(hunk.context, ' ', 0);
  out += lines_text(hunk.lines_a, '-', hunk.only_a);
  return out + lines_text(hunk.lines_b, '+', hunk.only_b);
}

std::string value_text(const ValueDifference& v) {
  return fmt::format("  {:<38} {:<5} {:>9} of {:<9} {}; first at A {} B {}: 0x{:x} and 0x{:x}\n",
                     printable_text(v.name), v.write ? "write" : "read", thousands(v.differing),
                     thousands(v.compared), explain(v.stability), v.seq_a, v.seq_b, v.value_a, v.value_b);
}

std::string verdict(const DiffResult& r, bool sequence_only) {
  if (!r.same_sequence()) {
    return fmt::format("differ: {} {}, the first at A {} B {}", thousands(r.hunk_count),
                       r.hunk_count == 1 ? "place" : "places", r.first_a, r.first_b);
  }
  if (sequence_only) return "the same sequence of accesses (values were not judged)";
  if (r.stable_differing > 0) {
    return fmt::format("the same sequence of accesses, but {} values differ that should not",
                       thousands(r.stable_differing));
  }
  if (r.values_differing > 0) return "the same sequence of accesses; values differ only where they may";
  return "the same";
}

json lines_json(const std::vector<DiffLine>& lines) {
  json out = json::array();
  for (const DiffLine& line : lines) out.push_back({{"seq", line.seq}, {"text", line.text}});
  return out;
}

json side_json(const std::string& name, const DiffSide& side) {
  return {{"trace", name},
          {"events", side.events},
          {"compared", side.compared},
          {"only", side.only},
          {"lost_events", side.lost_events}};
}

std::string_view key_of(Stability stability) {
  switch (stability) {
    case Stability::kStable:
      return "stable";
    case Stability::kTime:
      return "time";
    case Stability::kAddress:
      return "address";
    case Stability::kMemory:
      return "memory";
  }
  return "";
}

}  // namespace

std::string diff_text(const DiffResult& r, const std::string& name_a, const std::string& name_b,
                      bool sequence_only) {
  std::string out = side_line("A", name_a, r.a) + side_line("B", name_b, r.b);
  out += fmt::format("sequence: {} events in step, {} only in A, {} only in B\n", thousands(r.matched),
                     thousands(r.a.only), thousands(r.b.only));
  for (const DiffHunk& hunk : r.hunks) out += hunk_text(hunk);
  if (r.hunk_count > r.hunks.size())
    out += fmt::format("… {} more places\n", thousands(r.hunk_count - r.hunks.size()));
  out +=
      fmt::format("values: {} of {} differ\n", thousands(r.values_differing), thousands(r.values_compared));
  for (size_t i = 0; i < std::min(r.values.size(), kMaxValueLines); ++i) out += value_text(r.values[i]);
  if (r.values.size() > kMaxValueLines)
    out += fmt::format("  … {} more registers\n", r.values.size() - kMaxValueLines);
  if (r.values_unlisted > 0)
    out += fmt::format("  … {} differing values of registers beyond these\n", thousands(r.values_unlisted));
  return out + "verdict: " + verdict(r, sequence_only) + "\n";
}

std::string diff_json(const DiffResult& r, const std::string& name_a, const std::string& name_b,
                      bool sequence_only) {
  json hunks = json::array();
  for (const DiffHunk& h : r.hunks) {
    hunks.push_back({{"seq_a", h.seq_a},
                     {"seq_b", h.seq_b},
                     {"only_a", h.only_a},
                     {"only_b", h.only_b},
                     {"out_of_step", h.out_of_step},
                     {"context", lines_json(h.context)},
                     {"lines_a", lines_json(h.lines_a)},
                     {"lines_b", lines_json(h.lines_b)}});
  }
  json values = json::array();
  for (const ValueDifference& v : r.values) {
    values.push_back({{"register", v.name},
                      {"kind", v.write ? "write" : "read"},
                      {"stability", key_of(v.stability)},
                      {"compared", v.compared},
                      {"differing", v.differing},
                      {"differing_bits", fmt::format("0x{:x}", v.differing_bits)},
                      {"seq_a", v.seq_a},
                      {"seq_b", v.seq_b},
                      {"value_a", fmt::format("0x{:x}", v.value_a)},
                      {"value_b", fmt::format("0x{:x}", v.value_b)}});
  }
  json out{{"a", side_json(name_a, r.a)},
           {"b", side_json(name_b, r.b)},
           {"same", sequence_only ? r.same_sequence() : r.same()},
           {"same_sequence", r.same_sequence()},
           {"matched", r.matched},
           {"difference_count", r.hunk_count},
           {"differences", hunks},
           {"values_compared", r.values_compared},
           {"values_unknown", r.values_unknown},
           {"values_differing", r.values_differing},
           {"stable_values_differing", r.stable_differing},
           {"values", values},
           {"verdict", verdict(r, sequence_only)}};
  if (r.values_unlisted > 0) out["values_unlisted"] = r.values_unlisted;
  return out.dump(1, ' ', false, json::error_handler_t::replace);
}

}  // namespace gpuvm
