// The vfio-user server as a good client uses it, and as a hostile one would: over a real socket, with real
// descriptors.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <random>

#include "emulator/card/card.h"
#include "tests/support/test_machine.h"
#include "tests/support/vfio_user_client.h"
#include "tracer/vfio_user/vfio_user_link.h"
#include "traces/core/memory_stream.h"

namespace gpuvm {
namespace {

using namespace vfio_user;
using test::VfioUserClient;
using testing::HasSubstr;

constexpr uint32_t kConfig = VFIO_PCI_CONFIG_REGION_INDEX;
constexpr uint32_t kTriggerByEvent = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;

UniqueFd memory_file(size_t bytes) {
  UniqueFd fd(memfd_create("ram", MFD_CLOEXEC));
  EXPECT_EQ(ftruncate(fd.get(), static_cast<off_t>(bytes)), 0);
  return fd;
}

UniqueFd event() {
  return UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

uint64_t count_of(const UniqueFd& fd) {
  uint64_t count = 0;
  return ::read(fd.get(), &count, sizeof count) == sizeof count ? count : 0;
}

class VfioUserTest : public testing::Test {
 protected:
  VfioUserTest()
      : recorder(&trace, [this] { return now += 1000; }),
        dma(recorder, memory),
        interrupts(recorder, irqs),
        card({.vram_bytes = 64 << 20}, dma, interrupts),
        device(recorder, card) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    link.emplace(UniqueFd{ends[0]}, device, memory, irqs);
    client.emplace(UniqueFd{ends[1]}, [this] { status = link->on_readable(); });
  }

  void start() {
    EXPECT_TRUE(client->agree_on_version().ok());
    EXPECT_TRUE(client->ask(Command::kDeviceReset, {}).ok());
  }
  VfioUserClient::Answer map(uint64_t address, uint64_t bytes, uint32_t flags, const std::vector<int>& fds,
                             uint64_t offset = 0) {
    return client->ask(Command::kDmaMap, VfioUserClient::bytes_of(DmaMap{32, flags, offset, address, bytes}),
                       fds);
  }
  std::string refusal() const { return status.ok() ? "accepted" : status.error().message; }

  MemoryTrace trace;
  uint64_t now = 0;
  Recorder recorder;
  GuestMemory memory;
  IrqEventfds irqs;
  RecordingDma dma;
  RecordingInterrupts interrupts;
  Card card;
  RecordingDevice device;
  std::optional<VfioUserLink> link;
  std::optional<VfioUserClient> client;
  Status status = Ok{};
};

TEST_F(VfioUserTest, AgreesOnAVersionAndOnlyOnWhatWasOffered) {
  const auto answer = client->agree_on_version();
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer.as<uint16_t>(), 0);
  const std::string text(reinterpret_cast<const char*>(answer.body.data()) + 4, answer.body.size() - 4);
  EXPECT_THAT(text, HasSubstr("\"max_data_xfer_size\":4096"));
  EXPECT_THAT(text, testing::Not(HasSubstr("write_multiple")));
}

TEST_F(VfioUserTest, OffersCoalescedWritesToAClientThatKnowsThem) {
  const auto answer = client->agree_on_version(R"({"capabilities":{"write_multiple":true}})");
  const std::string text(reinterpret_cast<const char*>(answer.body.data()) + 4, answer.body.size() - 4);
  EXPECT_THAT(text, HasSubstr("\"write_multiple\":true"));
}

TEST_F(VfioUserTest, NothingIsServedBeforeTheVersion) {
  client->say(client->message(Command::kDeviceGetInfo, {}));
  EXPECT_THAT(link->on_readable().error().message, HasSubstr("before a version"));
}

TEST_F(VfioUserTest, AnotherMajorVersionEndsTheSession) {
  const uint16_t version[2] = {1, 0};
  client->say(client->message(Command::kVersion, VfioUserClient::bytes_of(version)));
  EXPECT_THAT(link->on_readable().error().message, HasSubstr("version 1.0"));
}

TEST_F(VfioUserTest, DescribesTheDevice) {
  start();
  const auto info = client->ask(Command::kDeviceGetInfo, VfioUserClient::bytes_of(uint32_t{16}, uint32_t{0}));
  ASSERT_EQ(info.body.size(), 16u);
  vfio_region_info wanted{};
  wanted.argsz = sizeof wanted;
  for (wanted.index = 0; wanted.index < kRegions; ++wanted.index) {
    const auto answer = client->ask(Command::kGetRegionInfo, VfioUserClient::bytes_of(wanted));
    const auto region = answer.as<vfio_region_info>();
    const uint64_t size = wanted.index < 6          ? card.info().bars[wanted.index].size
                          : wanted.index == kConfig ? 256
                                                    : 0;
    EXPECT_EQ(region.size, size) << wanted.index;
    EXPECT_EQ(region.flags, size == 0 ? 0u : 3u) << wanted.index;
  }
  EXPECT_FALSE(client->ask(Command::kGetRegionInfo, VfioUserClient::bytes_of(wanted)).ok());
}

TEST_F(VfioUserTest, WhatTheClientAsksBeforeTheResetIsNoneOfTheGuests) {
  ASSERT_TRUE(client->agree_on_version().ok());
  EXPECT_EQ(client->read(kConfig, 0, 4), 0x06d810deu);
  client->write(kConfig, 4, 2, 2);
  EXPECT_TRUE(trace.events().empty());
  EXPECT_TRUE(client->ask(Command::kDeviceReset, {}).ok());
  EXPECT_EQ(client->read(kConfig, 0, 4), 0x06d810deu);
  ASSERT_EQ(trace.events().size(), 2u);
  EXPECT_EQ(trace.events()[0].kind, EventKind::kReset);
  EXPECT_EQ(trace.events()[1].kind, EventKind::kConfigRead);
}

// What a client sees and what is recorded is what the device itself gives: a second card, asked directly.
TEST_F(VfioUserTest, RandomAccessesAreThoseOfTheDevice) {
  start();
  test::TestMachine other_machine;
  Card direct({.vram_bytes = 64 << 20}, other_machine, other_machine);
  direct.reset();
  std::mt19937_64 random(7);
  const uint64_t offsets[] = {0x0,      0x1700,  0x700000, 0x700ff8, 0x002504,
                              0x409500, 0x88000, 0x800000, 0x100c80};
  for (unsigned i = 0; i < 20'000; ++i) {
    const uint32_t width = 1u << random() % 4;
    const uint64_t offset = (offsets[random() % std::size(offsets)] + random() % 64) / width * width;
    now += 1000;
    direct.advance(now + 1000);
    if (random() % 2 == 0) {
      ASSERT_EQ(client->read(0, offset, width), direct.bar_read(0, offset, width)) << offset << " " << width;
    } else {
      const uint64_t value = random();
      client->write(0, offset, width, value);
      direct.bar_write(0, offset, width, value & width_mask(width));
    }
    now = now / 1000 * 1000;
  }
  EXPECT_TRUE(status.ok());
}

TEST_F(VfioUserTest, LongTransfersAreAlignedAccesses) {
  start();
  std::vector<std::byte> body = VfioUserClient::bytes_of(RegionAccess{0x700004, 0, 16});
  for (unsigned i = 0; i < 16; ++i) body.push_back(static_cast<std::byte>(i + 1));
  const size_t before = trace.events().size();
  EXPECT_TRUE(client->ask(Command::kRegionWrite, body).ok());
  std::vector<std::pair<uint64_t, unsigned>> accesses;
  for (size_t i = before; i < trace.events().size(); ++i) {
    accesses.emplace_back(trace.events()[i].address, trace.events()[i].width);
  }
  EXPECT_THAT(accesses,
              testing::ElementsAre(std::pair(0x700004, 4), std::pair(0x700008, 8), std::pair(0x700010, 4)));
  EXPECT_EQ(client->read(0, 0x700004, 4), 0x04030201u);
}

TEST_F(VfioUserTest, CoalescedWritesAreMadeInOrder) {
  start();
  const CoalescedWrite first{{0x700000, 0, 4}, {std::byte{1}}}, second{{0x700000, 0, 1}, {std::byte{9}}};
  EXPECT_TRUE(
      client->ask(Command::kRegionWriteMulti, VfioUserClient::bytes_of(uint64_t{2}, first, second)).ok());
  EXPECT_EQ(client->read(0, 0x700000, 4), 9u);
  EXPECT_FALSE(
      client->ask(Command::kRegionWriteMulti, VfioUserClient::bytes_of(uint64_t{3}, first, second)).ok());
}

TEST_F(VfioUserTest, AccessesOutsideARegionAreRefusedAndCounted) {
  start();
  const auto access = [&](uint64_t offset, uint32_t region, uint32_t count) {
    return client->ask(Command::kRegionRead, VfioUserClient::bytes_of(RegionAccess{offset, region, count}))
        .ok();
  };
  EXPECT_FALSE(access(card.info().bars[0].size, 0, 4));
  EXPECT_FALSE(access(card.info().bars[0].size - 2, 0, 4));
  EXPECT_FALSE(access(~uint64_t{0} - 1, 0, 4));
  EXPECT_FALSE(access(0, 2, 4));  // the upper half of a 64-bit BAR
  EXPECT_FALSE(access(0, 1000, 4));
  EXPECT_FALSE(access(0, 0, 0));
  EXPECT_FALSE(access(0, 0, kMaxTransferBytes + 1));
  EXPECT_EQ(link->stray_accesses(), 5u);
  EXPECT_EQ(link->refused(), 7u);
  EXPECT_TRUE(status.ok());
}

TEST_F(VfioUserTest, KnowsWhereTheGuestHasTheBars) {
  start();
  client->write(kConfig, 0x10, 4, 0xe0000000);
  client->write(kConfig, 0x14, 4, 0x00000000);
  client->write(kConfig, 0x18, 4, 0x00000040);  // BAR1 above 4 GiB
  EXPECT_EQ(link->bar_bases()[0], 0u);
  client->write(kConfig, 0x04, 2, 2);
  EXPECT_EQ(link->bar_bases()[0], 0xe0000000u);
  EXPECT_EQ(link->bar_bases()[1], 0x4000000000u);
}

TEST_F(VfioUserTest, SharesMemoryAndTakesItBack) {
  start();
  const UniqueFd ram = memory_file(0x10000), rom = memory_file(0x1000);
  EXPECT_TRUE(map(0x100000, 0x8000, 3, {ram.get()}, 0x8000).ok());
  EXPECT_TRUE(map(0x0, 0x1000, 1, {rom.get()}).ok());
  EXPECT_TRUE(map(0xffff0000, 0x10000, 3, {}).ok());  // no descriptor
  std::byte bytes[4] = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  EXPECT_TRUE(memory.write(0x100010, bytes));
  uint32_t seen = 0;
  EXPECT_EQ(pread(ram.get(), &seen, 4, 0x8010), 4);
  EXPECT_EQ(seen, 0x04030201u);
  EXPECT_FALSE(memory.write(0x0, bytes)) << "read-only";
  EXPECT_TRUE(memory.read(0x0, bytes));
  EXPECT_FALSE(memory.read(0xffff0000, bytes));
  EXPECT_EQ(memory.end(), 0x108000u);

  const auto unmap = [&](uint64_t address, uint64_t size, uint32_t flags = 0) {
    return client->ask(Command::kDmaUnmap, VfioUserClient::bytes_of(DmaUnmap{24, flags, address, size}));
  };
  EXPECT_FALSE(unmap(0x100000, 0x4000).ok()) << "only what was mapped as one";
  EXPECT_EQ(unmap(0x100000, 0x8000).as<DmaUnmap>().address, 0x100000u);
  EXPECT_FALSE(memory.read(0x100010, bytes));
  EXPECT_TRUE(unmap(0, 0, VFIO_DMA_UNMAP_FLAG_ALL).ok());
  EXPECT_FALSE(memory.read(0x0, bytes));
}

TEST_F(VfioUserTest, RefusesMemoryThatOverlapsWrapsOrIsNoFile) {
  start();
  const UniqueFd ram = memory_file(0x10000);
  int pipe_ends[2];
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  const UniqueFd reading(pipe_ends[0]), writing(pipe_ends[1]);
  EXPECT_TRUE(map(0x1000, 0x2000, 3, {ram.get()}).ok());
  EXPECT_EQ(map(0x2000, 0x1000, 3, {ram.get()}).header.error, static_cast<uint32_t>(EEXIST));
  EXPECT_EQ(map(0, 0x1001, 3, {ram.get()}).header.error, static_cast<uint32_t>(EEXIST));
  EXPECT_FALSE(map(0x10000, 0, 3, {ram.get()}).ok());
  EXPECT_FALSE(map(0x10000, ~uint64_t{0}, 3, {ram.get()}).ok());
  EXPECT_FALSE(map(~uint64_t{0} - 0xfff, 0x2000, 3, {ram.get()}).ok());
  EXPECT_FALSE(map(0x10000, 0x1000, 3, {reading.get()}).ok());
  EXPECT_FALSE(map(0x10000, 0x1000, 3, {ram.get(), ram.get()}).ok());
  for (unsigned i = 1; i < kMaxDmaMaps; ++i)
    ASSERT_TRUE(map(0x100000 + i * 0x1000, 0x1000, 3, {ram.get()}).ok());
  EXPECT_EQ(map(0x8000000, 0x1000, 3, {ram.get()}).header.error, static_cast<uint32_t>(ENOSPC));
}

// Two requests that arrive as one piece, of which only the second has a descriptor.
TEST_F(VfioUserTest, ADescriptorBelongsToTheRequestThatItCameWith) {
  start();
  const UniqueFd ram = memory_file(0x1000);
  client->say(client->message(Command::kDmaMap, VfioUserClient::bytes_of(DmaMap{32, 3, 0, 0xf0000, 0x1000})));
  client->say(client->message(Command::kDmaMap, VfioUserClient::bytes_of(DmaMap{32, 3, 0, 0, 0x1000})),
              {ram.get()});
  while (link->serve_next().value()) {
  }
  std::byte byte[1];
  EXPECT_TRUE(memory.read(0, byte));
  EXPECT_FALSE(memory.read(0xf0000, byte));
}

TEST_F(VfioUserTest, MessagesAreTakenInPieces) {
  start();
  const auto bytes = client->message(Command::kRegionRead, VfioUserClient::bytes_of(RegionAccess{0, 0, 4}));
  for (const std::byte b : bytes) {
    EXPECT_EQ(client->hear().header.flags, 0u);
    client->say(std::span(&b, 1));
    EXPECT_TRUE(link->on_readable().ok());
  }
  EXPECT_TRUE(client->hear().ok());
}

TEST_F(VfioUserTest, NoReplyIsGivenWhereNoneIsWanted) {
  start();
  const auto body = VfioUserClient::bytes_of(RegionAccess{0x700000, 0, 4}, uint32_t{77});
  client->say(client->message(Command::kRegionWrite, body, kNoReply));
  EXPECT_TRUE(link->on_readable().ok());
  EXPECT_EQ(client->hear().header.flags, 0u);
  EXPECT_EQ(client->read(0, 0x700000, 4), 77u);
}

TEST_F(VfioUserTest, ALevelIsAnEventUntilItIsUnmasked) {
  start();
  const UniqueFd intx = event();
  EXPECT_TRUE(client->set_irq(VFIO_PCI_INTX_IRQ_INDEX, kTriggerByEvent, 1, {intx.get()}).ok());
  interrupts.set_intx(true);
  interrupts.set_intx(true);
  EXPECT_EQ(count_of(intx), 1u);
  EXPECT_EQ(count_of(intx), 0u);
  const auto unmask = [&] {
    EXPECT_TRUE(
        client->set_irq(VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, 1)
            .ok());
  };
  unmask();
  EXPECT_EQ(count_of(intx), 1u) << "the level still stands";
  interrupts.set_intx(false);
  unmask();
  EXPECT_EQ(count_of(intx), 0u);
  interrupts.set_intx(true);
  EXPECT_EQ(count_of(intx), 1u);
}

TEST_F(VfioUserTest, ALevelWaitsForItsListener) {
  start();
  interrupts.set_intx(true);
  const UniqueFd intx = event();
  EXPECT_TRUE(client->set_irq(VFIO_PCI_INTX_IRQ_INDEX, kTriggerByEvent, 1, {intx.get()}).ok());
  EXPECT_EQ(count_of(intx), 1u);
}

// As KVM does it: the guest's end of interrupt is an event of its own.
TEST_F(VfioUserTest, AnEventMayUnmaskTheLevel) {
  start();
  const UniqueFd intx = event(), unmask = event();
  EXPECT_TRUE(client->set_irq(VFIO_PCI_INTX_IRQ_INDEX, kTriggerByEvent, 1, {intx.get()}).ok());
  EXPECT_TRUE(client
                  ->set_irq(VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK,
                            1, {unmask.get()})
                  .ok());
  interrupts.set_intx(true);
  EXPECT_EQ(count_of(intx), 1u);
  EXPECT_TRUE(link->on_readable().ok());
  EXPECT_EQ(count_of(intx), 0u);
  EXPECT_EQ(eventfd_write(unmask.get(), 1), 0);
  EXPECT_TRUE(link->on_readable().ok());
  EXPECT_EQ(count_of(intx), 1u);
}

TEST_F(VfioUserTest, AMessageIsAnEventAndIsCountedWithoutAListener) {
  start();
  interrupts.send_msi(0xfee00000, 0x41);
  EXPECT_EQ(irqs.undelivered(), 1u);
  const UniqueFd msi = event();
  EXPECT_TRUE(client->set_irq(VFIO_PCI_MSI_IRQ_INDEX, kTriggerByEvent, 1, {msi.get()}).ok());
  interrupts.send_msi(0xfee00000, 0x41);
  EXPECT_EQ(count_of(msi), 1u);
  EXPECT_EQ(irqs.undelivered(), 1u);
  EXPECT_TRUE(
      client->set_irq(VFIO_PCI_MSI_IRQ_INDEX, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 0).ok());
  interrupts.send_msi(0xfee00000, 0x41);
  EXPECT_EQ(irqs.undelivered(), 2u);
}

TEST_F(VfioUserTest, OnlyAnEventIsTakenForAnEvent) {
  start();
  int pipe_ends[2];
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  const UniqueFd reading(pipe_ends[0]), writing(pipe_ends[1]);
  EXPECT_FALSE(client->set_irq(VFIO_PCI_MSI_IRQ_INDEX, kTriggerByEvent, 1, {writing.get()}).ok());
  const UniqueFd full = event();
  ASSERT_EQ(eventfd_write(full.get(), ~uint64_t{0} - 1), 0);
  ASSERT_EQ(fcntl(full.get(), F_SETFL, 0), 0);
  EXPECT_TRUE(client->set_irq(VFIO_PCI_MSI_IRQ_INDEX, kTriggerByEvent, 1, {full.get()}).ok());
  interrupts.send_msi(0xfee00000, 0x41);  // a write would wait for ever
  EXPECT_EQ(irqs.undelivered(), 1u);
}

TEST_F(VfioUserTest, OtherInterruptsAndVectorsAreRefused) {
  start();
  const UniqueFd fd = event();
  EXPECT_FALSE(client->set_irq(VFIO_PCI_MSIX_IRQ_INDEX, kTriggerByEvent, 1, {fd.get()}).ok());
  EXPECT_FALSE(client->set_irq(VFIO_PCI_MSI_IRQ_INDEX, kTriggerByEvent, 2, {fd.get()}).ok());
  EXPECT_FALSE(client->set_irq(99, kTriggerByEvent, 1, {fd.get()}).ok());
  EXPECT_FALSE(client->set_irq(VFIO_PCI_MSI_IRQ_INDEX, kTriggerByEvent, 1, {fd.get(), fd.get()}).ok());
  EXPECT_FALSE(client->set_irq(VFIO_PCI_MSI_IRQ_INDEX, ~0u, 1).ok());
}

TEST_F(VfioUserTest, WhatItDoesNotKnowIsDeclined) {
  start();
  for (const uint16_t command : {uint16_t{0}, uint16_t{14}, uint16_t{16}, uint16_t{17}, uint16_t{0xffff}}) {
    const auto answer = client->ask(static_cast<Command>(command), {});
    EXPECT_FALSE(answer.ok());
    EXPECT_EQ(answer.header.error, static_cast<uint32_t>(ENOTSUP));
    EXPECT_TRUE(answer.body.empty());
  }
  EXPECT_TRUE(status.ok());
}

TEST_F(VfioUserTest, SizesThatCannotBeEndTheSession) {
  for (const uint32_t size : {0u, 15u, kMaxMessageBytes + 1, ~0u}) {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    VfioUserLink other(UniqueFd{ends[0]}, device, memory, irqs);
    VfioUserClient raw(UniqueFd{ends[1]}, [] {});
    raw.say(VfioUserClient::bytes_of(Header{1, 1, size, 0, 0}));
    EXPECT_THAT(other.on_readable().error().message, HasSubstr("bytes"));
  }
}

TEST_F(VfioUserTest, AReplyIsNoRequest) {
  client->say(client->message(Command::kVersion, {}, kReply));
  EXPECT_THAT(link->on_readable().error().message, HasSubstr("instead of a request"));
}

TEST_F(VfioUserTest, ShortBodiesAndDescriptorsThatNobodyWantsAreRefused) {
  start();
  EXPECT_FALSE(client->ask(Command::kDmaMap, VfioUserClient::bytes_of(uint32_t{1})).ok());
  EXPECT_FALSE(client->ask(Command::kSetIrqs, {}).ok());
  EXPECT_FALSE(
      client->ask(Command::kRegionWrite, VfioUserClient::bytes_of(RegionAccess{0x700000, 0, 8}, uint32_t{1}))
          .ok());
  const UniqueFd fd = event();
  EXPECT_FALSE(client->ask(Command::kDeviceReset, {}, {fd.get()}).ok());
}

TEST_F(VfioUserTest, MoreDescriptorsThanAllowedEndTheSession) {
  start();
  const UniqueFd fd = event();
  client->say(client->message(Command::kDmaMap, VfioUserClient::bytes_of(DmaMap{})),
              std::vector<int>(kMaxFds + 1, fd.get()));
  EXPECT_THAT(link->on_readable().error().message, HasSubstr("descriptors"));
}

TEST_F(VfioUserTest, AClientThatNeverReadsIsLeft) {
  start();
  std::vector<std::byte> many;
  const auto request =
      client->message(Command::kRegionRead, VfioUserClient::bytes_of(RegionAccess{0x700000, 0, 4096}));
  for (unsigned i = 0; i < 2000 && !link->closed(); ++i) {
    client->say(request);
    ASSERT_TRUE(link->on_readable().ok());
  }
  EXPECT_TRUE(link->closed());
}

TEST_F(VfioUserTest, NoticesTheEnd) {
  start();
  client->close();
  EXPECT_TRUE(link->on_readable().ok());
  EXPECT_TRUE(link->closed());
}

}  // namespace
}  // namespace gpuvm
