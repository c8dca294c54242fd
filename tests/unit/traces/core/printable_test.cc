#include "traces/core/printable.h"

#include <gtest/gtest.h>

namespace gpuvm {
namespace {

TEST(Printable, LettersPass) {
  EXPECT_EQ(printable_text("PFIFO = 0x12, \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
            "PFIFO = 0x12, \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

TEST(Printable, OrdersToTheTerminalDoNot) {
  EXPECT_EQ(printable_text("a\x1b]0;title\x07z"), "a?]0;title?z");
  EXPECT_EQ(printable_text("a\nb\tc\rd\x7f"), "a?b?c?d?");
  EXPECT_EQ(printable_text("csi \xc2\x9b"
                           "2J, nel \xc2\x85."),
            "csi ?2J, nel ?.");
  EXPECT_EQ(printable_text("\xe2\x80\xaeright to left\xe2\x81\xa6 isolate\xd8\x9c"),
            "?right to left? isolate?");
  EXPECT_EQ(printable_text(
                "line\xe2\x80\xa8separator, zero\xe2\x80\x8bwidth, \xef\xbb\xbfmark, \xf3\xa0\x80\xa1tag"),
            "line?separator, zero?width, ?mark, ?tag");
}

TEST(Printable, BytesThatAreNoUtf8DoNot) {
  EXPECT_EQ(printable_text("\x9b\xff\x80"), "???");       // a bare C1, never a byte, a lone continuation
  EXPECT_EQ(printable_text("\xc0\x9b"), "??");            // ESC-like in two bytes: too long
  EXPECT_EQ(printable_text("\xe0\x82\x9b"), "???");       // the same in three
  EXPECT_EQ(printable_text("\xed\xa0\x80"), "???");       // a surrogate
  EXPECT_EQ(printable_text("\xf4\x90\x80\x80"), "????");  // beyond the last
  EXPECT_EQ(printable_text("cut \xe2\x82"), "cut ??");
}

TEST(Printable, LinesKeepTheirEnds) {
  std::string room;
  const std::string_view plain = "one\ntwo\n";
  EXPECT_EQ(printable_lines(plain, &room).data(), plain.data());
  EXPECT_EQ(printable_lines("a\tb\r\n\x1b[2J\xc2\x9b\n", &room), "a\tb?\n?[2J?\n");
  EXPECT_EQ(printable_lines("\xc3\xa9\n", &room), "\xc3\xa9\n");
}

TEST(Printable, JsonKeepsItsValues) {
  EXPECT_EQ(printable_json("{\n \"a\": \"\xc2\x9b\xe2\x80\xae\xf3\xa0\x80\xa1\x7f\xc3\xa9\"\n}"),
            "{\n \"a\": \"\\u009b\\u202e\\udb40\\udc21\\u007f\xc3\xa9\"\n}");
}

}  // namespace
}  // namespace gpuvm
