#include "traces/regmap/rnndb.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace gpuvm {
namespace {

constexpr uint32_t kGf100 = 0x0c0, kGk104 = 0x0e4, kG80 = 0x050;

rnn::Database database(const std::string& body) {
  const std::string text =
      "<database><enum name='chipset'><value name='NV1'/><value value='0x50' name='G80'/>"
      "<value value='0xc0' name='GF100'/><value value='0xe4' name='GK104'/></enum>"
      "<domain name='NV_MMIO' prefix='chipset' size='0x1000000'>" +
      body + "</domain></database>";
  Result<rnn::Database> loaded = rnn::load_text({{"root.xml", text}}, "root.xml");
  EXPECT_TRUE(loaded.ok()) << (loaded.ok() ? "" : loaded.error().message);
  return loaded.ok() ? std::move(loaded).value() : rnn::Database{};
}

std::unique_ptr<RnndbNamer> namer(const std::string& body, std::optional<uint32_t> chip = kGf100) {
  auto created = RnndbNamer::create(database(body), chip);
  EXPECT_TRUE(created.ok());
  return std::move(created).value();
}

std::string name_at(const std::string& body, uint64_t offset, std::optional<uint32_t> chip = kGf100) {
  return namer(body, chip)->find(offset).name;
}

std::string meaning(const std::string& register_body, uint64_t value, const std::string& attributes = "",
                    const std::string& beside = "") {
  const auto map =
      namer("<reg32 offset='0' name='R' " + attributes + ">" + register_body + "</reg32>" + beside);
  std::string text;
  map->decode(map->find(0), value, &text);
  return text;
}

TEST(Rnndb, RegistersAndTheirRests) {
  const std::string body =
      "<reg32 offset='0x100' name='A'/><reg32 offset='0x200' name='B' length='4' stride='0x10'/>"
      "<reg8 offset='0x300' name='C' length='4'/><reg32 offset='0x400' name='D' length='0' stride='8'/>";
  EXPECT_EQ(name_at(body, 0x100), "A");
  EXPECT_EQ(name_at(body, 0x102), "A+0x2");
  EXPECT_EQ(name_at(body, 0x104), "");
  EXPECT_EQ(name_at(body, 0x200), "B[0]");
  EXPECT_EQ(name_at(body, 0x230), "B[0x3]");
  EXPECT_EQ(name_at(body, 0x234), "");
  EXPECT_EQ(name_at(body, 0x240), "");
  EXPECT_EQ(name_at(body, 0x303), "C[0x3]");
  EXPECT_EQ(name_at(body, 0x100400), "D[0x20000]");
}

TEST(Rnndb, AnArrayOwnsItsRange) {
  const std::string body =
      "<array name='P' offset='0x1000' stride='0x100' length='2'><reg32 offset='0x10' name='X'/></array>"
      "<reg32 offset='0x1020' name='LATER'/>";
  EXPECT_EQ(name_at(body, 0x1010), "P[0].X");
  EXPECT_EQ(name_at(body, 0x1110), "P[0x1].X");
  EXPECT_EQ(name_at(body, 0x1020), "P[0]+0x20");
  EXPECT_EQ(name_at(body, 0x1200), "");
  const RegisterHit block = namer(body)->find(0x1020);
  EXPECT_EQ(block.bits, 0u);
  EXPECT_FALSE(block.exact);
}

TEST(Rnndb, AStripeOwnsNothing) {
  const std::string body =
      "<stripe name='S' offset='0x1000' stride='4' length='3'><reg32 offset='0' name='LO'/>"
      "<reg32 offset='0x20' name='HI'/></stripe><reg32 offset='0x1010' name='LATER'/>";
  EXPECT_EQ(name_at(body, 0x1008), "S[0x2].LO");
  EXPECT_EQ(name_at(body, 0x1024), "S[0x1].HI");
  EXPECT_EQ(name_at(body, 0x1010), "LATER");
  EXPECT_EQ(name_at(body, 0x1030), "");
}

TEST(Rnndb, AStripeWithoutANameHandsItsIndexDown) {
  const std::string body =
      "<stripe offset='0x1000' stride='0x10' length='4'><reg32 offset='4' name='R'/>"
      "<array name='A' offset='8' stride='4' length='2'><reg32 offset='0' name='Q'/></array></stripe>";
  EXPECT_EQ(name_at(body, 0x1024), "R[0x2]");
  EXPECT_EQ(name_at(body, 0x103c), "A[0x3][0x1].Q");
}

TEST(Rnndb, AStripeWithoutEnd) {
  const std::string body = "<stripe stride='8' length='0'><reg32 offset='4' name='ODD'/></stripe>";
  EXPECT_EQ(name_at(body, 0xfffffc), "ODD[0x1fffff]");
  EXPECT_EQ(name_at(body, 0xfffff8), "");
}

TEST(Rnndb, GroupsAreCopiedIn) {
  const std::string body =
      "<array name='A' offset='0' stride='0x100'><use-group name='g'/></array>"
      "<array name='B' offset='0x100' stride='0x100'><use-group name='g'/></array>"
      "<group name='g'><reg32 offset='8' name='X'/></group>";
  EXPECT_EQ(name_at(body, 0x8), "A.X");
  EXPECT_EQ(name_at(body, 0x108), "B.X");
}

TEST(Rnndb, VariantsByPositionInTheEnum) {
  const std::string body =
      "<reg32 offset='0' name='OLD' variants='NV1:GF100'/><reg32 offset='0' name='NEW' variants='GF100-'/>"
      "<reg32 offset='4' name='ONE' variants='G80 GK104'/><reg32 offset='8' name='UPTO' variants='-GF100'/>"
      "<array name='A' offset='0x10' stride='0x10' variants='-GF100'><reg32 offset='0' name='R' "
      "variants='GK104-'/></array>";
  EXPECT_EQ(name_at(body, 0, kG80), "OLD");
  EXPECT_EQ(name_at(body, 0, kGf100), "NEW");
  EXPECT_EQ(name_at(body, 4, kGf100), "");
  EXPECT_EQ(name_at(body, 4, kGk104), "ONE");
  EXPECT_EQ(name_at(body, 8, kGk104), "");
  EXPECT_EQ(name_at(body, 0x10, kGf100), "A+0") << "GK104 and older than GK104: nothing is left";
  EXPECT_EQ(name_at(body, 0x10, std::nullopt), "A+0") << "dead without a chip, too";
  EXPECT_EQ(name_at(body, 0, std::nullopt), "OLD") << "without a chip the first that matches";
  EXPECT_EQ(name_at(body, 0, 0x1b2), "NEW") << "newer than the database: open ranges";
  EXPECT_EQ(name_at(body, 4, 0x1b2), "");
}

TEST(Rnndb, OtherVariantSetsStayOpen) {
  const std::string body =
      "<enum name='cls'><value name='A'/><value name='B'/></enum>"
      "<reg32 offset='0' name='X' varset='cls' variants='B'/>";
  EXPECT_EQ(name_at(body, 0), "X");
}

TEST(Rnndb, Values) {
  EXPECT_EQ(meaning("", 0x1234), "0x1234");
  EXPECT_EQ(meaning("", 0), "0");
  EXPECT_EQ(meaning("", 0xffffffff, "type='int'"), "-1");
  EXPECT_EQ(meaning("", 12, "type='uint'"), "12");
  EXPECT_EQ(meaning("", 0x3f800000, "type='float'"), "1.000000");
  EXPECT_EQ(meaning("", 0x180, "type='ufixed' radix='8'"), "1.500000");
  EXPECT_EQ(meaning("", 1, "type='boolean'"), "TRUE");
  EXPECT_EQ(meaning("", 2, "type='boolean'"), "0x2");
  EXPECT_EQ(meaning("", 0x12, "shr='12'"), "0x12000");
  EXPECT_EQ(meaning("<value value='1' name='ONE'/><value value='2' name='TWO'/>", 2), "TWO");
  EXPECT_EQ(meaning("<value value='1' name='ONE'/>", 7), "0x7");
  EXPECT_EQ(meaning("<value value='1' name='NEW' variants='GK104-'/><value value='1' name='HERE'/>", 1),
            "HERE");
  EXPECT_EQ(meaning("", 5, "type='nosuch'"), "0x5");
  EXPECT_EQ(meaning("", 3, "type='object'", "<spectype name='object' type='hex'/>"), "0x3");
  EXPECT_EQ(meaning("", 1, "type='e'", "<enum name='e'><value value='1' name='ONE'/></enum>"), "ONE");
}

TEST(Rnndb, Bitsets) {
  const std::string fields =
      "<bitfield pos='0' name='ON'/><bitfield low='4' high='7' name='N' type='uint'/>"
      "<bitfield low='8' high='11' name='MODE'><value value='2' name='FAST'/></bitfield>";
  EXPECT_EQ(meaning(fields, 0x00000251), "{ ON | N = 5 | MODE = FAST }");
  EXPECT_EQ(meaning(fields, 0x80000000), "{ N = 0 | MODE = 0 | 0x80000000 }");
  EXPECT_EQ(meaning("<bitfield pos='3' name='ON'/>", 0), "{ 0 }");
  EXPECT_EQ(meaning("<bitfield pos='3' name='ON'/>", 8), "{ ON }");
  EXPECT_EQ(meaning("", 8, "type='b'", "<bitset name='b'><bitfield pos='3' name='ON'/></bitset>"), "{ ON }");
  EXPECT_EQ(meaning("<bitfield low='8' high='31' name='ADDR' shr='8'/>", 0x12300), "{ ADDR = 0x12300 }");
  EXPECT_EQ(meaning("<bitfield low='0' high='3' name='A'><bitfield pos='1' name='IN'/></bitfield>", 2),
            "{ A = { IN } }");
}

// Each use of an inline type is a copy, whose variants are judged where it is used.
TEST(Rnndb, InlineTypesAreJudgedAtEachUse) {
  const std::string types =
      "<bitset name='bits' inline='yes'><bitfield pos='0' name='OLD' variants='G80:GF100'/>"
      "<bitfield pos='0' name='NEW' variants='GF100-'/></bitset>"
      "<enum name='unit' inline='yes'><value value='6' name='GONE' variants='G80:GF100'/>"
      "<value value='7' name='STAYS'/></enum>";
  EXPECT_EQ(meaning("", 1, "type='bits'", types), "{ NEW }");
  EXPECT_EQ(meaning("", 6, "type='unit'", types), "0x6");
  EXPECT_EQ(meaning("", 7, "type='unit'", types), "STAYS");
  EXPECT_EQ(meaning("<bitfield low='0' high='3' name='F' type='unit'/>", 6, "", types), "{ F = 0x6 }");
}

TEST(Rnndb, ABitsetOfItselfEnds) {
  const std::string text = meaning(
      "", 0xff, "type='b'", "<bitset name='b'><bitfield low='0' high='31' name='F' type='b'/></bitset>");
  EXPECT_THAT(text, ::testing::StartsWith("{ F = { F = "));
}

TEST(Rnndb, ProblemsAreToldWithTheirPlace) {
  const rnn::Database db = database(
      "<reg32 name='NOOFFSET'/>\n<reg32 offset='zz' name='BAD'/>\n<what/>\n"
      "<reg32 offset='0'><bitfield low='5' high='3' name='F'/></reg32>");
  ASSERT_GE(db.problem_count, 4u);
  EXPECT_THAT(db.problems[0], ::testing::HasSubstr("root.xml:1: <reg32>: has no offset"));
  EXPECT_THAT(db.problems[1], ::testing::HasSubstr("root.xml:2: <reg32>: offset=\"zz\""));
}

TEST(Rnndb, BadFilesAreErrors) {
  const auto load = [](const std::string& text) { return rnn::load_text({{"root.xml", text}}, "root.xml"); };
  EXPECT_THAT(load("<database><domain>").error().message,
              ::testing::StartsWith("root.xml:1: not well-formed"));
  EXPECT_FALSE(load("<x/>").ok());
  EXPECT_FALSE(load("").ok());
  EXPECT_THAT(load("<database>\n<import file='no.xml'/></database>").error().message,
              ::testing::HasSubstr("root.xml:2"));
  std::string deep = "<database>";
  for (int i = 0; i < 5000; ++i) deep += "<domain name='d'>";
  for (int i = 0; i < 5000; ++i) deep += "</domain>";
  EXPECT_FALSE(load(deep + "</database>").ok());
  EXPECT_FALSE(rnn::load("/nonexistent").ok());
}

TEST(Rnndb, ImportsAreReadOnceAndMayCircle) {
  const auto loaded =
      rnn::load_text({{"a.xml", "<database><import file='b.xml'/><domain name='D'/></database>"},
                      {"b.xml", "<database><import file='a.xml'/><enum name='e'/></database>"}},
                     "a.xml");
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded.value().files, 2u);
}

TEST(Rnndb, GroupsThatUnfoldWithoutEndAreAnError) {
  std::string body = "<use-group name='g0'/>";
  for (int i = 0; i < 40; ++i) {
    body += fmt::format("<group name='g{}'><use-group name='g{}'/><use-group name='g{}'/></group>", i, i + 1,
                        i + 1);
  }
  EXPECT_FALSE(RnndbNamer::create(database(body), kGf100).ok());
  EXPECT_FALSE(RnndbNamer::create(
                   database("<use-group name='g'/><group name='g'><use-group name='g'/></group>"), kGf100)
                   .ok());
}

TEST(Rnndb, StripesInStripesEnd) {
  std::string open, close;
  for (int i = 0; i < 20; ++i) open += "<stripe stride='1' length='0'>", close += "</stripe>";
  const auto map =
      namer(open + "<reg32 offset='0xffffff' name='R'/><reg32 offset='0' name='Q' stride='0x1000'/>" + close);
  map->find(0xabcde);
}

TEST(NameAccess, SeveralRegistersInOneAccess) {
  const auto map = namer(
      "<reg32 offset='0' name='LO'/><reg32 offset='4' name='HI'/><reg8 offset='0x10' name='B' length='4'/>");
  EXPECT_EQ(name_access(*map, {0, 0}, 8).name, "LO,HI");
  EXPECT_TRUE(name_access(*map, {0, 0}, 8).full);
  EXPECT_EQ(name_access(*map, {0, 0}, 2).name, "LO");
  EXPECT_FALSE(name_access(*map, {0, 0}, 2).full);
  EXPECT_EQ(name_access(*map, {0, 2}, 2).name, "LO+0x2");
  EXPECT_EQ(name_access(*map, {0, 0x10}, 4).name, "B[0],B[0x1],B[0x2],B[0x3]");
  EXPECT_FALSE(name_access(*map, {0, 4}, 8).full) << "nothing is known behind HI";
  AccessNamer names(*map);
  EXPECT_EQ(names.decode({.address = 0, .value = 0x100000002, .kind = EventKind::kMmioRead, .width = 8}),
            "0x2, 0x1");
}

TEST(Rnndb, EnvytoolsDatabase) {
  const std::string path = std::string(GPUVM_SOURCE_DIR) + "/../shared/data/rnndb";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const auto loaded = rnn::load(path);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  const rnn::Database& db = loaded.value();
  EXPECT_EQ(db.problem_count, 0u) << ::testing::PrintToString(db.problems);
  const auto create = [&](std::optional<uint32_t> chip) {
    return std::move(RnndbNamer::create(db, chip)).value();
  };
  const auto gf100 = create(0x0c0), gv100 = create(0x140), open = create(std::nullopt);
  EXPECT_TRUE(gv100->problems().empty()) << gv100->problems()[0];
  EXPECT_EQ(gv100->variant(), "GV100");
  EXPECT_EQ(gv100->find(0).name, "PMC.ID");
  EXPECT_EQ(gf100->find(0x2270).name, "PFIFO.PLAYLIST_WR");
  EXPECT_EQ(open->find(0xd054).name, "PTV+0x54") << "document order decides when no chip is chosen";
  EXPECT_EQ(gv100->find(0xd054).name, "PGPIO.I2C[0x2].BITBANG") << gv100->find(0xd054).name;
  EXPECT_EQ(gf100->find(0x700010).name, "PMEM[0x10]");
  const auto gk210 = create(0x0f2);
  EXPECT_EQ(gk210->variant(), "GK210");
  EXPECT_EQ(gk210->find(0x1700).name, gf100->find(0x1700).name);
}

}  // namespace
}  // namespace gpuvm
