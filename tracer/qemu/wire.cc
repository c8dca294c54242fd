#include "tracer/qemu/wire.h"

#include <algorithm>

#include "traces/core/bytes.h"

namespace gpuvm::wire {
namespace {

struct CommandShape {
  Command command;
  size_t body_bytes;
  bool reply;
};
constexpr std::array kShapes{
    CommandShape{Command::kSyncSysmem, 192, false}, CommandShape{Command::kConfigWrite, 12, true},
    CommandShape{Command::kConfigRead, 12, true},   CommandShape{Command::kBarWrite, 24, true},
    CommandShape{Command::kBarRead, 24, true},      CommandShape{Command::kSetIrqFd, 0, false},
    CommandShape{Command::kDeviceReset, 0, true},
};

constexpr uint64_t kConfigBytes = 256;

}  // namespace

Result<Header> parse_header(std::span<const std::byte, kHeaderBytes> bytes) {
  const auto command = load<int32_t>(bytes.data());
  const auto size = load<uint64_t>(bytes.data() + 8);
  const auto shape = std::ranges::find(kShapes, static_cast<Command>(command), &CommandShape::command);
  if (shape == kShapes.end()) return error("QEMU link: unknown command {}; is the peer QEMU 7.2?", command);
  if (size != shape->body_bytes) {
    return error("QEMU link: command {} with a body of {} bytes instead of {}; is the peer QEMU 7.2?",
                 command, size, shape->body_bytes);
  }
  return Header{shape->command, shape->body_bytes};
}

bool expects_reply(Command command) {
  const auto shape = std::ranges::find(kShapes, command, &CommandShape::command);
  return shape != kShapes.end() && shape->reply;
}

Result<ConfigAccess> parse_config(std::span<const std::byte> body) {
  GPUVM_CHECK(body.size() == 12);
  const ConfigAccess access{load<uint32_t>(body.data()), load<uint32_t>(body.data() + 4),
                            load<uint32_t>(body.data() + 8)};
  if (access.width != 1 && access.width != 2 && access.width != 4) {
    return error("QEMU link: configuration access of {} bytes", access.width);
  }
  if (access.offset > kConfigBytes - access.width) {
    return error("QEMU link: configuration access at offset 0x{:x}, beyond {} bytes", access.offset,
                 kConfigBytes);
  }
  return access;
}

Result<BarAccess> parse_bar(std::span<const std::byte> body) {
  GPUVM_CHECK(body.size() == 24);
  const BarAccess access{load<uint64_t>(body.data()), load<uint64_t>(body.data() + 8),
                         load<uint32_t>(body.data() + 16)};
  if (access.width != 1 && access.width != 2 && access.width != 4 && access.width != 8) {
    return error("QEMU link: BAR access of {} bytes", access.width);
  }
  return access;
}

Result<std::vector<MemorySection>> parse_memory_map(std::span<const std::byte> body, size_t descriptors) {
  GPUVM_CHECK(body.size() == 192);
  if (descriptors == 0 || descriptors > kMaxFds) {
    return error("QEMU link: a memory map with {} file descriptors; 1 to {} are possible", descriptors,
                 kMaxFds);
  }
  std::vector<MemorySection> sections;
  for (size_t i = 0; i < descriptors; ++i) {
    const MemorySection section{load<uint64_t>(body.data() + 8 * i), load<uint64_t>(body.data() + 64 + 8 * i),
                                load<uint64_t>(body.data() + 128 + 8 * i)};
    constexpr uint64_t kMax = uint64_t{1} << 62;
    if (section.bytes > kMax || section.address > kMax || section.file_offset > kMax) {
      return error("QEMU link: memory section {} of 0x{:x} bytes at 0x{:x} is impossible", i, section.bytes,
                   section.address);
    }
    sections.push_back(section);
  }
  return sections;
}

std::array<std::byte, kReplyBytes> make_reply(uint64_t value) {
  std::array<std::byte, kReplyBytes> reply{};
  const auto command = static_cast<int32_t>(Command::kReturn);
  const uint64_t size = sizeof value;
  store(reply.data(), command);
  store(reply.data() + 8, size);
  store(reply.data() + kHeaderBytes, value);
  return reply;
}

}  // namespace gpuvm::wire
