#include "traces/regmap/name_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "traces/regmap/table_namer.h"

namespace gpuvm {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<TableNamer> namer(const std::string& text, std::unique_ptr<RegisterNamer> base = nullptr) {
  Result<NameTable> table = parse_name_table(text, "t");
  EXPECT_TRUE(table.ok()) << (table.ok() ? "" : table.error().message);
  auto made = TableNamer::create(table.ok() ? std::move(table).value() : NameTable{}, std::move(base));
  EXPECT_TRUE(made.ok());
  return std::move(made).value();
}

std::string problem(const std::string& text) {
  const Result<NameTable> table = parse_name_table(text, "t");
  return table.ok() ? "" : table.error().message;
}

Event access(uint8_t bar, uint64_t address, uint64_t value = 0, uint8_t width = 4,
             EventKind kind = EventKind::kMmioRead) {
  return {.address = address, .value = value, .kind = kind, .space = bar, .width = width};
}
Event select(uint64_t address, uint64_t value, uint8_t width = 4) {
  return access(0, address, value, width, EventKind::kConfigWrite);
}

TEST(NameTable, RegistersOfEveryPlace) {
  const auto map = namer(
      "# comment\r\n"
      "bar0 0x10 A\n"
      "bar2 16:2 B  # two bytes\n"
      "bus 0xfed40000 TPM.ACCESS\n"
      "config 0x80 WINDOW\n");
  AccessNamer names(*map);
  EXPECT_EQ(names.name(access(0, 0x10)).name, "A");
  EXPECT_TRUE(names.name(access(0, 0x10)).full);
  EXPECT_EQ(names.name(access(0, 0x12, 0, 2)).name, "A+0x2");
  EXPECT_FALSE(names.name(access(0, 0x12, 0, 2)).full);
  EXPECT_EQ(names.name(access(2, 0x10, 0, 2)).name, "B");
  EXPECT_EQ(names.name(access(2, 0x12, 0, 2)).name, "");
  EXPECT_EQ(names.name(access(1, 0x10)).name, "");
  EXPECT_EQ(names.name(access(kNoBar, 0xfed40000)).name, "TPM.ACCESS");
  EXPECT_EQ(names.name(select(0x80, 0)).name, "WINDOW");
}

TEST(NameTable, FieldsAndTheirValues) {
  const auto map = namer("bar0 0 CTRL ENABLE=0 MODE=5:4{0:off,1:fifo} LEVEL=15:8\n");
  AccessNamer names(*map);
  EXPECT_EQ(names.decode(access(0, 0, 0x1211)), "{ ENABLE | MODE = fifo | LEVEL = 0x12 }");
  EXPECT_EQ(names.decode(access(0, 0, 0x10030)), "{ MODE = 0x3 | LEVEL = 0 | 0x10000 }");
}

TEST(NameTable, ArraysByElement) {
  const auto map = namer(
      "bar0 0x100+0x20*4 DMA[].CTRL ON=0\n"
      "bar0 0x104+0x20*4 DMA[].PTR\n"
      "bar0 0x200+4*8 SCRATCH\n");
  AccessNamer names(*map);
  EXPECT_EQ(names.name(access(0, 0x100)).name, "DMA[0].CTRL");
  EXPECT_EQ(names.name(access(0, 0x164)).name, "DMA[0x3].PTR");
  EXPECT_EQ(names.name(access(0, 0x184)).name, "");
  EXPECT_EQ(names.name(access(0, 0x21c)).name, "SCRATCH[0x7]");
  EXPECT_EQ(names.decode(access(0, 0x120, 1)), "{ ON }");
}

TEST(NameTable, ANarrowerRangeAndARegisterSayMore) {
  const auto map = namer("bar0 0-0xfff CORE\nbar0 0x100-0x1ff DMA\nbar0 0x104 DMA.CTRL\n");
  EXPECT_EQ(map->find(0x20).name, "CORE+0x20");
  EXPECT_EQ(map->find(0x108).name, "DMA+0x8");
  EXPECT_EQ(map->find(0x104).name, "DMA.CTRL");
  EXPECT_EQ(map->find(0x1000).name, "");
}

constexpr const char* kBackplane =
    "config 0x80 BAR0_WINDOW\n"
    "window backplane = bar0 0x0-0xfff by config 0x80\n"
    "backplane 0x18000000-0x18000fff CHIPCOMMON\n"
    "backplane 0x18000000 CHIPCOMMON.ID\n"
    "backplane 0x18001120 D11.MACCONTROL\n";

TEST(NameTable, AWindowLeadsWhereItsSelectorSays) {
  const auto map = namer(kBackplane);
  AccessNamer names(*map);
  EXPECT_EQ(names.name(access(0, 0x120)).name, "backplane[?]+0x120") << "nothing has told the bank yet";
  names.observe(select(0x80, 0x18000000));
  EXPECT_EQ(names.name(access(0, 0)).name, "CHIPCOMMON.ID");
  EXPECT_EQ(names.name(access(0, 0x120)).name, "CHIPCOMMON+0x120");
  names.observe(select(0x80, 0x18001000));
  EXPECT_EQ(names.name(access(0, 0x120)).name, "D11.MACCONTROL");
  EXPECT_EQ(names.name(access(0, 0x124)).name, "backplane+0x18001124");
  EXPECT_EQ(names.name(access(0, 0x1000)).name, "") << "behind the window";
  names.observe(select(0x81, 0, 1));
  EXPECT_EQ(names.name(access(0, 0)).name, "CHIPCOMMON.ID") << "a byte of the selector was written";
  names.observe({.kind = EventKind::kReset});
  EXPECT_EQ(names.name(access(0, 0)).name, "backplane[?]+0x0");
}

TEST(NameTable, ASelectorThatIsReadTellsToo) {
  const auto map = namer(
      "window vram = bar0 0x700000-0x7fffff by bar0 0x1700 mask 0xffffff shift 16\n"
      "vram 0x30000100 FIRMWARE\n");
  AccessNamer names(*map);
  names.observe(access(0, 0x1700, 0x1003000));
  EXPECT_EQ(names.name(access(0, 0x700100)).name, "FIRMWARE");
  Event unknown = access(0, 0x1700, 0x5);
  unknown.flags = kFlagValueUnknown;
  names.observe(unknown);
  EXPECT_EQ(names.name(access(0, 0x700100)).name, "vram[?]+0x100");
}

TEST(NameTable, AProgramsUpdateOfTheSelectorTellsToo) {
  const auto map = namer(
      "window vram = bar0 0x700000-0x7fffff by bar0 0x1700 mask 0xffffff shift 16\n"
      "vram 0x30000100 FIRMWARE\n");
  AccessNamer names(*map);
  const uint32_t before = 0x1, after = 0x1003000;
  const auto bytes = [](const uint32_t& word) { return std::as_bytes(std::span(&word, 1)); };
  Event update = access(0, 0x1700, 0);
  update.kind = EventKind::kUpdate;
  names.observe(update, as_bytes(encode_program_access(0, bytes(before), bytes(after))));
  EXPECT_EQ(names.name(access(0, 0x700100)).name, "FIRMWARE");
  // A trace may hold any width; a value has eight bytes.
  Event absurd = access(0, 0x16f0, ~uint64_t{0});
  absurd.width = 255;
  names.observe(absurd);
  EXPECT_EQ(names.name(access(0, 0x700100)).name, "vram+0x100");
}

TEST(NameTable, WhatIsBelowAnswersWhereTheTableDoesNot) {
  class Base : public RegisterNamer {
   public:
    RegisterHit find(uint64_t offset) const override {
      return {.name = "BASE", .bits = offset < 0x200 ? 32u : 0u, .exact = true};
    }
    void decode(const RegisterHit&, uint64_t, std::string* out) const override { *out += "base"; }
  };
  const auto map = namer("bar0 0x10 MINE\nbar0 0x100-0x2ff BLOCK\n", std::make_unique<Base>());
  AccessNamer names(*map);
  EXPECT_EQ(names.name(access(0, 0x10)).name, "MINE");
  EXPECT_EQ(names.name(access(0, 0x20)).name, "BASE");
  EXPECT_EQ(names.decode(access(0, 0x20)), "base");
  EXPECT_EQ(names.name(access(0, 0x110)).name, "BASE") << "a register says more than a range";
  EXPECT_EQ(names.name(access(0, 0x210)).name, "BLOCK+0x110");
  EXPECT_EQ(names.name(access(1, 0x20)).name, "");
}

TEST(NameTable, OneLineSaysWhatIsWrong) {
  EXPECT_EQ(problem("bar0 0x10 A\nbar7 0 B\n"),
            "t:2: \"bar7\" is no place; write bar0 ... bar5, rom, bus, config, or a window declared above");
  EXPECT_THAT(problem("bar0 zz A"), HasSubstr("t:1: \"zz\" is no offset"));
  EXPECT_THAT(problem("bar0 0x10:3 A"), HasSubstr("is no offset"));
  EXPECT_THAT(problem("bar0 0x20-0x10 A"), HasSubstr("is no offset"));
  EXPECT_THAT(problem("bar0 0x10+2*4 A"), HasSubstr("is no offset")) << "elements of 4 bytes, 2 apart";
  EXPECT_THAT(problem("bar0 0xffffffffffffffff A"), HasSubstr("is no offset"));
  EXPECT_THAT(problem("bar0 0x10+0xffffffffffffff*0xffff A"), HasSubstr("is no offset"));
  EXPECT_THAT(problem("bar0 0x10"), HasSubstr("a name is"));
  EXPECT_THAT(problem("bar0 0x10 A X=32"), HasSubstr("is no field of 32 bits"));
  EXPECT_THAT(problem("bar0 0x10 A X=3:4"), HasSubstr("is no field"));
  EXPECT_THAT(problem("bar0 0x10 A X=4{0}"), HasSubstr("is no field"));
  EXPECT_THAT(problem("bar0 0x10 A[].B"), HasSubstr("[] stands once"));
  EXPECT_THAT(problem("bar0 0x10-0x1f A X=1"), HasSubstr("a range has no fields"));
  EXPECT_THAT(problem("bar0 0x10 A\nbar0 16 B"), HasSubstr("t:2: bar0 16 is named in line 1 already"));
  EXPECT_THAT(problem("window w = bar0 0-0xff by w 0"), HasSubstr("is no place"));
  EXPECT_THAT(problem("window w = bar0 0-0xff by config 0\nwindow v = w 0-1 by config 0"),
              HasSubstr("a window lies in a BAR"));
  EXPECT_THAT(problem("window bar1 = bar0 0-0xff by config 0"), HasSubstr("is a place already"));
  EXPECT_THAT(problem("window w = bar0 0-0xff by config 0 mask 0"), HasSubstr("a window is"));
}

TEST(NameTable, HostileFilesAreBounded) {
  EXPECT_THAT(problem(std::string(kMaxNameTableBytes + 1, '\n')), HasSubstr("larger than"));
  EXPECT_THAT(problem(std::string(70000, '\n')), HasSubstr("more than 65536 lines"));
  EXPECT_THAT(problem("bar0 0 " + std::string(200, 'x')), HasSubstr("is no name"));
  EXPECT_THAT(problem(std::string(5000, ' ')), HasSubstr("longer than"));
  EXPECT_THAT(problem("bar0 0 A\x1b[31m"), ::testing::Not(HasSubstr("\x1b")));
  std::string windows;
  for (int i = 0; i < 17; ++i) windows += "window w" + std::to_string(i) + " = bar0 0-1 by config 0\n";
  EXPECT_THAT(problem(windows), HasSubstr("more than 16 windows"));
  // Arrays that all overlap: refused, or looked up in bounded time.
  std::string arrays;
  for (int i = 0; i < 20000; ++i) arrays += "bar0 " + std::to_string(i) + ":1+0x100000*16000000 A\n";
  auto table = parse_name_table(arrays, "t");
  ASSERT_TRUE(table.ok());
  EXPECT_FALSE(TableNamer::create(std::move(table).value(), nullptr).ok());
}

}  // namespace
}  // namespace gpuvm
