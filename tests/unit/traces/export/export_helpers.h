// What the export tests share.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/unit/traces/import/import_helpers.h"
#include "traces/export/export.h"

namespace gpuvm::testing {

inline ExportInput input_of(const MemoryTrace& trace) {
  ExportInput input;
  const auto attachment = [&](std::string_view name) {
    const auto found = trace.attachments().find(std::string(name));
    return found == trace.attachments().end() ? std::string() : found->second;
  };
  if (const auto meta = meta_from_json(attachment(kMetaAttachment)); meta.ok()) input.meta = meta.value();
  input.log_header = attachment(kLogHeaderAttachment);
  input.import_json = attachment(kImportAttachment);
  return input;
}

inline std::string export_text(const MemoryTrace& trace, std::string_view format, const ExportInput& input) {
  MemorySource source(trace, 3);
  StringSink sink;
  const auto done = export_trace(source, sink, *find_export_format(format), input);
  EXPECT_TRUE(done.ok()) << (done.ok() ? "" : done.error().message);
  return sink.text();
}

// The same events with the same payloads; where payloads lie in the blob does not matter.
inline void expect_same_events(const MemoryTrace& a, const MemoryTrace& b) {
  ASSERT_EQ(a.events().size(), b.events().size());
  for (size_t i = 0; i < a.events().size(); ++i) {
    Event x = a.events()[i], y = b.events()[i];
    ASSERT_EQ(as_text(a.batch().payload(x)), as_text(b.batch().payload(y))) << "event " << i;
    if (has_payload(x.kind)) x.value = y.value = 0;
    ASSERT_TRUE(x == y) << "event " << i << ": kind " << int(x.kind) << "/" << int(y.kind) << " time "
                        << x.time_ns << "/" << y.time_ns << " address " << x.address << "/" << y.address
                        << " aux " << x.aux << "/" << y.aux << " space " << int(x.space) << "/"
                        << int(y.space);
  }
}

}  // namespace gpuvm::testing
