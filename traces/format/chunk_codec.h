// The body of an event chunk: events to columns and back. Independent of every other chunk.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "traces/format/gvt.h"
#include "traces/format/layout.h"
#include "traces/format/streams.h"

namespace gpuvm::format {

// Columns, as numbered in the file. See docs/trace-format.md.
enum StreamId : uint8_t {
  kStreamIds = 0,
  kStreamShapes = 1,
  kStreamShapeOf = 2,
  kStreamRecordAddresses = 3,
  kStreamRecordValues = 4,
  kStreamFarSteps = 5,
  kStreamLiterals32 = 6,
  kStreamLiterals64 = 7,
  kStreamLengths = 8,
  kStreamTimeHead = 9,
  kStreamTimeWords = 10,
  kStreamTimeExtra = 11,
  kStreamBlob = 12,
  kStreamPlanes32 = 13,  // instead of kStreamLiterals32: all lowest bytes, then all second ones, ...
  kStreamPlanes64 = 14,
};
inline constexpr unsigned kStreams = 15;

// ChunkHeader::flags of an event chunk: how its body is coded.
inline constexpr uint16_t kPlainCodec = 0;   // version 1: plain columns, read only
inline constexpr uint16_t kRecordCodec = 2;  // version 2 (1 was a draft that no release wrote)

// What a chunk says about itself, at the start of its body.
struct ChunkStats {
  uint64_t time_unit_ns = 1;
  uint64_t first_time_ns = 0;
  uint64_t last_time_ns = 0;
  uint64_t lost_events = 0;  // sum of its kLoss events
  std::array<uint64_t, kEventKinds> kinds{};
};

struct DecodedChunk : OwnedBatch {
  ChunkStats stats;
};

class ChunkEncoder {
 public:
  ChunkEncoder(Compression compression, uint64_t time_unit_ns);
  ~ChunkEncoder();
  // Appends the body for 1..kMaxChunkEvents events to `body`. Payload events own `blob`, one after the other.
  ChunkStats encode(std::span<const Event> events, Bytes blob, Buffer& body);

 private:
  struct Scratch;
  void put_literals(Buffer& body, uint8_t id, uint8_t planes_id, ByteSpan literals, unsigned width);

  StreamWriter streams_;
  int data_level_;  // of zstd, for what is data rather than structure
  uint64_t time_unit_ns_;
  std::unique_ptr<Scratch> scratch_;
};

class ChunkDecoder {
 public:
  ChunkDecoder();
  ~ChunkDecoder();
  // Errors: the reason why `body` cannot have been written by us (without file and place).
  Status decode(const ChunkHeader& header, ByteSpan body, DecodedChunk& out);
  // The columns of the body decoded last.
  std::vector<StreamInfo> columns() const { return streams_.list(); }

 private:
  struct Scratch;
  Result<ByteSpan> get_literals(uint8_t id, uint8_t planes_id, uint64_t count, unsigned width,
                                Buffer& unpacked);

  StreamReader streams_;
  std::unique_ptr<Scratch> scratch_;
};

// The start of a body: its statistics. `in` is left behind them.
Status load_stats(ByteReader& in, ChunkStats& stats);

}  // namespace gpuvm::format
