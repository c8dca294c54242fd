// Turns chunks of events into chunks of the file on threads of its own: several are encoded at once, and they
// are appended in the order in which they were put. One thread may call it at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "traces/format/chunk_file.h"

namespace gpuvm::format {

// Consecutive events with the payloads that they own.
struct EventChunk {
  uint64_t first_seq = 0;
  uint64_t blob_base = 0;  // place of blob[0] among all payload bytes
  std::vector<Event> events;
  std::vector<std::byte> blob;
};

class EncodePool {
 public:
  // `file` must outlive this. `threads`: chunks encoded at once; 0: put() itself does it.
  EncodePool(ChunkFile& file, Compression compression, uint64_t time_unit_ns, unsigned threads);
  ~EncodePool();  // what was put is written first
  EncodePool(const EncodePool&) = delete;
  EncodePool& operator=(const EncodePool&) = delete;

  // Takes the events out of `chunk`, and leaves it empty, with room that was used before. Waits while as many
  // chunks are on their way as there are threads. Errors: a chunk could not be written; no later one is.
  Status put(EventChunk& chunk);
  bool failed() const { return failed_.load(std::memory_order_relaxed); }
  // Events put that are not in the file yet.
  uint64_t pending() const;
  // Waits until at most `events` are pending. Errors: as put().
  Status wait(uint64_t events = 0);

 private:
  // Memory that encoding one chunk takes.
  struct Worker {
    Worker(Compression compression, uint64_t time_unit_ns) : encoder(compression, time_unit_ns) {}
    ChunkEncoder encoder;
    Buffer frame;
  };

  ChunkStats encode(const EventChunk& chunk, Worker& worker) const;
  Status fail(const Error& reason);
  Status append(const EventChunk& chunk, Worker& worker, const ChunkStats& stats);
  void run(Worker& worker);

  ChunkFile& file_;
  mutable std::mutex mutex_;
  std::condition_variable work_, progress_;
  std::deque<EventChunk> queue_;
  std::vector<EventChunk> spare_;      // empty, for their memory
  unsigned chunks_ = 0;                // put and not in the file yet
  uint64_t pending_ = 0;               // their events
  uint64_t taken_ = 0, appended_ = 0;  // chunks since the beginning
  bool stop_ = false;
  std::atomic<bool> failed_{false};
  std::string failure_;  // of the first chunk that could not be written
  std::deque<Worker> workers_;
  std::vector<std::thread> threads_;
};

}  // namespace gpuvm::format
