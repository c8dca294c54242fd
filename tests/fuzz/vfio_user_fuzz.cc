// Any bytes as what a vfio-user client sends, with any descriptors: served by a real card with a recorder
// between. Neither may it crash, hang or leak a descriptor, nor may what was recorded break the rules of the
// event vocabulary. An operation is a message.
#include "emulator/card/card.h"
#include "tests/support/byte_source.h"
#include "tests/support/hostile_peer.h"
#include "tests/support/operation_cost.h"
#include "tests/support/operation_count.h"
#include "tracer/vfio_user/vfio_user_link.h"

namespace {

using namespace gpuvm;
using namespace gpuvm::test;
using namespace gpuvm::vfio_user;

constexpr unsigned kMaxMessages = 2000;

// A message that is mostly well-formed, so that what lies behind the parser is reached.
std::vector<std::byte> make_message(ByteSource& in) {
  const uint8_t how = in.u8();
  const uint8_t forged = in.u8();
  std::vector<std::byte> body;
  const auto put = [&](auto value) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    body.insert(body.end(), bytes, bytes + sizeof value);
  };
  const auto put_access = [&] {
    RegionAccess access{in.u32() % 0x2000000, in.u8() % 10u, 1u << (in.u8() & 3)};
    if (how & 0x40) access = {in.u64(), in.u32(), in.u32()};
    if (how & 0x20) access.region = VFIO_PCI_CONFIG_REGION_INDEX, access.offset %= 256;
    put(access);
    return std::min(access.count, kMaxTransferBytes);
  };
  uint16_t command = how & 0xf;
  if (forged >= 0xf0) command = in.u16();
  if (forged >= 0xe0) {
    for (const uint8_t byte : in.bytes(in.u8())) body.push_back(static_cast<std::byte>(byte));
  } else {
    switch (static_cast<Command>(command)) {
      case Command::kVersion:
        put(uint32_t{how & 0x40 ? in.u32() : 0x10000});
        for (const uint8_t byte : in.bytes(how & 0x80 ? in.u8() : 0))
          body.push_back(static_cast<std::byte>(byte));
        break;
      case Command::kDmaMap:
        put(how & 0x40 ? DmaMap{in.u32(), in.u32(), in.u64(), in.u64(), in.u64()}
                       : DmaMap{32, in.u8() & 3u, 0, uint64_t{in.u8()} << 12, uint64_t{in.u8()} << 12});
        break;
      case Command::kDmaUnmap:
        put(how & 0x40 ? DmaUnmap{in.u32(), in.u32(), in.u64(), in.u64()}
                       : DmaUnmap{24, in.u8() & 2u, uint64_t{in.u8()} << 12, uint64_t{in.u8()} << 12});
        break;
      case Command::kSetIrqs:
        put(std::array<uint32_t, 5>{20, how & 0x40 ? in.u32() : 1u << (in.u8() % 3) | 8u << (in.u8() % 3),
                                    how & 0x80 ? in.u32() : in.u8() % 3u, in.u8() % 2u, in.u8() % 2u});
        put(in.u8());
        break;
      case Command::kRegionRead:
        (void)put_access();
        break;
      case Command::kRegionWrite: {
        const uint32_t count = put_access();
        for (const uint8_t byte : in.bytes(count)) body.push_back(static_cast<std::byte>(byte));
        break;
      }
      case Command::kRegionWriteMulti: {
        const unsigned count = in.u8() % 8u;
        put(uint64_t{how & 0x10 ? in.u8() : count});
        for (unsigned i = 0; i < count; ++i) (void)put_access(), put(in.u64());
        break;
      }
      default:
        put(std::array<uint32_t, 8>{32, 0, in.u8() % 16u});
        break;
    }
  }
  Header header{in.u16(), command, static_cast<uint32_t>(sizeof header + body.size()), 0, 0};
  if (forged == 0xdf) header.size = in.u32();
  if (forged == 0xde) header.flags = in.u32();
  std::vector<std::byte> bytes(sizeof header);
  std::memcpy(bytes.data(), &header, sizeof header);
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

// One connection, until the peer has gone, the link has had enough, or there is no more input.
void connect(ByteSource& in, RecordingDevice& device, GuestMemory& memory, IrqEventfds& interrupts,
             unsigned& messages) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return;
  const UniqueFd peer(ends[1]);
  VfioUserLink link(UniqueFd{ends[0]}, device, memory, interrupts);
  bool broken = false;
  const auto say = [&](std::span<const std::byte> message, const std::vector<UniqueFd>& fds) {
    send_with(peer.get(), message, fds);
    OperationCount::add();
    ++messages;
    const OperationCost cost;
    broken = !link.on_readable().ok();
    cost.require_within(kOneOperation);
    std::array<char, 8192> reply;
    while (recv(peer.get(), reply.data(), reply.size(), MSG_DONTWAIT) > 0) {
    }
  };
  if (in.u8() & 1) {
    const struct {
      Header header;
      uint16_t version[2];
    } hello{{1, 1, 20, 0, 0}, {0, 1}};
    say(std::as_bytes(std::span(&hello, 1)), {});
    const Header reset{2, 13, sizeof reset, 0, 0};
    say(std::as_bytes(std::span(&reset, 1)), {});
  }
  while (messages < kMaxMessages && !in.empty() && !broken && !link.closed()) {
    std::vector<UniqueFd> fds;
    const uint8_t count = in.u8();
    for (unsigned i = 0; count >= 0xc0 && i < count % 11u; ++i) {
      if (UniqueFd fd = some_descriptor(in.u8()); fd.valid()) fds.push_back(std::move(fd));
    }
    const auto message = make_message(in);
    const uint8_t cut = in.u8();
    if (cut < 0xf0) {
      say(message, fds);
      continue;
    }
    // Two pieces; sometimes the second never comes.
    const size_t first = message.size() * (cut & 7) / 8;
    say(std::span(message).first(first), fds);
    if (cut & 8) return;
    if (!broken) say(std::span(message).subspan(first), {});
  }
}

// The card stays while peers come and go: making one is most of the work.
void serve(const uint8_t* data, size_t size) {
  ByteSource in(data, size);
  MemoryTrace trace;
  uint64_t now = 0;
  Recorder recorder(&trace, [&now] { return now += 1000; });
  GuestMemory memory;
  IrqEventfds irqs;
  RecordingDma dma(recorder, memory);
  RecordingInterrupts interrupts(recorder, irqs);
  Card card({.vram_bytes = 4 << 20}, dma, interrupts);
  RecordingDevice device(recorder, card);
  for (unsigned messages = 0; messages < kMaxMessages && !in.empty();) {
    connect(in, device, memory, irqs, messages);
    ++messages;
  }
  check_events(trace);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  leaves_no_descriptor([&] { serve(data, size); });
  return 0;
}
