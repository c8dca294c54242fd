// A register database is somebody else's text: whatever it says, loading, resolving and decoding end soon and
// stay small. What would otherwise grow is counted here in what is kept or printed, not in seconds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "traces/regmap/rnndb.h"
#include "traces/regmap/rnndb_types.h"

namespace gpuvm {
namespace {

using Files = std::map<std::string, std::string>;

rnn::Database loaded(const std::string& body) {
  Result<rnn::Database> database =
      rnn::load_text({{"root.xml", "<database>" + body + "</database>"}}, "root.xml");
  EXPECT_TRUE(database.ok()) << (database.ok() ? "" : database.error().message);
  return database.ok() ? std::move(database).value() : rnn::Database{};
}

Result<std::unique_ptr<RnndbNamer>> namer(const std::string& body) {
  return RnndbNamer::create(loaded(body), 0x0c0);
}

std::string domain(const std::string& body) {
  return "<domain name='NV_MMIO'>" + body + "</domain>";
}

// A named type of `fields` fields of the type `inner`.
std::string spectype(const std::string& name, const std::string& inner, int fields) {
  std::string text = "<spectype name='" + name + "' type='bitset'>";
  for (int i = 0; i < fields; ++i)
    text += fmt::format("<bitfield low='0' high='7' name='F{}' type='{}'/>", i, inner);
  return text + "</spectype>";
}

constexpr std::string_view kTooMuch = "unfolds to more than can be held";

TEST(RnndbBounds, NestedNamedTypesAreResolvedOnce) {
  std::string body;
  for (int level = 0; level < 12; ++level)
    body += spectype(fmt::format("t{}", level), fmt::format("t{}", level + 1), 60);
  const rnn::Database database = loaded(body);
  rnn::Budget budget;
  const rnn::Choice choice;
  rnn::TypeTable types(database, choice, budget);
  rnn::TypeSpec spec;
  spec.type = "t0";
  types.add(spec, 32, rnn::VariantScope());
  EXPECT_LT(budget.spent(), 12u * 60 * 400);
}

TEST(RnndbBounds, ATypeThatHoldsItselfEndsInHex) {
  const auto map = namer(spectype("t", "t", 2) + domain("<reg32 offset='0' name='R' type='t'/>"));
  ASSERT_TRUE(map.ok());
  std::string text;
  map.value()->decode(map.value()->find(0), 0x12, &text);
  EXPECT_EQ(text, "{ F0 = 0x12 | F1 = 0x12 }");
}

TEST(RnndbBounds, BodiesThatUnfoldWithoutEndAreRefused) {
  // Fields in fields in fields are written out in the file; groups in groups are not.
  std::string body;
  for (int level = 0; level < 12; ++level) {
    body += fmt::format("<group name='g{}'>", level);
    for (int i = 0; i < 40; ++i)
      body += fmt::format("<stripe offset='{}'><use-group name='g{}'/></stripe>", i, level + 1);
    body += "</group>";
  }
  body +=
      "<group name='g12'><reg32 offset='0' name='R'><bitfield low='0' high='3' name='F'/></reg32></group>";
  const auto map = namer(body + domain("<use-group name='g0'/>"));
  ASSERT_FALSE(map.ok());
  EXPECT_THAT(map.error().message, testing::HasSubstr(kTooMuch));
}

TEST(RnndbBounds, RangesOfAHugeEnumArePaidFor) {
  std::string body = "<enum name='e'>";
  for (int i = 0; i < 40000; ++i) body += fmt::format("<value name='v{}' value='{}'/>", i, i);
  body += "</enum><domain name='NV_MMIO' prefix='e'>";
  for (int i = 0; i < 10000; ++i) body += fmt::format("<reg32 offset='{}' name='R' variants='-'/>", 4 * i);
  const auto map = namer(body + "</domain>");
  ASSERT_FALSE(map.ok());
  EXPECT_THAT(map.error().message, testing::HasSubstr(kTooMuch));
}

TEST(RnndbBounds, ABitsetThatHoldsItselfPrintsALine) {
  std::string body = "<bitset name='b'>";
  for (int i = 0; i < 30; ++i) body += fmt::format("<bitfield low='0' high='31' name='F{}' type='b'/>", i);
  const auto map = namer(body + "</bitset>" + domain("<reg32 offset='0' name='R' type='b'/>"));
  ASSERT_TRUE(map.ok());
  std::string text = "before: ";
  map.value()->decode(map.value()->find(0), 1, &text);
  EXPECT_LE(text.size(), 8 + rnn::TypeTable::kMaxDecoded + 4);
  EXPECT_THAT(text, testing::StartsWith("before: { F0 = { F0 = "));
  EXPECT_THAT(text, testing::EndsWith(" ..."));
}

TEST(RnndbBounds, FieldsThatPrintNothingAreCounted) {
  std::string body = "<bitset name='b'><bitfield low='0' high='31' name='A' type='b'/>";
  for (int i = 0; i < 5000; ++i) body += "<bitfield pos='7' name='Z'/>";
  const auto map = namer(body + "</bitset>" + domain("<reg32 offset='0' name='R' type='b'/>"));
  ASSERT_TRUE(map.ok());
  std::string text;
  map.value()->decode(map.value()->find(0), 0, &text);
  EXPECT_THAT(text, testing::EndsWith(" ..."));
}

TEST(RnndbBounds, TheFirstNameOfAValueCounts) {
  const auto map =
      namer(domain("<reg32 offset='0' name='R'><value value='1' name='ONE'/><value value='0' name='NO'/>"
                   "<value value='1' name='EINS'/></reg32>"));
  ASSERT_TRUE(map.ok());
  std::string text;
  map.value()->decode(map.value()->find(0), 1, &text);
  EXPECT_EQ(text, "ONE");
}

TEST(RnndbBounds, OneFileHasOneName) {
  const Result<rnn::Database> database = rnn::load_text(
      {{"root.xml",
        "<database><import file='a.xml'/><import file='./a.xml'/><import file='././/a.xml'/></database>"},
       {"a.xml", "<database><import file='./root.xml'/><enum name='e'><value name='v'/></enum></database>"}},
      "root.xml");
  ASSERT_TRUE(database.ok()) << database.error().message;
  EXPECT_EQ(database.value().files, 2u);
  EXPECT_EQ(database.value().enums.at("e").values.size(), 1u);
}

TEST(RnndbBounds, FilesAreCountedTogether) {
  const std::string filler = "<database><!--" + std::string(5 << 20, 'x') + "-->";
  Files files;
  for (int i = 0; i < 4; ++i)
    files[fmt::format("{}.xml", i)] = filler + fmt::format("<import file='{}.xml'/></database>", i + 1);
  const Result<rnn::Database> database = rnn::load_text(files, "0.xml");
  ASSERT_FALSE(database.ok());
  EXPECT_THAT(database.error().message, testing::HasSubstr("3.xml: the register database is larger than"));
}

TEST(RnndbBounds, LongTextIsNotKept) {
  const std::string huge(5000, 'n');
  const Result<rnn::Database> database =
      rnn::load_text({{"root.xml", "<database><enum name='" + huge + "'/></database>"}}, "root.xml");
  ASSERT_FALSE(database.ok());
  EXPECT_LT(database.error().message.size(), 200u);
  EXPECT_THAT(database.error().message, testing::HasSubstr("root.xml:1: name=\"nnnn"));
  // Nor is a tag's name that nobody knows.
  const rnn::Database odd = loaded("<" + huge + "/>");
  ASSERT_EQ(odd.problem_count, 1u);
  EXPECT_LT(odd.problems[0].size(), 200u);
}

TEST(RnndbBounds, OnlyPlacesThatAreToldAreLookedFor) {
  std::string body;
  for (int i = 0; i < 300; ++i) body += "<odd/>\n";
  const rnn::Database database = loaded(body);
  EXPECT_EQ(database.problems.size(), rnn::Database::kMaxProblems);
  EXPECT_EQ(database.problem_count, 300u);
  EXPECT_EQ(database.problems.back(), "root.xml:100: <odd>: is not known here, left out");
}

}  // namespace
}  // namespace gpuvm
