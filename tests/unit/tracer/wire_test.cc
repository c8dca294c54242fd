#include "tracer/qemu/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace gpuvm::wire {
namespace {

using testing::HasSubstr;

std::array<std::byte, kHeaderBytes> header(int32_t command, uint64_t size) {
  std::array<std::byte, kHeaderBytes> bytes{};
  std::memcpy(bytes.data(), &command, 4);
  std::memcpy(bytes.data() + 8, &size, 8);
  return bytes;
}

template <size_t N>
std::array<std::byte, N> body(std::initializer_list<std::pair<size_t, uint64_t>> words, size_t word_bytes) {
  std::array<std::byte, N> bytes{};
  for (const auto& [at, value] : words) std::memcpy(bytes.data() + at, &value, word_bytes);
  return bytes;
}

TEST(Wire, KnowsEveryRequestAndItsSize) {
  const std::pair<int32_t, uint64_t> requests[] = {{0, 192}, {2, 12}, {3, 12}, {4, 24},
                                                   {5, 24},  {6, 0},  {7, 0}};
  for (const auto& [command, size] : requests) {
    const auto parsed = parse_header(header(command, size));
    ASSERT_TRUE(parsed.ok()) << command;
    EXPECT_EQ(static_cast<int32_t>(parsed.value().command), command);
    EXPECT_EQ(parsed.value().body_bytes, size);
    for (uint64_t wrong : {size + 1, size + (uint64_t{1} << 32), ~uint64_t{0}}) {
      EXPECT_THAT(parse_header(header(command, wrong)).error().message, HasSubstr("instead of"));
    }
  }
}

TEST(Wire, RefusesOtherCommands) {
  // 1 is our own answer: a peer has no business sending it.
  for (int32_t command : {1, 8, 255, -1, INT32_MIN, INT32_MAX}) {
    EXPECT_THAT(parse_header(header(command, 8)).error().message, HasSubstr("unknown command")) << command;
  }
}

TEST(Wire, OnlyRequestsThatQemuWaitsForAreAnswered) {
  EXPECT_FALSE(expects_reply(Command::kSyncSysmem));
  EXPECT_FALSE(expects_reply(Command::kSetIrqFd));
  for (Command c : {Command::kConfigRead, Command::kConfigWrite, Command::kBarRead, Command::kBarWrite,
                    Command::kDeviceReset}) {
    EXPECT_TRUE(expects_reply(c));
  }
}

TEST(Wire, ConfigAccessesStayInside256Bytes) {
  for (uint32_t width : {1u, 2u, 4u}) {
    EXPECT_TRUE(parse_config(body<12>({{0, 256 - width}, {8, width}}, 4)).ok());
    EXPECT_FALSE(parse_config(body<12>({{0, 257 - width}, {8, width}}, 4)).ok());
    EXPECT_FALSE(parse_config(body<12>({{0, 0xffffffff}, {8, width}}, 4)).ok());
  }
  for (uint32_t width : {0u, 3u, 8u, 0xffffffffu}) {
    EXPECT_FALSE(parse_config(body<12>({{0, 0}, {8, width}}, 4)).ok());
  }
}

TEST(Wire, BarAccessesHaveTheWidthsThatExist) {
  for (uint64_t width : {1, 2, 4, 8}) {
    const auto access = parse_bar(body<24>({{0, 0xfe000000}, {8, 7}, {16, width}}, 8));
    ASSERT_TRUE(access.ok());
    EXPECT_EQ(access.value().address, 0xfe000000u);
    EXPECT_EQ(access.value().value, 7u);
  }
  for (uint64_t width : {0u, 3u, 5u, 16u, 0xffffffffu})
    EXPECT_FALSE(parse_bar(body<24>({{16, width}}, 8)).ok());
}

TEST(Wire, MemoryMapHasASectionForEachDescriptor) {
  const auto bytes = body<192>({{0, 0x1000}, {64, 0x2000}, {128, 0x3000}, {8, 0x100000}, {72, 0x4000}}, 8);
  const auto sections = parse_memory_map(bytes, 2);
  ASSERT_TRUE(sections.ok());
  ASSERT_EQ(sections.value().size(), 2u);
  EXPECT_EQ(sections.value()[0].file_offset, 0x3000u);
  EXPECT_EQ(sections.value()[1].address, 0x100000u);
  EXPECT_FALSE(parse_memory_map(bytes, 0).ok());
  EXPECT_TRUE(parse_memory_map(bytes, 8).ok());
  EXPECT_FALSE(parse_memory_map(bytes, 9).ok());
}

TEST(Wire, MemorySectionsCannotWrapAround) {
  for (size_t at : {0u, 64u, 128u}) {
    EXPECT_FALSE(parse_memory_map(body<192>({{at, ~uint64_t{0}}}, 8), 1).ok()) << at;
    EXPECT_FALSE(parse_memory_map(body<192>({{at, (uint64_t{1} << 62) + 1}}, 8), 1).ok()) << at;
  }
}

TEST(Wire, ReplyIsOneMessageOf24Bytes) {
  const auto reply = make_reply(0x1122334455667788);
  int32_t command;
  uint64_t size, value;
  std::memcpy(&command, reply.data(), 4);
  std::memcpy(&size, reply.data() + 8, 8);
  std::memcpy(&value, reply.data() + 16, 8);
  EXPECT_EQ(command, 1);
  EXPECT_EQ(size, 8u);
  EXPECT_EQ(value, 0x1122334455667788u);
}

}  // namespace
}  // namespace gpuvm::wire
