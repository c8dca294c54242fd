#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <protozero/pbf_reader.hpp>
#include <sstream>

#include "tests/unit/traces/export/export_helpers.h"
#include "traces/context.h"
#include "traces/export/text.h"
#include "traces/regmap/gf100_namer.h"

namespace gpuvm {
namespace {

using namespace testing;

MemoryTrace small_trace() {
  return import_text(std::string(kCard) +
                     "R 4 10.000001 2 0xf6000000 0xc0a00a1 0x0 0\n"
                     "MARK 10.000002 phase init\n"
                     "W 4 10.000003 2 0xf6002270 0x1234 0x0 0\n"
                     "W 8 10.000003 2 0xf0000020 0x1 0x0 0\n"
                     "R 1 10.000003 2 0xa0000020 0xffffff80 0x0 0\n"
                     "MARK 10.000004 say \"hi\", \xff\n"
                     "CPU:1 [LOST 5 EVENTS]\n")
      .trace;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(JsonlExport, KeysOfTheContract) {
  const MemoryTrace trace = small_trace();
  ExportInput input = input_of(trace);
  const Gf100Namer namer;
  input.namer = &namer;
  const std::vector<std::string> lines = lines_of(export_text(trace, "jsonl", input));
  ASSERT_EQ(lines.size(), 8u);
  EXPECT_THAT(lines[3],
              ::testing::StartsWith("{\"seq\": 3, \"time_us\": 2, \"kind\": \"mmio_write\", \"bar\": 0, "
                                    "\"offset\": \"0x002270\", \"width\": 4, \"value\": \"0x00001234\", "
                                    "\"register\": \"PFIFO.PLAYLIST_WR\""));
  EXPECT_THAT(lines[3], ::testing::EndsWith("\"phase\": \"init\"}"));
  for (const std::string& line : lines) EXPECT_TRUE(nlohmann::json::accept(line)) << line;
  EXPECT_EQ(nlohmann::json::parse(lines[1]).count("phase"), 0u);
  EXPECT_EQ(nlohmann::json::parse(lines[4]).count("register"), 0u) << "BAR3 has no registers";
  EXPECT_EQ(nlohmann::json::parse(lines[5])["address"], "0xa0000020");
  EXPECT_EQ(nlohmann::json::parse(lines[5])["flags"][0], "value_wide");
  EXPECT_EQ(nlohmann::json::parse(lines[6])["text"], "say \"hi\", \xef\xbf\xbd");
  EXPECT_EQ(nlohmann::json::parse(lines[7])["lost"], 5);
}

TEST(CsvExport, QuotesWhatNeedsIt) {
  const MemoryTrace trace = small_trace();
  const std::string text = export_text(trace, "csv", input_of(trace));
  EXPECT_THAT(text, ::testing::StartsWith("seq,time_us,kind,bar,address,width,value,register,decoded,phase,"
                                          "flags,context,text,label,vector,old\r\n"));
  EXPECT_THAT(text, ::testing::HasSubstr("3,2,mmio_write,0,0x2270,4,0x00001234,,,init,,1,,,,\r\n"));
  EXPECT_THAT(text, ::testing::HasSubstr("6,3,mark,,0x0,,,,,init,,,\"say \"\"hi\"\", \xff\",,,\r\n"));
}

TEST(CsvExport, AFormulaIsDefused) {
  MemoryTrace trace;
  ASSERT_TRUE(trace.write({.kind = EventKind::kMark}, as_bytes("=HYPERLINK(1)")).ok());
  EXPECT_THAT(export_text(trace, "csv", {}), ::testing::HasSubstr(",\"'=HYPERLINK(1)\",,,\r\n"));
}

TEST(PerfettoExport, PacketsAreWellFormed) {
  const MemoryTrace trace = small_trace();
  ExportInput input = input_of(trace);
  const Gf100Namer namer;
  input.namer = &namer;
  const std::string bytes = export_text(trace, "perfetto", input);
  size_t tracks = 0, instants = 0, begins = 0, ends = 0;
  std::vector<std::string> names;
  protozero::pbf_reader file(bytes);
  while (file.next(1)) {
    protozero::pbf_reader packet = file.get_message();
    while (packet.next()) {
      if (packet.tag() == 60) {
        ++tracks;
        packet.skip();
      } else if (packet.tag() == 12) {
        protozero::pbf_reader interned = packet.get_message();
        while (interned.next(2)) {
          protozero::pbf_reader entry = interned.get_message();
          while (entry.next()) {
            if (entry.tag() == 2)
              names.push_back(entry.get_string());
            else
              entry.skip();
          }
        }
      } else if (packet.tag() == 11) {
        protozero::pbf_reader event = packet.get_message();
        while (event.next()) {
          if (event.tag() != 9) {
            event.skip();
            continue;
          }
          const int type = event.get_enum();
          begins += type == 1, ends += type == 2, instants += type == 3;
        }
      } else {
        packet.skip();
      }
    }
  }
  EXPECT_EQ(tracks, 15u);
  EXPECT_EQ(begins, 1u);
  EXPECT_EQ(ends, 1u);
  EXPECT_EQ(instants, 6u);
  EXPECT_THAT(names, ::testing::Contains("W PFIFO.PLAYLIST_WR"));
}

TEST(ExportText, Numbers) {
  std::string out;
  append_hex(0, 1, &out), out += ' ';
  append_hex(0, 6, &out), out += ' ';
  append_hex(~uint64_t{0}, 1, &out), out += ' ';
  append_microseconds(12'345'006, &out), out += ' ';
  append_microseconds(12'000, &out);
  EXPECT_EQ(out, "0x0 0x000000 0xffffffffffffffff 12345.006 12");
}

TEST(ExportText, JsonStringsAreAlwaysValid) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; b += 7) {
      const std::string text{static_cast<char>(a), static_cast<char>(b), 'x'};
      std::string out;
      append_json_string(text, &out);
      EXPECT_TRUE(nlohmann::json::accept(out)) << a << " " << b;
    }
  }
}

}  // namespace
}  // namespace gpuvm
