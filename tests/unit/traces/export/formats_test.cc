#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
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

TEST(ExportText, Numbers) {
  std::string out;
  append_hex(0, 1, &out), out += ' ';
  append_hex(0, 6, &out), out += ' ';
  append_hex(~uint64_t{0}, 1, &out), out += ' ';
  append_microseconds(12'345'006, &out), out += ' ';
  append_microseconds(12'000, &out);
  EXPECT_EQ(out, "0x0 0x000000 0xffffffffffffffff 12345.006 12");
}

TEST(ExportText, NumbersOfEveryLengthAreAsPrintfHasThem) {
  std::vector<uint64_t> values = {0, ~uint64_t{0}};
  for (uint64_t power = 1;; power *= 10) {
    values.insert(values.end(), {power - 1, power, power + 1});
    if (power > ~uint64_t{0} / 10) break;
  }
  for (unsigned bit = 0; bit < 64; ++bit)
    values.insert(values.end(), {(uint64_t{1} << bit) - 1, uint64_t{1} << bit});
  for (const uint64_t value : values) {
    char text[64];
    EXPECT_EQ(std::string(text, write_decimal(value, 0, text)), fmt::format("{}", value));
    EXPECT_EQ(std::string(text, write_decimal(value, 9, text)), fmt::format("{:9}", value));
    EXPECT_EQ(std::string(text, write_digits(value, 7, text)), fmt::format("{:07}", value % 10'000'000));
    EXPECT_EQ(std::string(text, write_digits(value, 20, text)), fmt::format("{:020}", value));
    for (const unsigned digits : {0u, 1u, 2u, 7u, 8u, 16u, 200u}) {
      EXPECT_EQ(std::string(text, write_hex(value, digits, text)),
                fmt::format("0x{:0{}x}", value, std::min(digits, 16u)));
    }
  }
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
