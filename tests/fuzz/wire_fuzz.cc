// Any bytes as what a peer sends on the QEMU socket, with any descriptors: served by a real card with a
// recorder between. Neither may it crash, hang or leak a descriptor, nor may what was recorded break the
// rules of the event vocabulary. An operation is a message.
#include <cstring>

#include "emulator/card/card.h"
#include "tests/support/byte_source.h"
#include "tests/support/hostile_peer.h"
#include "tests/support/operation_cost.h"
#include "tests/support/operation_count.h"
#include "tracer/qemu/device_link.h"

namespace {

using namespace gpuvm;
using namespace gpuvm::test;

constexpr unsigned kMaxMessages = 2000;

// A message that is mostly well-formed, so that what lies behind the parser is reached.
std::vector<std::byte> make_message(ByteSource& in) {
  static constexpr uint64_t kBodies[] = {192, 8, 12, 12, 24, 24, 0, 0};
  const uint8_t how = in.u8();
  const uint8_t forged = in.u8();
  const int32_t command = forged >= 0xf8 ? in.take<int32_t>() : how & 7;
  uint64_t size = command >= 0 && command < 8 ? kBodies[command] : in.u8();
  if ((forged & 0xf8) == 0xf0) size = in.u64();
  std::vector<std::byte> bytes(16 + std::min<uint64_t>(size, 256));
  std::memcpy(bytes.data(), &command, 4);
  std::memcpy(bytes.data() + 8, &size, 8);
  std::byte* body = bytes.data() + 16;
  const auto put = [&](size_t at, auto value) { std::memcpy(body + at, &value, sizeof value); };
  if (forged >= 0xe0) {
    const auto raw = in.bytes(bytes.size() - 16);
    if (!raw.empty()) std::memcpy(body, raw.data(), raw.size());
  } else if (command == 0) {
    for (size_t i = 0; i < 8; ++i) {
      put(8 * i, how & 8 ? in.u64() : uint64_t{0x10000} * i);
      put(64 + 8 * i, how & 16 ? in.u64() : uint64_t{0x10000});
      put(128 + 8 * i, how & 32 ? in.u64() : uint64_t{0});
    }
  } else if (command == 2 || command == 3) {
    put(0, how & 8 ? in.u32() : uint32_t{in.u8()});
    put(4, in.u32());
    put(8, how & 16 ? in.u32() : uint32_t{1} << (in.u8() & 3));
  } else if (command == 4 || command == 5) {
    uint64_t address = in.u32();
    if (how & 8) address = 0xc0000000 + address % 0x2000000;   // BAR0 as set up below
    if (how & 16) address = 0xd0000000 + address % 0x8000000;  // BAR1
    put(0, address);
    put(8, in.u64());
    put(16, how & 32 ? in.u32() : uint32_t{1} << (in.u8() & 3));
  }
  return bytes;
}

// One connection, until the peer has gone, the link has had enough, or there is no more input. The peer
// begins by setting up the BARs, or not.
void connect(ByteSource& in, RecordingDevice& device, GuestMemory& memory, unsigned& messages) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return;
  UniqueFd peer(ends[1]);
  DeviceLink link(UniqueFd{ends[0]}, device, memory);
  bool broken = false;
  const auto pump = [&] {
    int waiting = 1;
    while (!broken && !link.closed() && waiting > 0) {
      char byte;
      waiting = static_cast<int>(recv(link.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT));
      if (waiting < 0) break;
      const OperationCost cost;
      broken = !link.on_readable().ok();
      cost.require_within(kOneOperation);
      char reply[256];
      while (recv(peer.get(), reply, sizeof reply, MSG_DONTWAIT) > 0) {
      }
    }
  };
  const auto simple = [&](int32_t command, uint32_t offset, uint32_t value) {
    std::array<std::byte, 28> message{};
    const uint64_t body = command == 7 ? 0 : 12;
    const uint32_t width = 4;
    std::memcpy(message.data(), &command, 4);
    std::memcpy(message.data() + 8, &body, 8);
    std::memcpy(message.data() + 16, &offset, 4);
    std::memcpy(message.data() + 20, &value, 4);
    std::memcpy(message.data() + 24, &width, 4);
    send_with(peer.get(), std::span(message).first(16 + body), {});
    pump();
  };
  if (in.u8() & 1) {
    simple(7, 0, 0);
    simple(2, 0x10, 0xc0000000);
    simple(2, 0x14, 0xd0000000);
    simple(2, 0x1c, 0xe0000000);
    simple(2, 0x04, 6);
  }
  for (; messages < kMaxMessages && !in.empty() && !broken && !link.closed(); ++messages) {
    std::vector<UniqueFd> fds;
    const uint8_t count = in.u8();
    for (unsigned i = 0; i < count % 13u && count >= 0xe0; ++i) {
      if (UniqueFd fd = some_descriptor(in.u8()); fd.valid()) fds.push_back(std::move(fd));
    }
    const auto message = make_message(in);
    OperationCount::add();
    const uint8_t cut = in.u8();
    if (cut > 0xf0) {
      // The peer goes away in the middle.
      send_with(peer.get(), std::span(message).first(message.size() * (cut & 15) / 16), fds);
      shutdown(peer.get(), SHUT_WR);
      pump();
      ++messages;
      break;
    }
    send_with(peer.get(), message, fds);
    // Half a message would rightly be waited for.
    uint64_t announced = 0;
    std::memcpy(&announced, message.data() + 8, 8);
    if (announced > message.size() - 16) shutdown(peer.get(), SHUT_WR);
    pump();
  }
}

// The card stays while peers come and go: making one is most of the work.
void serve(const uint8_t* data, size_t size) {
  ByteSource in(data, size);
  MemoryTrace trace;
  uint64_t now = 0;
  Recorder recorder(&trace, [&now] { return now += 1000; });
  GuestMemory memory;
  NoInterrupts no_interrupts;
  RecordingDma dma(recorder, memory);
  RecordingInterrupts interrupts(recorder, no_interrupts);
  Card card({.vram_bytes = 4 << 20, .bars_64bit = false}, dma, interrupts);
  RecordingDevice device(recorder, card);
  unsigned messages = 0;
  while (messages < kMaxMessages && !in.empty()) connect(in, device, memory, messages);
  check_events(trace);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  leaves_no_descriptor([&] { serve(data, size); });
  return 0;
}
