// The messages of vfio-user 0.1 (docs/interop/vfio-user.rst of QEMU), byte by byte; in host order, as the
// protocol has them. Structures that it shares with the kernel's VFIO come from linux/vfio.h.
#pragma once

#include <linux/vfio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "traces/core/result.h"

namespace gpuvm::vfio_user {

enum class Command : uint16_t {
  kVersion = 1,
  kDmaMap = 2,
  kDmaUnmap = 3,
  kDeviceGetInfo = 4,
  kGetRegionInfo = 5,
  kGetRegionIoFds = 6,
  kGetIrqInfo = 7,
  kSetIrqs = 8,
  kRegionRead = 9,
  kRegionWrite = 10,
  kDeviceReset = 13,
  kRegionWriteMulti = 15,
};

struct Header {
  uint16_t id;
  uint16_t command;
  uint32_t size;  // of the whole message
  uint32_t flags;
  uint32_t error;  // errno, in a reply with kError
};
static_assert(sizeof(Header) == 16);
inline constexpr uint32_t kTypeMask = 0xf;
inline constexpr uint32_t kReply = 0x1;
inline constexpr uint32_t kNoReply = 0x10;
inline constexpr uint32_t kError = 0x20;

struct DmaMap {
  uint32_t argsz;
  uint32_t flags;  // VFIO_DMA_MAP_FLAG_READ, _WRITE
  uint64_t offset;
  uint64_t address;
  uint64_t size;
};
static_assert(sizeof(DmaMap) == 32);

struct DmaUnmap {
  uint32_t argsz;
  uint32_t flags;  // VFIO_DMA_UNMAP_FLAG_ALL
  uint64_t address;
  uint64_t size;
};
static_assert(sizeof(DmaUnmap) == 24);

struct RegionAccess {
  uint64_t offset;
  uint32_t region;
  uint32_t count;
};
static_assert(sizeof(RegionAccess) == 16);

// One of the writes of kRegionWriteMulti: 8 bytes of data, of which `count` are meant.
struct CoalescedWrite {
  RegionAccess access;
  std::array<std::byte, 8> data;
};
static_assert(sizeof(CoalescedWrite) == 24);

struct RegionIoFds {
  uint32_t argsz;
  uint32_t flags;
  uint32_t index;
  uint32_t count;
};
static_assert(sizeof(RegionIoFds) == 16);

// Bytes that one access or transfer may have: BARs are accessed in 1 to 8 bytes, configuration space is read
// whole.
inline constexpr uint32_t kMaxTransferBytes = 4096;
// Room for a transfer, for the peer's list of capabilities, and for what QEMU coalesces: 200 writes.
inline constexpr uint32_t kMaxMessageBytes = 8192;
inline constexpr size_t kMaxFds = 8;
inline constexpr size_t kMaxDmaMaps = 1024;

inline constexpr unsigned kRegions = VFIO_PCI_NUM_REGIONS;
inline constexpr unsigned kIrqs = VFIO_PCI_NUM_IRQS;
inline constexpr uint64_t kConfigBytes = 256;

// Reads a T from the beginning of `bytes`; nothing if they are too few.
template <typename T>
std::optional<T> parse(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value;
  __builtin_memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// Errors: sizes or types that a request cannot have.
Result<Header> parse_request(std::span<const std::byte, sizeof(Header)> bytes);

// Our answer to the body of a kVersion request: version and capabilities. Errors: another major version, or
// a list of capabilities that is no JSON object.
Result<std::string> answer_version(std::span<const std::byte> body);

}  // namespace gpuvm::vfio_user
