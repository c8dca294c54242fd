// What the agent in a traced program and the recorder share: one block of memory. Plain data, lock-free where
// it must be; the agent's side runs inside signal handlers, in any number of processes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace gpuvm::trace_channel {

inline constexpr uint32_t kVersion = 1;
inline constexpr uint64_t kRingBytes = 16u << 20;  // a power of two
inline constexpr size_t kPatternBytes = 8192;
inline constexpr size_t kAgentPathBytes = 4096;
inline constexpr uint32_t kMaxRecordData = 64
                                           << 10;  // bytes behind a record's header: two of an ioctl, a path
inline constexpr uint32_t kMaxBlock = 4096;        // bytes of one repeated string operation in a record

// Where traced mappings are, in every traced program: [kWindow, kWindow + kWindowBytes). The seccomp filter
// looks at the upper 24 bits of an argument, so these numbers are in it.
inline constexpr uint64_t kWindow = 0x2000'0000'0000;
inline constexpr uint64_t kWindowBytes = uint64_t{1} << 40;
inline constexpr uint64_t kStubPage = 0x2100'0000'0000;
constexpr bool in_window(uint64_t address) {
  return address - kWindow < kWindowBytes;
}

enum class RecordType : uint8_t {
  kAccess = 1,
  kMap = 2,  // data: path
  kUnmap = 3,
  kCall = 4,     // ioctl; data: argument before, argument after
  kSite = 5,     // data: path of the module; offset: of the instruction in that file
  kProcess = 6,  // a program begins: value 0 first, 1 fork, 2 exec; offset: pid of the parent
  kNote = 7,     // data: one line for the user
  kEnd = 8,      // the last one of a file of records; data: EndCounts
};

// A file of records begins with this; the records follow as they are in the ring.
inline constexpr char kFileMagic[16] = "gpuvm-records-1";

struct EndCounts {
  uint64_t unseen_calls, refused_access, unrecorded, agents;  // as in Control
};

enum class Operation : uint8_t { kRead = 0, kWrite = 1, kUpdate = 2 };

inline constexpr uint8_t kPart = 1;      // a piece of an access that is not all in one mapping
inline constexpr uint8_t kRepeated = 2;  // width is of one element, `bytes` of all
inline constexpr uint8_t kAtomic = 4;
inline constexpr uint8_t kLanes = 8;  // one lane of a masked or gathered vector

struct Record {
  uint32_t size =
      0;  // of the whole record with its data, a multiple of 8; 0 with type 0: go to the ring's start
  RecordType type{};
  Operation operation{};
  uint8_t width = 0;  // bytes: 1-64
  uint8_t flags = 0;
  uint32_t pid = 0;
  uint32_t tid = 0;
  int32_t map = 0;     // number of the mapping; kCall: result
  uint32_t bytes = 0;  // of data; kUpdate and kCall: of one half
  uint64_t time_ns = 0;
  uint64_t pc = 0;
  uint64_t offset = 0;   // in the mapped file; kCall: request
  uint64_t value = 0;    // kMap: length; kCall: argument
  uint64_t address = 0;  // kMap: what the program sees
};
static_assert(sizeof(Record) == 64);

struct Control {
  uint32_t version;
  uint32_t recorder_pid;
  std::atomic<uint32_t>
      lock;  // 0, or the thread that holds it: the order of accesses is the order of holding
  std::atomic<uint32_t> stopped;  // 1: record no more (disk full, recorder gone)
  std::atomic<int32_t> next_map;
  std::atomic<uint64_t> head;            // bytes ever written
  std::atomic<uint64_t> tail;            // bytes ever read
  std::atomic<uint64_t> unseen_calls;    // system calls with a pointer into traced memory
  std::atomic<uint64_t> refused_access;  // instructions that cannot be done
  std::atomic<uint64_t> unrecorded;      // accesses after `stopped`
  std::atomic<uint64_t> agents;          // programs that have begun
  char patterns[kPatternBytes];          // each ends with 0; an empty one ends the list
  char agent_path[kAgentPathBytes];
  alignas(4096) uint8_t ring[kRingBytes];
};

inline constexpr char kVariable[] =
    "GPUVM_TRACE";  // "/proc/PID/fd/N"; a trailing "+": the filter is installed

}  // namespace gpuvm::trace_channel
