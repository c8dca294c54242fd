#include "analysis/decode/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/decode/event_line.h"
#include "traces/regmap/gf100_namer.h"

namespace gpuvm {
namespace {

bool matches(std::string_view text, const Event& event, std::string_view payload = {},
             std::string_view phase = {}) {
  const Result<EventFilter> filter = EventFilter::parse(text);
  EXPECT_TRUE(filter.ok()) << text << ": " << (filter.ok() ? "" : filter.error().message);
  const Gf100Namer namer;
  AccessNamer names(namer);
  return filter.ok() && filter.value().matches({&event, as_bytes(payload), 12, phase, &names});
}

constexpr Event kWrite{.time_ns = 5000,
                       .address = 0x2270,
                       .value = 0x1234,
                       .kind = EventKind::kMmioWrite,
                       .space = 0,
                       .width = 4};
constexpr Event kOutside{.address = 0xa0000000,
                         .value = 1,
                         .kind = EventKind::kMmioRead,
                         .space = kNoBar,
                         .width = 4,
                         .flags = kFlagWidthSuspect};
constexpr Event kMarkEvent{.kind = EventKind::kMark};

TEST(EventFilter, Comparisons) {
  for (const char* text :
       {"bar==0", "offset>=0x2000 && offset<0x3000", "kind==write", "kind==mmio_write", "kind~write",
        "register~\"PFIFO\"", "register~PLAYLIST", "register!~PMC", "value&0x4", "width==4", "seq==12",
        "time_us==5", "!(bar==1)", "bar==1||bar==0", "bar==1 || bar==0 && width==4", "phase==init",
        "flag==\"\"", "bar!=3", " ( bar == 0 ) "}) {
    EXPECT_TRUE(matches(text, kWrite, {}, "init")) << text;
  }
  for (const char* text : {"bar==1", "kind==read", "register==PFIFO", "value&0x8", "text~x", "length==0",
                           "bar==0 && bar==1", "(bar==1||bar==0) && width==2", "!bar==0"}) {
    EXPECT_FALSE(matches(text, kWrite, {}, "init")) << text;
  }
  EXPECT_TRUE(matches("bar==none && flag~width", kOutside));
  EXPECT_FALSE(matches("offset>=0", kOutside)) << "an absolute address is no offset";
  EXPECT_TRUE(matches("address==0xa0000000", kOutside));
  EXPECT_TRUE(matches("text~lo && kind==mark && length==5", kMarkEvent, "hello"));
  EXPECT_FALSE(matches("register!=x", kMarkEvent)) << "it has no register";
}

TEST(EventFilter, MistakesSayWhere) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "column 1: one of seq"},
      {"bar=0", "column 4: ==, !=, <"},
      {"bar==", "column 6: a number"},
      {"bar==x", "column 6: a number (12 or 0x1f) is expected, \"x\" is there"},
      {"bar==0 &&", "column 10: one of"},
      {"bar==0 bar==1", "column 8: \"&&\", \"||\" or the end"},
      {"(bar==0", "column 8: \")\" is expected, the end is there"},
      {"what==0", "column 1: one of"},
      {"kind==nothing", "column 7: a kind of event"},
      {"register~\"x", "column 10: a closing quote"},
      {"register>x", "column 9: ==, !=, ~ or !~"},
      {"value==99999999999999999999", "column 8: a number"},
  };
  for (const auto& [text, message] : cases) {
    const Result<EventFilter> filter = EventFilter::parse(text);
    ASSERT_FALSE(filter.ok()) << text;
    EXPECT_THAT(filter.error().message, ::testing::HasSubstr(message)) << text;
  }
  EXPECT_FALSE(EventFilter::parse(std::string(100000, '(')).ok());
  EXPECT_FALSE(EventFilter::parse(std::string(100000, '!')).ok());
}

std::string line(const Event& event, std::string_view payload = {}) {
  const Gf100Namer namer;
  AccessNamer names(namer);
  std::string out;
  append_event_line(event, as_bytes(payload), 12, &names, &out);
  return out;
}

TEST(EventLine, Accesses) {
  EXPECT_THAT(line(kWrite), ::testing::StartsWith(
                                "       12     0.000005  W4 BAR0+0x002270 <- 0x00001234  PFIFO.PLAYLIST_WR"));
  EXPECT_EQ(line(kOutside), "       12     0.000000  R4 ---- 0x00a0000000 -> 0x00000001  [width_suspect]\n");
  Event unknown = kOutside;
  unknown.flags |= kFlagValueUnknown;
  EXPECT_THAT(line(unknown), ::testing::HasSubstr("?? instruction 0x000001"));
}

TEST(EventLine, OthersAreSafeToPrint) {
  EXPECT_EQ(line(kMarkEvent, "a\x1b[31m\nb"), "       12     0.000000  mark a?[31m?b\n");
  EXPECT_THAT(line({.kind = EventKind::kContext}, "junk"), ::testing::HasSubstr("context record of 4 bytes"));
  EXPECT_THAT(line({.kind = EventKind::kMap}, "junk"), ::testing::HasSubstr("map record of 4 bytes"));
  EXPECT_THAT(line({.address = 3, .value = 5, .kind = EventKind::kLoss}),
              ::testing::HasSubstr("LOST 5 events on CPU 2"));
}

}  // namespace
}  // namespace gpuvm
