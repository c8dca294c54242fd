// The link as QEMU 7.2 uses it, and as a hostile peer would: over a real socket, with real descriptors.
#include "tracer/qemu/device_link.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <cerrno>

#include <cstring>

#include "emulator/card/card.h"
#include "tests/support/test_machine.h"
#include "traces/core/memory_stream.h"

namespace gpuvm {
namespace {

using testing::HasSubstr;

constexpr uint32_t kBar0 = 0xe0000000, kBar1 = 0xe8000000, kBar3 = 0xf0000000;

UniqueFd memory_file(size_t bytes) {
  UniqueFd fd(memfd_create("ram", MFD_CLOEXEC));
  EXPECT_EQ(ftruncate(fd.get(), static_cast<off_t>(bytes)), 0);
  return fd;
}

class DeviceLinkTest : public testing::Test {
 protected:
  DeviceLinkTest()
      : recorder(&trace, [this] { return now += 1000; }),
        dma(recorder, memory),
        interrupts(recorder, machine),
        card({.vram_bytes = 64 << 20, .bars_64bit = false}, dma, interrupts),
        device(recorder, card) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    link.emplace(UniqueFd{ends[0]}, device, memory);
    peer = UniqueFd(ends[1]);
  }

  void say(int32_t command, const void* body, uint64_t announced, size_t sent,
           const std::vector<int>& fds = {}) {
    std::vector<std::byte> bytes(16 + sent);
    std::memcpy(bytes.data(), &command, 4);
    std::memcpy(bytes.data() + 8, &announced, 8);
    if (sent > 0) std::memcpy(bytes.data() + 16, body, sent);
    say_raw(bytes, fds);
  }
  void say_raw(std::span<const std::byte> bytes, const std::vector<int>& fds = {}) {
    iovec iov{const_cast<std::byte*>(bytes.data()), bytes.size()};
    std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
    msghdr message{};
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* c = CMSG_FIRSTHDR(&message);
      c->cmsg_level = SOL_SOCKET;
      c->cmsg_type = SCM_RIGHTS;
      c->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      std::memcpy(CMSG_DATA(c), fds.data(), fds.size() * sizeof(int));
    }
    ASSERT_EQ(sendmsg(peer.get(), &message, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  uint64_t answer() {
    std::array<std::byte, 24> reply{};
    EXPECT_EQ(recv(peer.get(), reply.data(), reply.size(), MSG_DONTWAIT), 24);
    uint64_t value;
    std::memcpy(&value, reply.data() + 16, 8);
    return value;
  }
  uint64_t config(int32_t command, uint32_t offset, uint32_t value, uint32_t width) {
    const uint32_t body[3] = {offset, value, width};
    say(command, body, 12, 12);
    EXPECT_TRUE(link->on_readable().ok());
    return answer();
  }
  uint64_t config_read(uint32_t offset, uint32_t width = 4) { return config(3, offset, 0, width); }
  void config_write(uint32_t offset, uint32_t value, uint32_t width = 4) { config(2, offset, value, width); }
  uint64_t bar(int32_t command, uint64_t address, uint64_t value, uint64_t width) {
    const uint64_t body[3] = {address, value, width | uint64_t{1} << 32};
    say(command, body, 24, 24);
    EXPECT_TRUE(link->on_readable().ok());
    return answer();
  }
  void reset() {
    say(7, nullptr, 0, 0);
    EXPECT_TRUE(link->on_readable().ok());
    answer();
  }
  // As firmware leaves it.
  void place_bars() {
    reset();
    config_write(0x10, kBar0);
    config_write(0x14, kBar1);
    config_write(0x1c, kBar3);
    config_write(0x04, 6, 2);
  }
  std::string refusal() {
    const Status status = link->on_readable();
    return status.ok() ? "accepted" : status.error().message;
  }
  Status share(std::span<const uint64_t> address, std::span<const uint64_t> length,
               const std::vector<int>& fds) {
    uint64_t body[24] = {};
    for (size_t i = 0; i < address.size(); ++i) {
      body[i] = address[i];
      body[8 + i] = length[i];
    }
    say(0, body, 192, 192, fds);
    return link->on_readable();
  }

  test::TestMachine machine;
  MemoryTrace trace;
  uint64_t now = 0;
  Recorder recorder;
  GuestMemory memory;
  RecordingDma dma;
  RecordingInterrupts interrupts;
  Card card;
  RecordingDevice device;
  std::optional<DeviceLink> link;
  UniqueFd peer;
};

TEST_F(DeviceLinkTest, BarsAreOfThirtyTwoBitsForTheProbeAndForTheGuest) {
  const auto size_of = [&](uint32_t offset) {
    const uint64_t before = config_read(offset);
    config_write(offset, ~0u);
    const uint64_t mask = config_read(offset);
    config_write(offset, static_cast<uint32_t>(before));
    return mask;
  };
  EXPECT_EQ(size_of(0x14), 0xf8000008u);
  EXPECT_EQ(size_of(0x18), 0u);
  EXPECT_EQ(size_of(0x28), 0u);
  EXPECT_FALSE(link->machine_running());
  EXPECT_TRUE(trace.events().empty());  // QEMU's own probing is not the guest's
  reset();
  EXPECT_TRUE(link->machine_running());
  EXPECT_EQ(size_of(0x14), 0xf8000008u);
  EXPECT_EQ(size_of(0x18), 0u);
}

TEST_F(DeviceLinkTest, ACardOfSixtyFourBitBarsIsNotServed) {
  Card wide({.vram_bytes = 64 << 20}, dma, interrupts);
  RecordingDevice recorded(recorder, wide);
  EXPECT_DEATH(DeviceLink({}, recorded, memory), "is_64bit");
}

TEST_F(DeviceLinkTest, DecodesBusAddresses) {
  place_bars();
  EXPECT_EQ(bar(5, kBar0, 0, 4), 0x0c0c00a3u);
  bar(4, kBar0 + 0x400000, 0x1234, 4);
  EXPECT_EQ(bar(5, kBar0 + 0x400000, 0, 4), 0x1234u);
  bar(4, kBar3 + 0x1000, 0x77, 8);
  EXPECT_EQ(card.vram().read64(0x1000), 0x77u);
  const Event& last = trace.events().back();
  EXPECT_EQ(last.space, 3);
  EXPECT_EQ(last.address, 0x1000u);
  EXPECT_EQ(last.width, 8);
}

TEST_F(DeviceLinkTest, AnswersStrayAccesses) {
  place_bars();
  EXPECT_EQ(bar(5, 0x1000, 0, 4), ~uint64_t{0});
  bar(4, kBar3 + (uint64_t{64} << 20), 1, 4);
  bar(5, ~uint64_t{0}, 0, 8);
  EXPECT_EQ(link->stray_accesses(), 3u);
}

TEST_F(DeviceLinkTest, SharesGuestMemory) {
  UniqueFd file = memory_file(0x4000);
  const uint64_t address[] = {0x100000}, length[] = {0x4000};
  ASSERT_TRUE(share(address, length, {file.get()}).ok());
  uint32_t word = 0xabcd;
  EXPECT_TRUE(memory.write(0x100ffc, std::as_bytes(std::span(&word, 1))));
  uint32_t seen = 0;
  EXPECT_EQ(pread(file.get(), &seen, 4, 0xffc), 4);
  EXPECT_EQ(seen, 0xabcdu);
  EXPECT_EQ(memory.end(), 0x104000u);
  EXPECT_FALSE(memory.read(0x103fff, std::as_writable_bytes(std::span(&word, 1))));  // crosses the end
  EXPECT_FALSE(memory.read(0xfffff, std::as_writable_bytes(std::span(&word, 1))));
  EXPECT_FALSE(memory.read(~uint64_t{0}, std::as_writable_bytes(std::span(&word, 1))));
  // A fresh table replaces the old one.
  const uint64_t elsewhere[] = {0};
  ASSERT_TRUE(share(elsewhere, length, {file.get()}).ok());
  EXPECT_FALSE(memory.read(0x100ffc, std::as_writable_bytes(std::span(&word, 1))));
}

TEST_F(DeviceLinkTest, SurvivesAFileThatShrinks) {
  UniqueFd file = memory_file(0x4000);
  const uint64_t address[] = {0}, length[] = {0x4000};
  ASSERT_TRUE(share(address, length, {file.get()}).ok());
  ASSERT_EQ(ftruncate(file.get(), 0x1000), 0);
  uint64_t word = 1;
  EXPECT_FALSE(memory.read(0x2000, std::as_writable_bytes(std::span(&word, 1))));
  EXPECT_FALSE(memory.write(0x2000, std::as_bytes(std::span(&word, 1))));
  struct stat info {};
  fstat(file.get(), &info);
  EXPECT_EQ(info.st_size, 0x1000);  // and it does not grow it back
  EXPECT_TRUE(memory.write(0x0ff8, std::as_bytes(std::span(&word, 1))));
}

TEST_F(DeviceLinkTest, RefusesDescriptorsThatAreNoFiles) {
  const uint64_t address[] = {0}, length[] = {0x1000};
  UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  UniqueFd read_end(ends[0]), write_end(ends[1]);
  UniqueFd directory(open("/", O_RDONLY | O_CLOEXEC));
  for (int fd : {null.get(), read_end.get(), directory.get()}) {
    const Status status = share(address, length, {fd});
    ASSERT_FALSE(status.ok());
    EXPECT_THAT(status.error().message, HasSubstr("not backed by a file"));
  }
}

TEST_F(DeviceLinkTest, RefusesWrongNumbersOfDescriptors) {
  UniqueFd file = memory_file(0x1000);
  const uint64_t address[] = {0}, length[] = {0x1000};
  EXPECT_THAT(share(address, length, {}).error().message, HasSubstr("0 file descriptors"));
}

TEST_F(DeviceLinkTest, RefusesMoreDescriptorsThanQemuSends) {
  UniqueFd file = memory_file(0x1000);
  const uint64_t address[] = {0}, length[] = {0x1000};
  EXPECT_THAT(share(address, length, std::vector<int>(9, file.get())).error().message,
              HasSubstr("more than 8 descriptors"));
}

TEST_F(DeviceLinkTest, KeepsNoDescriptorItDoesNotNeed) {
  UniqueFd file = memory_file(0x1000);
  const UniqueFd before(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int expected = dup(before.get());
  ::close(expected);
  for (unsigned i = 0; i < 50; ++i) {
    say(6, nullptr, 0, 0, {file.get(), file.get()});
    EXPECT_TRUE(link->on_readable().ok());
    say(7, nullptr, 0, 0, {file.get()});
    EXPECT_TRUE(link->on_readable().ok());
    answer();
    const uint64_t address[] = {0}, length[] = {0x1000};
    EXPECT_TRUE(share(address, length, std::vector<int>(8, file.get())).ok());
    EXPECT_TRUE(share(address, length, {file.get()}).ok());
  }
  // The map in force keeps one.
  EXPECT_TRUE(memory.set_map({}, {}).ok());
  const int after = dup(before.get());
  EXPECT_EQ(after, expected);
  ::close(after);
}

// On a disk, or a file system that the peer implements, an access could wait for ever, and every guest with
// it.
TEST_F(DeviceLinkTest, RefusesMemoryThatLiesOnADisk) {
  const UniqueFd file(open(GPUVM_SOURCE_DIR "/README.md", O_RDONLY | O_CLOEXEC));
  struct statfs info {};
  if (fstatfs(file.get(), &info) != 0 || info.f_type == TMPFS_MAGIC)
    GTEST_SKIP() << "the source is in memory";
  std::vector<UniqueFd> fds;
  fds.emplace_back(dup(file.get()));
  const Status refused = memory.set_map({{0, 0x1000, 0}}, std::move(fds));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("tmpfs or hugetlbfs"));
}

TEST_F(DeviceLinkTest, RefusesBadSizes) {
  const uint64_t zeros[24] = {};
  for (uint64_t announced : {uint64_t{0}, uint64_t{11}, uint64_t{13}, uint64_t{1} << 31, ~uint64_t{0}}) {
    say(3, zeros, announced, 0);
    EXPECT_THAT(refusal(), HasSubstr("instead of 12")) << announced;
  }
}

TEST_F(DeviceLinkTest, RefusesUnknownCommands) {
  for (int32_t command : {1, 8, -1, 0x7fffffff}) {
    say(command, nullptr, 0, 0);
    EXPECT_THAT(refusal(), HasSubstr("unknown command"));
  }
}

TEST_F(DeviceLinkTest, RefusesBadAccesses) {
  const uint32_t beyond[3] = {255, 0, 2};
  say(3, beyond, 12, 12);
  EXPECT_THAT(refusal(), HasSubstr("configuration access"));
}

TEST_F(DeviceLinkTest, RefusesWidthsThatDoNotExist) {
  const uint64_t odd[3] = {kBar0, 0, 3};
  say(5, odd, 24, 24);
  EXPECT_THAT(refusal(), HasSubstr("BAR access of 3 bytes"));
}

TEST_F(DeviceLinkTest, NoticesAnOrderlyEnd) {
  peer.reset();
  EXPECT_TRUE(link->on_readable().ok());
  EXPECT_TRUE(link->closed());
}

TEST_F(DeviceLinkTest, NoticesAnEndInTheMiddle) {
  const std::array<std::byte, 5> part{};
  say_raw(part);
  peer.reset();
  EXPECT_EQ(refusal(), "accepted");  // so far
  EXPECT_THAT(refusal(), HasSubstr("middle of a message"));
  EXPECT_TRUE(link->closed());
}

TEST_F(DeviceLinkTest, NoticesAnEndInTheBody) {
  const uint32_t body[3] = {};
  say(3, body, 12, 8);
  peer.reset();
  EXPECT_EQ(refusal(), "accepted");
  EXPECT_THAT(refusal(), HasSubstr("middle of a message"));
}

TEST_F(DeviceLinkTest, DoesNotWaitForeverForTheRest) {
  const uint32_t body[3] = {};
  say(3, body, 12, 8);
  EXPECT_EQ(refusal(), "accepted");
  EXPECT_EQ(refusal(), "accepted");
  const auto came = link->serve_next();
  ASSERT_TRUE(came.ok());
  EXPECT_FALSE(came.value());
  EXPECT_FALSE(link->closed());
}

TEST_F(DeviceLinkTest, PutsMessagesTogetherThatArriveInPieces) {
  const uint32_t body[3] = {0, 0, 4};
  std::array<std::byte, 28> bytes{};
  const int32_t command = 3;
  const uint64_t size = 12;
  std::memcpy(bytes.data(), &command, 4);
  std::memcpy(bytes.data() + 8, &size, 8);
  std::memcpy(bytes.data() + 16, body, 12);
  for (size_t at = 0; at < bytes.size(); at += 7) {
    say_raw(std::span(bytes).subspan(at, 7));
    EXPECT_TRUE(link->on_readable().ok());
  }
  EXPECT_EQ(answer(), 0x06d810deu);
}

TEST_F(DeviceLinkTest, ServesMessagesThatArriveTogether) {
  const uint32_t body[3] = {0, 0, 4};
  for (int i = 0; i < 3; ++i) say(3, body, 12, 12);
  EXPECT_TRUE(link->on_readable().ok());
  EXPECT_EQ(answer(), 0x06d810deu);
  EXPECT_EQ(answer(), 0x06d810deu);
  EXPECT_EQ(answer(), 0x06d810deu);
}

TEST_F(DeviceLinkTest, DoesNotDieOfAPeerThatNeverReads) {
  const uint32_t body[3] = {0, 0, 4};
  for (unsigned n = 0; n < 100'000 && !link->closed(); ++n) {
    say(3, body, 12, 12);
    ASSERT_TRUE(link->on_readable().ok());
  }
  EXPECT_TRUE(link->closed());
  // It does not wait for ever to be heard either.
  EXPECT_EQ(send(peer.get(), "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT), -1);
  EXPECT_EQ(errno, EPIPE);
}

// What an access causes, an interrupt, has to be there before its answer: nobody waits for it meanwhile.
TEST_F(DeviceLinkTest, KeepsAnAnswerBackWhileSomethingIsPending) {
  bool pending = true;
  link->hold_answers_while([&] { return pending; });
  const uint32_t body[3] = {0, 0, 4};
  say(3, body, 12, 12);
  EXPECT_TRUE(link->on_readable().ok());
  EXPECT_FALSE(link->holds_answer()) << "before the machine runs, QEMU's main thread waits for it";
  EXPECT_EQ(answer(), 0x06d810deu);
  reset();
  EXPECT_FALSE(link->holds_answer()) << "so it does during a reset";
  const uint64_t before = link->answers();
  say(3, body, 12, 12);
  say(3, body, 12, 12);
  EXPECT_TRUE(link->on_readable().ok());
  EXPECT_TRUE(link->holds_answer());
  EXPECT_TRUE(link->on_readable().ok());
  EXPECT_FALSE(link->serve_next().value());
  EXPECT_EQ(link->answers(), before);
  pending = false;
  EXPECT_TRUE(link->release_answer().ok());
  EXPECT_FALSE(link->holds_answer());
  EXPECT_EQ(answer(), 0x06d810deu);
  EXPECT_EQ(answer(), 0x06d810deu);
  EXPECT_EQ(link->answers(), before + 2);
}

TEST_F(DeviceLinkTest, RecordsWhatItServes) {
  place_bars();
  const size_t before = trace.events().size();
  bar(5, kBar0 + 0x100, 0, 4);
  config_read(0x3c, 1);
  reset();
  ASSERT_EQ(trace.events().size(), before + 3);
  EXPECT_EQ(trace.events()[before].kind, EventKind::kMmioRead);
  EXPECT_EQ(trace.events()[before + 1].kind, EventKind::kConfigRead);
  EXPECT_EQ(trace.events()[before + 2].kind, EventKind::kReset);
}

}  // namespace
}  // namespace gpuvm
