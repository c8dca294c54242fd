// What the guest program says to the host over the virtio-serial port "out", and how the host reads it.
// docs/guest.md describes the protocol; this header is shared with the guest program.
//
//   record  = TYPE ' ' NAME ' ' LENGTH '\n' BODY '\n'       LENGTH: of BODY, decimal
//
// After a mark, and only then, the guest stops until the host has answered with kAck. The workload thread is
// waiting meanwhile, so the host may place the mark in the recording exactly where it belongs.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gpuvm {

inline constexpr char kGuestPort[] = "out";            // the port's name in the guest
inline constexpr char kMmiotracePort[] = "mmiotrace";  // raw text of the kernel's tracer, if asked for
inline constexpr char kProgramPort[] = "program";      // records of the traced program, if asked for
// Programs in the image, and the library that records what the second one does.
inline constexpr char kComputeProgram[] = "/compute";
inline constexpr char kClientProgram[] = "/client";
inline constexpr char kAgentLibrary[] = "/libgpuvm-agent.so";
inline constexpr char kAck = 'A';
inline constexpr char kGuestProtocolVersion[] = "gpuvm-guest-1";

enum class RecordType : uint8_t {
  kHello,       // first; body: kGuestProtocolVersion
  kLog,         // body: a line for a person
  kMark,        // body: text, "phase NAME" for a phase
  kAttachment,  // name, body: a document to keep with the trace
  kResult,      // name: "ok" or "failed"; body: what the workload has to say
  kDone,        // last; the guest powers off
};

// Limits that a well-behaved guest keeps; the host ends a session that breaks one.
struct RecordKind {
  RecordType type;
  const char* word;
  size_t max_body;  // bytes
};
inline constexpr RecordKind kRecordKinds[] = {
    {RecordType::kHello, "hello", 64},     {RecordType::kLog, "log", 4096},
    {RecordType::kMark, "mark", 256},      {RecordType::kAttachment, "attach", 32 << 20},
    {RecordType::kResult, "result", 4096}, {RecordType::kDone, "done", 0},
};
inline constexpr size_t kMaxRecordName = 64;         // letters, digits, '.', '-', '_'; "-" if there is none
inline constexpr size_t kMaxRecordHeader = 128;      // bytes, with the newline
inline constexpr size_t kMaxTotalBytes = 256 << 20;  // of one session

}  // namespace gpuvm
