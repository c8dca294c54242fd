// A program's accesses: whole in every format, and refused where they are damaged.
#include "traces/program_access.h"

#include "tests/unit/traces/export/export_helpers.h"
#include "tests/unit/traces/format/test_events.h"
#include "traces/format/gvt.h"
#include "traces/format/layout.h"

namespace gpuvm {
namespace {

using testing::export_text;
using testing::input_of;

MemoryTrace sample() {
  MemoryTrace trace;
  const std::string wide(16, '\x5a');
  const std::string old_value("\x34\x12\0\0", 4), new_value("\x35\x12\0\0", 4);
  EXPECT_TRUE(
      trace
          .write({.address = 0x40, .kind = EventKind::kUpdate, .space = 1, .width = 4, .flags = kFlagAtomic},
                 as_bytes(encode_program_access(7, as_bytes(old_value), as_bytes(new_value))))
          .ok());
  EXPECT_TRUE(trace
                  .write({.address = 0x80, .kind = EventKind::kWideWrite, .space = 1, .width = 16},
                         as_bytes(encode_program_access(7, {}, as_bytes(wide))))
                  .ok());
  EXPECT_TRUE(trace
                  .write({.address = 0x90, .kind = EventKind::kWideRead, .space = 1, .width = 10},
                         as_bytes(encode_program_access(7, as_bytes(wide).first(10), {})))
                  .ok());
  return trace;
}

TEST(ProgramAccess, IsMadeOfPlainOnes) {
  const MemoryTrace trace = sample();
  std::vector<Event> plain;
  for (const Event& event : trace.events())
    for_each_plain(event, trace.batch().payload(event), [&](const Event& e) { plain.push_back(e); });
  ASSERT_EQ(plain.size(), 6u);
  EXPECT_EQ(plain[0].kind, EventKind::kMmioRead);
  EXPECT_EQ(plain[0].value, 0x1234u);
  EXPECT_EQ(plain[1].kind, EventKind::kMmioWrite);
  EXPECT_EQ(plain[1].value, 0x1235u);
  EXPECT_EQ(plain[1].aux, 7u);
  EXPECT_EQ(plain[3].address, 0x88u);
  EXPECT_EQ(plain[4].width, 8u);
  EXPECT_EQ(plain[5].width, 2u);
  EXPECT_EQ(plain[5].value, 0x5a5au);
}

TEST(ProgramAccess, ADamagedOneIsRefused) {
  const Event update{.kind = EventKind::kUpdate, .width = 4};
  const std::string bytes(12, 'x');
  EXPECT_TRUE(decode_program_access(update, as_bytes(bytes)).ok());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_program_access(update, as_bytes(bytes).first(size)).ok()) << size;
    unsigned plain = 0;
    for_each_plain(update, as_bytes(bytes).first(size), [&](const Event&) { ++plain; });
    EXPECT_EQ(plain, 0u);
  }
  EXPECT_EQ(context_of(update, as_bytes(bytes).first(3)), 0u);
}

TEST(ProgramAccess, ExportsHoldOldAndNewValue) {
  const MemoryTrace trace = sample();
  const std::string csv = export_text(trace, "csv", input_of(trace));
  EXPECT_NE(csv.find("update,1,0x40,4,0x00001235,,,,atomic,7,,,,0x00001234\r\n"), std::string::npos) << csv;
  const std::string lines = export_text(trace, "jsonl", input_of(trace));
  EXPECT_NE(lines.find("\"old\": \"0x00001234\", \"value\": \"0x00001235\", \"context\": 7"),
            std::string::npos)
      << lines;
  EXPECT_NE(lines.find("\"width\": 10, \"value\": \"0x5a5a5a5a5a5a5a5a5a5a\""), std::string::npos) << lines;
}

TEST(ProgramAccess, SurvivesTheWayThroughAText) {
  const MemoryTrace trace = sample();
  const std::string text = export_text(trace, "mmiotrace", input_of(trace));
  const testing::Imported log = testing::import_text(text);
  MemoryTrace kept;
  for (const Event& event : log.trace.events()) {
    if (!is_program_access(event.kind)) continue;
    ASSERT_TRUE(kept.write(event, log.batch().payload(event)).ok());
  }
  testing::expect_same_events(trace, kept);
}

TEST(ProgramAccess, FilesWithThemTellOlderReaders) {
  testing::TempFile file;
  for (const bool have : {false, true}) {
    auto writer = TraceWriter::create(file.path(), {.program_accesses = have});
    ASSERT_TRUE(writer.ok() && writer.value()->close().ok());
    format::FileHeader header;
    const std::string bytes = testing::slurp(file.path());
    ASSERT_EQ(
        format::load_file_header({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, &header),
        format::HeaderState::kWhole);
    EXPECT_EQ(header.required_flags, have ? format::kProgramAccesses : 0u);
    EXPECT_TRUE(TraceReader::open(file.path()).ok());
  }
}

}  // namespace
}  // namespace gpuvm
