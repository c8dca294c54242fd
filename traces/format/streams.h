// A chunk's body is a list of streams: id, how it is packed, sizes, bytes. Each is compressed on its own with
// zstd if that makes it smaller.
#pragma once

#include <array>
#include <memory>

#include "traces/core/result.h"
#include "traces/format/bytes.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace gpuvm::format {

inline constexpr unsigned kMaxStreams = 32;

struct StreamInfo {
  uint8_t id = 0;
  uint32_t raw_bytes = 0;
  uint32_t stored_bytes = 0;  // with its list entry
};

class StreamWriter {
 public:
  explicit StreamWriter(int zstd_level);
  ~StreamWriter();
  // Appends stream `id` to `body`; an empty stream is left out.
  void put(Buffer& body, uint8_t id, ByteSpan raw) { put(body, id, raw, level_); }
  void put(Buffer& body, uint8_t id, ByteSpan raw, int zstd_level);

 private:
  ZSTD_CCtx_s* context_;
  int level_;
};

// The streams of one body, unpacked on demand. Keeps its buffers for the next body.
class StreamReader {
 public:
  StreamReader();
  ~StreamReader();
  StreamReader(const StreamReader&) = delete;
  StreamReader& operator=(const StreamReader&) = delete;

  // Finds the streams; their bytes must stay valid. Errors: the list does not fit into `bytes`.
  Status open(ByteSpan bytes);
  // Unpacks stream `id`; an absent one is empty. `limit`: most bytes it may have unpacked. The result is
  // valid until the next open().
  Result<ByteSpan> get(uint8_t id, uint64_t limit);
  // The same into memory of the caller's; the stream must have exactly `count` bytes.
  Status get_into(uint8_t id, uint8_t* to, uint64_t count);
  std::vector<StreamInfo> list() const;

 private:
  struct Stream {
    bool present = false;
    bool zstd = false;
    uint32_t raw_bytes = 0;
    uint32_t entry_bytes = 0;
    ByteSpan stored;
  };
  std::array<Stream, kMaxStreams> streams_;
  std::array<Buffer, kMaxStreams> unpacked_;
  ZSTD_DCtx_s* context_;
};

}  // namespace gpuvm::format
