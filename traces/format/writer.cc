// TraceWriter: collects events into chunks, which a pool of threads encodes and appends to the file.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <optional>
#include <thread>

#include "traces/format/encode_pool.h"

namespace gpuvm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kMaxEncodeThreads = 16;

class Writer final : public TraceWriter {
 public:
  Writer(std::unique_ptr<format::ChunkFile> file, const WriterOptions& options)
      : options_(options),
        threaded_(options.encode_threads > 0),
        chunk_age_(std::chrono::milliseconds(options.chunk_ms)),
        capacity_(threaded_ ? options.chunk_events - options.chunk_events / 8 : options.chunk_events),
        most_pending_(uint64_t{options.chunk_events} *
                      (options.encode_threads > 1 ? options.encode_threads + 1 : 1)),
        limit_(capacity_),
        file_(std::move(file)),
        pool_(*file_, options.compression, options.time_unit_ns, options.encode_threads) {
    filling_.events.reserve(capacity_);
    if (threaded_) ageing_ = std::thread([this] { put_when_old(); });
  }

  ~Writer() override {
    // No index, so the file says that it was not closed; but what was recorded is worth having.
    if (!closed_) [[maybe_unused]]
      Status ignored = drain();
    stop_ageing();
  }

  Status write(const Event& event, Bytes payload) override {
    std::unique_lock lock = guard();
    const bool owns_payload = has_payload(event.kind);
    if (filling_.events.size() >= limit_ || pool_.failed() || closed_) GPUVM_TRY_STATUS(next_chunk());
    if (owns_payload) GPUVM_TRY_STATUS(make_room(payload.size()));
    filling_.events.push_back(event);
    if (owns_payload) {
      Event& stored = filling_.events.back();
      stored.value = filling_.blob_base + filling_.blob.size();
      stored.aux = static_cast<uint32_t>(payload.size());
      filling_.blob.insert(filling_.blob.end(), payload.begin(), payload.end());
    }
    return threaded_ ? Status(Ok{}) : put_without_thread();
  }

  Status attach(std::string_view name, Bytes bytes) override {
    if (closed_) return error("the trace was closed already");
    return file_->append_attachment(name, bytes);
  }

  Status flush() override {
    if (closed_) return error("the trace was closed already");
    GPUVM_TRY_STATUS(drain());
    return file_->sync();
  }

  Status close() override {
    if (closed_) return error("the trace was closed already");
    Status drained = drain();
    stop_ageing();
    closed_ = true;
    if (!drained) return drained;
    return file_->close();
  }

  uint64_t events() const override {
    std::unique_lock lock = guard();
    return next_seq();
  }

 private:
  // Without threads nobody else is there to be kept out.
  std::unique_lock<std::mutex> guard() const {
    return threaded_ ? std::unique_lock(mutex_) : std::unique_lock<std::mutex>();
  }

  uint64_t next_seq() const { return filling_.first_seq + filling_.events.size(); }

  Status make_room(size_t payload) {
    if (payload > kMaxEventPayload) {
      return error("event {}: its payload has {} bytes, the limit is {}; split it", next_seq(), payload,
                   kMaxEventPayload);
    }
    bool heavy = filling_.blob.size() + payload > format::kUsualPayloadBytes;
    return heavy && !filling_.blob.empty() ? put() : Status(Ok{});
  }

  // The chunk is full, or all that a kill may cost is on its way to the file.
  Status next_chunk() {
    if (closed_) return error("the trace was closed already");
    if (filling_.events.size() >= capacity_ || pool_.failed()) return put();
    GPUVM_TRY_STATUS(pool_.wait(most_pending_ - filling_.events.size() - 1));
    set_limit();
    return Ok{};
  }

  Status put() {
    const uint64_t seq = next_seq(), blob = filling_.blob_base + filling_.blob.size();
    GPUVM_TRY_STATUS(pool_.put(filling_));
    filling_.first_seq = seq;
    filling_.blob_base = blob;
    filling_.events.reserve(capacity_);
    seen_at_.reset();
    set_limit();
    return Ok{};
  }

  void set_limit() {
    const uint64_t pending = pool_.pending();
    limit_ = static_cast<uint32_t>(
        std::min<uint64_t>(capacity_, most_pending_ - std::min(pending, most_pending_)));
  }

  // Everything so far into the file.
  Status drain() {
    std::unique_lock lock = guard();
    GPUVM_TRY_STATUS(put());
    return pool_.wait();
  }

  // Without a thread: the caller looks at the clock. The coarse one costs 5 ns and is right to 4 ms.
  Status put_without_thread() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    uint64_t ms = static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
    if (filling_.events.size() == 1) oldest_ms_ = ms;
    return ms - oldest_ms_ < options_.chunk_ms ? Status(Ok{}) : put();
  }

  // With one: it does what no later event may come to do.
  void put_when_old() {
    std::unique_lock lock(mutex_);
    // Looking four times in the time that a chunk may take keeps the oldest unwritten event below it.
    const auto tick = std::max<Clock::duration>(chunk_age_ / 4, std::chrono::milliseconds(1));
    while (!wake_.wait_for(lock, tick, [this] { return stop_; })) {
      if (filling_.events.empty()) continue;
      const auto now = Clock::now();
      if (!seen_at_) seen_at_ = now;
      if (now - *seen_at_ < chunk_age_ / 2) continue;
      if (!put()) return;  // the caller's next write() is told
    }
  }

  void stop_ageing() {
    if (!ageing_.joinable()) return;
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_one();
    ageing_.join();
  }

  const WriterOptions options_;
  const bool threaded_;
  const Clock::duration chunk_age_;
  const uint32_t capacity_;  // events in a chunk; with threads a bit less, so that the caller need not wait
  const uint64_t most_pending_;  // events that may be in memory
  uint64_t oldest_ms_ = 0;
  bool closed_ = false;

  mutable std::mutex mutex_;  // guards what follows, if there are threads
  std::condition_variable wake_;
  uint32_t limit_;                            // events that filling_ may hold now
  format::EventChunk filling_;                // the caller's
  std::optional<Clock::time_point> seen_at_;  // when the thread first saw something in it
  bool stop_ = false;
  const std::unique_ptr<format::ChunkFile> file_;
  format::EncodePool pool_;
  std::thread ageing_;
};

}  // namespace

unsigned bulk_encode_threads() {
  return std::clamp(std::thread::hardware_concurrency(), 1u, 4u);
}

Result<std::unique_ptr<TraceWriter>> TraceWriter::create(const std::string& path,
                                                         const WriterOptions& options) {
  WriterOptions checked = options;
  checked.chunk_events = std::clamp<uint32_t>(options.chunk_events, 1, format::kMaxChunkEvents);
  checked.chunk_ms = std::clamp<uint32_t>(options.chunk_ms, 1, 3'600'000);
  checked.encode_threads = std::min(options.encode_threads, kMaxEncodeThreads);
  if (options.time_unit_ns == 0) return error("{}: a time unit of 0 ns makes no sense; use 1 or more", path);
  GPUVM_TRY(std::unique_ptr<format::ChunkFile> file,
            format::ChunkFile::create(path, options.compression, options.output,
                                      options.program_accesses ? format::kProgramAccesses : 0));
  return std::unique_ptr<TraceWriter>(std::make_unique<Writer>(std::move(file), checked));
}

}  // namespace gpuvm
