// gpuvm verify: is the file whole, and what is missing; with --repair, what is whole into a new file.
#include <nlohmann/json.hpp>

#include "cli/print.h"
#include "cli/verbs.h"
#include "traces/format/verify.h"

namespace gpuvm::cli {
namespace {

using json = nlohmann::ordered_json;  // keys in the order of the contract

constexpr size_t kListed = 12;  // places told to a person; --json has them all

json to_json(const VerifyReport& report) {
  json damage = json::array(), missing = json::array();
  for (const TraceDamage& place : report.damage) {
    damage.push_back({{"offset", place.offset}, {"bytes", place.bytes}, {"what", place.what}});
  }
  for (const MissingEvents& hole : report.missing) {
    missing.push_back({{"first_seq", hole.first_seq}, {"count", hole.count}});
  }
  return {{"bytes", report.file_bytes},
          {"whole", report.whole()},
          {"complete", report.complete},
          {"cut", report.cut},
          {"events", report.events},
          {"event_chunks", report.event_chunks},
          {"attachments", report.attachments},
          {"unknown_chunks", report.unknown_chunks},
          {"damaged_places", report.damaged_places},
          {"missing_events", report.missing_events},
          {"damage", damage},
          {"missing", missing}};
}

void print_report(const VerifyReport& report) {
  print("{:<12} {} events in {} chunks, {} attachments, {}\n", report.whole() ? "whole" : "not whole",
        thousands(report.events), thousands(report.event_chunks), report.attachments,
        bytes_text(report.file_bytes));
  if (report.unknown_chunks > 0) {
    print("{:<12} {} chunks of a later version, kept as they are\n", "unknown", report.unknown_chunks);
  }
  size_t listed = 0;
  for (const TraceDamage& place : report.damage) {
    if (++listed > kListed) break;
    print("{:<12} byte {}, {}: {}\n", "damage", thousands(place.offset), bytes_text(place.bytes),
          printable_text(place.what));
  }
  if (report.damaged_places > kListed)
    print("{:<12} and {} more places\n", "", report.damaged_places - kListed);
  listed = 0;
  for (const MissingEvents& hole : report.missing) {
    if (++listed > kListed) break;
    print("{:<12} events {} to {} ({})\n", "missing", hole.first_seq, hole.first_seq + hole.count - 1,
          thousands(hole.count));
  }
  if (report.missing.size() > kListed)
    print("{:<12} {} events in all\n", "", thousands(report.missing_events));
  if (!report.complete) {
    print("{:<12} not closed: still being recorded, or its recorder was killed;\n", "end");
    print("{:<12} up to 65,536 events or one second may be missing there\n", "");
  }
}

}  // namespace

int run_verify(const VerifyOptions& options) {
  if (const Status other = expect_other_output({options.trace}); !other) return fail(other.error());
  VerifyReport report;
  json out;
  if (options.repair.empty()) {
    Result<VerifyReport> verified = verify_trace(options.trace);
    if (!verified) return fail(verified.error());
    report = std::move(verified).value();
    out = to_json(report);
    if (!options.json) print_report(report);
  } else {
    Result<RepairReport> repaired = repair_trace(options.trace, options.repair);
    if (!repaired) return fail(repaired.error());
    report = std::move(repaired.value().found);
    out = to_json(report);
    out["repaired"] = {{"path", options.repair},
                       {"events", repaired.value().saved_events},
                       {"loss_events", repaired.value().loss_events}};
    if (!options.json) {
      print_report(report);
      print("{:<12} {}: {} events, {} marks of loss\n", "repaired", options.repair,
            thousands(repaired.value().saved_events), repaired.value().loss_events);
    }
  }
  out["path"] = options.trace;
  if (options.json) print_json(out.dump(1, ' ', false, json::error_handler_t::replace));
  return report.whole() ? kDone : kDoesNotHold;
}

}  // namespace gpuvm::cli
