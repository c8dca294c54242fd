// Where an access came from: the payload of a kContext event.
//
// A context is defined once and named by many accesses: Event::address of the kContext event is its id (1 or
// more), Event::aux of an access the id of its context (0: none). A later definition of an id replaces the
// earlier one from its place in the stream on, so a reader needs no more memory than the ids that are in use.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "traces/core/result.h"
#include "traces/stream.h"

namespace gpuvm {

struct ContextRecord {
  int32_t map_id = 0;      // mmiotrace: number of the ioremap; QEMU: ordinal of the memory region; 0 = none
  uint32_t thread = 0;     // who asked for it: a process or a thread of the emulator; 0 = unknown
  uint64_t pc = 0;         // address of the instruction, 0 = unknown
  std::string label = {};  // name of the region or device, at most kMaxContextLabel bytes
  std::vector<uint64_t> callers = {};  // return addresses, innermost first, at most kMaxContextCallers
  uint32_t cpu = 0;                    // number of the CPU + 1, 0 = unknown

  friend bool operator==(const ContextRecord&, const ContextRecord&) = default;
};

inline constexpr size_t kMaxContextLabel = 4096;
inline constexpr size_t kMaxContextCallers = 1024;

// Bytes, little-endian: map_id u32 (two's complement), thread u32, pc u64, length of label u16, number of
// callers u16, label, callers u64 each, and, if it is known, cpu u32. What is over the two limits is cut off.
std::string encode_context(const ContextRecord& record);
// Errors: shorter than it says, or longer than the limits.
Result<ContextRecord> decode_context(Bytes payload);

}  // namespace gpuvm
