#include "traces/import/byte_source.h"

#include <gtest/gtest.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdio>
#include <string>
#include <vector>

namespace gpuvm {
namespace {

std::string gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string xz(const std::string& text) {
  std::string out(lzma_stream_buffer_bound(text.size()), '\0');
  size_t position = 0;
  EXPECT_EQ(
      lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, nullptr, reinterpret_cast<const uint8_t*>(text.data()),
                              text.size(), reinterpret_cast<uint8_t*>(out.data()), &position, out.size()),
      LZMA_OK);
  out.resize(position);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 1));
  return out;
}

struct Read {
  std::string text;
  std::string problem;
};
Read read_all(const std::string& bytes) {
  auto source = memory_byte_source(bytes, "log");
  EXPECT_TRUE(source.ok());
  Read result;
  std::vector<char> piece(1000);
  for (;;) {
    const Result<size_t> got = source.value()->read(piece);
    if (!got) {
      result.problem = got.error().message;
      return result;
    }
    if (got.value() == 0) return result;
    result.text.append(piece.data(), got.value());
  }
}

using Compressor = std::string (*)(const std::string&);
class Compressed : public ::testing::TestWithParam<Compressor> {};
INSTANTIATE_TEST_SUITE_P(All, Compressed, ::testing::Values(gzip, xz, zstd));

std::string sample() {
  std::string text;
  for (int i = 0; i < 30000; ++i) text += std::to_string(i * 7919) + "\n";
  return text;
}

TEST_P(Compressed, ComesBack) {
  EXPECT_EQ(read_all(GetParam()(sample())).text, sample());
}

TEST_P(Compressed, SeveralMembersAreOneText) {
  const Read read = read_all(GetParam()("one\n") + GetParam()(sample()) + GetParam()("three\n"));
  EXPECT_EQ(read.problem, "");
  EXPECT_EQ(read.text, "one\n" + sample() + "three\n");
}

TEST_P(Compressed, CutDataAreAnErrorAfterWhatWasThere) {
  const std::string whole = GetParam()(sample());
  const Read read = read_all(whole.substr(0, whole.size() * 2 / 3));
  EXPECT_NE(read.problem.find("end early"), std::string::npos) << read.problem;
  EXPECT_TRUE(sample().starts_with(read.text));
}

TEST_P(Compressed, DamageIsAnError) {
  std::string whole = GetParam()(sample());
  size_t noticed = 0;
  for (size_t i = 10; i < 60; ++i) {
    std::string damaged = whole;
    damaged[i * whole.size() / 64] ^= 0x55;
    noticed += !read_all(damaged).problem.empty() || read_all(damaged).text != sample();
  }
  EXPECT_EQ(noticed, 50u);
}

TEST(ByteSource, PlainTextAndShortFiles) {
  EXPECT_EQ(read_all("").text, "");
  EXPECT_EQ(read_all("\x1f").text, "\x1f");
  EXPECT_EQ(read_all(sample()).text, sample());
}

TEST(ByteSource, MissingFileSaysWhich) {
  const auto source = open_byte_source("/nonexistent/log");
  ASSERT_FALSE(source.ok());
  EXPECT_EQ(source.error().message, "/nonexistent/log: cannot open: No such file or directory");
}

}  // namespace
}  // namespace gpuvm
