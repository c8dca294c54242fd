// What the import tests share: text in, report and events out.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "traces/core/memory_stream.h"
#include "traces/import/import.h"

namespace gpuvm::testing {

struct Imported {
  ImportReport report;
  MemoryTrace trace;

  const Event& event(size_t i) const { return trace.events().at(i); }
  std::string_view payload(size_t i) const { return as_text(batch().payload(event(i))); }
  EventBatch batch() const { return trace.batch(); }
  // Events without the contexts that stand between them.
  std::vector<Event> accesses() const {
    std::vector<Event> found;
    for (const Event& e : trace.events()) {
      if (is_mmio(e.kind)) found.push_back(e);
    }
    return found;
  }
};

inline Imported import_text(std::string_view text, ImportOptions options = {}) {
  Imported result;
  auto source = memory_byte_source(text, "log");
  EXPECT_TRUE(source.ok());
  auto report = import_log(*source.value(), result.trace, options);
  EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().message);
  if (report.ok()) result.report = std::move(report).value();
  return result;
}

// Of a log that may hold nothing: only that there is an answer.
inline void import_damaged(std::string_view text, const ImportOptions& options) {
  auto source = memory_byte_source(text, "log");
  if (!source) return;
  MemoryTrace trace;
  const auto report = import_log(*source.value(), trace, options);
  if (!report) return;
  EXPECT_EQ(report.value().events, trace.events().size());
}

// A card as the kernel prints it: BAR0 16 MiB, BAR1 128 MiB, BAR3 64 MiB, I/O, ROM.
inline constexpr std::string_view kCard =
    "VERSION 20070824\n"
    "PCIDEV 0100 10de06d8 b f6000000 e800000c 0 f000000c 0 e001 c0002 1000000 8000000 0 4000000 0 80 20000 "
    "nouveau\n";

}  // namespace gpuvm::testing
