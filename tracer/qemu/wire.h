// QEMU's multi-process device protocol (hw/remote, as of QEMU 7.2), byte by byte: docs/qemu-protocol.md. Pure
// functions over bytes; the socket is device_link.h's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tracer/transport/guest_memory.h"
#include "traces/core/result.h"

namespace gpuvm::wire {

enum class Command : int32_t {
  kSyncSysmem = 0,  // guest memory map; 1 to 8 file descriptors
  kReturn = 1,      // our answers
  kConfigWrite = 2,
  kConfigRead = 3,
  kBarWrite = 4,
  kBarRead = 5,
  kSetIrqFd = 6,  // 2 file descriptors, of no use without KVM
  kDeviceReset = 7,
};

inline constexpr size_t kHeaderBytes = 16;
inline constexpr size_t kMaxBodyBytes = 192;
inline constexpr size_t kMaxFds = 8;
inline constexpr size_t kReplyBytes = 24;

struct Header {
  Command command;
  size_t body_bytes;
};
// Errors: a command that does not exist, or a body size that it cannot have.
Result<Header> parse_header(std::span<const std::byte, kHeaderBytes> bytes);
bool expects_reply(Command command);

struct ConfigAccess {
  uint32_t offset;
  uint32_t value;
  uint32_t width;  // 1, 2 or 4 bytes
};
// Errors: outside configuration space, or a width that does not exist.
Result<ConfigAccess> parse_config(std::span<const std::byte> body);

struct BarAccess {
  uint64_t address;  // absolute bus address
  uint64_t value;
  uint32_t width;  // 1, 2, 4 or 8 bytes
};
Result<BarAccess> parse_bar(std::span<const std::byte> body);

// One section for each descriptor that came along. Errors: no or too many descriptors, sections that wrap
// around.
Result<std::vector<MemorySection>> parse_memory_map(std::span<const std::byte> body, size_t descriptors);

std::array<std::byte, kReplyBytes> make_reply(uint64_t value);

}  // namespace gpuvm::wire
