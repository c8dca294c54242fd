#include "traces/regmap/rnndb_write.h"

#include <gtest/gtest.h>

#include "traces/regmap/gf100.h"
#include "traces/regmap/rnndb.h"

namespace gpuvm {
namespace {

std::unique_ptr<RnndbNamer> load(const std::string& xml) {
  const auto database = rnn::load_text({{"root.xml", xml}}, "root.xml");
  EXPECT_TRUE(database.ok()) << (database.ok() ? "" : database.error().message);
  EXPECT_EQ(database.value().problem_count, 0u);
  return std::move(RnndbNamer::create(database.value(), std::nullopt)).value();
}

TEST(RnndbWrite, WhatItWritesLoads) {
  const std::vector<rnn::RegisterDeclaration> registers = {
      {.name = "PMC.ID", .offset = 0, .access = "r", .fields = {{"STEPPING", 0, 7}, {"ON", 31, 31}}},
      {.name = "PMC.SCRATCH", .offset = 0x40, .count = 4},
      {.name = "PFIFO.CHAN_TABLE[].CHAN", .offset = 0x3000, .count = 8, .stride = 8},
      {.name = "PLAIN<&>", .offset = 0x5000, .width = 8},
  };
  const auto namer = load(rnn::to_xml(registers));
  EXPECT_EQ(namer->find(0).name, "PMC.ID");
  EXPECT_EQ(namer->find(0x48).name, "PMC.SCRATCH[0x2]");
  EXPECT_EQ(namer->find(0x3018).name, "PFIFO.CHAN_TABLE[0x3].CHAN");
  EXPECT_EQ(namer->find(0x301c).name, "");
  EXPECT_EQ(namer->find(0x5000).name, "PLAIN<&>");
  EXPECT_EQ(namer->find(0x5000).bits, 8u);
  std::string text;
  namer->decode(namer->find(0), 0x800000a1, &text);
  EXPECT_EQ(text, "{ STEPPING = 0xa1 | ON }");
}

// Our map says the same through the database as by itself, at every word that it names.
TEST(RnndbWrite, OurOwnMap) {
  const auto namer = load(rnn::to_xml(rnn::declarations_of(gf100::registers())));
  size_t compared = 0;
  for (uint32_t offset = 0; offset < gf100::kMappedBytes; offset += 4) {
    const gf100::Element element = gf100::RegisterIndex::shared().find(offset);
    if (!element.known()) continue;
    const Register& reg = gf100::registers()[element.reg];
    if (reg.count > 64 && element.index % 97 != 0) continue;  // long arrays by samples
    const std::string index = element.index == 0 ? "[0]" : fmt::format("[0x{:x}]", element.index);
    std::string expected(reg.name);
    if (const size_t brackets = expected.find("[]"); brackets != std::string::npos) {
      expected.replace(brackets, 2, reg.count == 1 ? "" : index);
    } else if (reg.count != 1) {
      expected += index;
    }
    ASSERT_EQ(namer->find(offset).name, expected) << fmt::format("0x{:x}", offset);
    ++compared;
  }
  EXPECT_GT(compared, 500u);
}

}  // namespace
}  // namespace gpuvm
