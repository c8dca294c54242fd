// Decodes the chunks behind the one asked for on other threads.
#pragma once

#include <deque>
#include <future>
#include <memory>
#include <span>

#include "traces/format/chunk_loader.h"

namespace gpuvm::format {

class ReadAhead {
 public:
  // `file` must outlive this. `threads`: chunks in work at once; 1 decodes on the caller's thread.
  ReadAhead(const InputFile& file, unsigned threads) : file_(file), threads_(threads) {}

  // chunks[index], decoded; valid until the next call. Errors: as ChunkLoader::load().
  Result<const DecodedChunk*> get(std::span<const ChunkRef> chunks, size_t index,
                                  std::optional<uint64_t> file_id);
  // Exchanges the chunk that get() returned last for memory to decode into, if it is what `borrowed` shows.
  bool give(const EventBatch& borrowed, OwnedBatch& batch);

 private:
  struct Slot {
    uint64_t offset = 0;  // of the chunk in it; 0: none
    ChunkLoader loader;
    DecodedChunk chunk;
    std::future<Status> done;
  };

  std::unique_ptr<Slot> take_slot();

  const InputFile& file_;
  const unsigned threads_;
  std::unique_ptr<Slot> current_;
  std::vector<std::unique_ptr<Slot>> spare_;
  std::deque<std::unique_ptr<Slot>> ahead_;  // last, so that its threads end before what they use
};

}  // namespace gpuvm::format
