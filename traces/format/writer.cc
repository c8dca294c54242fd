// TraceWriter: collects events into chunks. With a second thread, the caller only stores into a buffer.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <thread>

#include "traces/format/chunk_file.h"

namespace gpuvm {
namespace {

using format::Buffer;
using Clock = std::chrono::steady_clock;

// One chunk's worth of events. The writing thread may take what is published while the caller appends more.
struct Pending {
  explicit Pending(uint32_t capacity) : events(capacity) {}

  std::vector<Event> events;
  std::atomic<uint32_t> published{0};  // events stored by the caller
  uint32_t taken = 0;                  // events that are in a chunk already
  uint64_t first_seq = 0;              // of events[0]
  uint64_t blob_base = 0;              // of blob[0]
  std::vector<std::byte> blob;         // guarded by Writer::mutex_ while the caller appends
  size_t blob_taken = 0;
};

class Writer final : public TraceWriter {
 public:
  Writer(std::unique_ptr<format::ChunkFile> file, const WriterOptions& options)
      : options_(options),
        file_(std::move(file)),
        encoder_(options.compression, options.time_unit_ns),
        chunk_age_(std::chrono::milliseconds(options.chunk_ms)),
        capacity_(options.threaded ? options.chunk_events - options.chunk_events / 8 : options.chunk_events),
        limit_(capacity_),
        filling_(std::make_unique<Pending>(capacity_)) {
    if (options.threaded) {
      free_ = std::make_unique<Pending>(capacity_);
      thread_ = std::thread([this] { run(); });
    }
  }

  ~Writer() override {
    // No index, so the file says that it was not closed; but what was recorded is worth having.
    if (!closed_) [[maybe_unused]]
      Status ignored = drain();
    stop_thread();
  }

  Status write(const Event& event, Bytes payload) override {
    uint32_t at = filling_->published.load(std::memory_order_relaxed);
    if (failed_.load(std::memory_order_relaxed) || at >= limit_ || has_payload(event.kind)) {
      return write_slow(event, payload);
    }
    filling_->events[at] = event;
    filling_->published.store(at + 1, std::memory_order_release);
    if (!options_.threaded) return cut_when_old();
    return Ok{};
  }

  Status attach(std::string_view name, Bytes bytes) override {
    GPUVM_TRY_STATUS(usable());
    return file_->append_attachment(name, bytes);
  }

  Status flush() override {
    GPUVM_TRY_STATUS(usable());
    GPUVM_TRY_STATUS(drain());
    return file_->sync();
  }

  Status close() override {
    GPUVM_TRY_STATUS(usable());
    Status drained = drain();
    stop_thread();
    closed_ = true;
    if (!drained) return drained;
    return file_->close();
  }

  uint64_t events() const override {
    return filling_->first_seq + filling_->published.load(std::memory_order_relaxed);
  }

 private:
  Status usable() const {
    if (closed_) return error("the trace was closed already");
    if (failed_.load(std::memory_order_acquire)) return failure();
    return Ok{};
  }

  Status failure() const {
    std::lock_guard lock(mutex_);
    return Error{failure_};
  }

  Status write_slow(const Event& event, Bytes payload) {
    GPUVM_TRY_STATUS(usable());
    bool owns_payload = has_payload(event.kind);
    if (owns_payload && payload.size() > kMaxEventPayload) {
      return error("event {}: its payload has {} bytes, the limit is {}; split it", events(), payload.size(),
                   kMaxEventPayload);
    }
    if (limit_ < capacity_ && filling_->published.load(std::memory_order_relaxed) >= limit_) {
      GPUVM_TRY_STATUS(wait_for_worker());
    }
    bool full = filling_->published.load(std::memory_order_relaxed) == capacity_;
    bool heavy = owns_payload && filling_->blob.size() + payload.size() > format::kUsualPayloadBytes;
    if (full || (heavy && !filling_->blob.empty())) {
      GPUVM_TRY_STATUS(hand_over());
    }
    Event stored = event;
    if (owns_payload) {
      std::lock_guard lock(mutex_);
      stored.value = filling_->blob_base + filling_->blob.size();
      stored.aux = static_cast<uint32_t>(payload.size());
      filling_->blob.insert(filling_->blob.end(), payload.begin(), payload.end());
    }
    uint32_t at = filling_->published.load(std::memory_order_relaxed);
    filling_->events[at] = stored;
    filling_->published.store(at + 1, std::memory_order_release);
    if (!options_.threaded) return cut_when_old();
    return Ok{};
  }

  // The caller starts a new buffer; the full one is written, here or by the thread.
  Status hand_over() {
    uint32_t count = filling_->published.load(std::memory_order_relaxed);
    uint64_t next_seq = filling_->first_seq + count;
    uint64_t next_blob = filling_->blob_base + filling_->blob.size();
    if (!options_.threaded) {
      GPUVM_TRY_STATUS(cut_chunk(*filling_, count, /*may_grow=*/false));
      reset(*filling_, next_seq, next_blob);
      return Ok{};
    }
    std::unique_lock lock(mutex_);
    caller_.wait(lock, [this] { return free_ != nullptr || !failure_.empty(); });
    if (!failure_.empty()) return Error{failure_};
    reset(*free_, next_seq, next_blob);
    limit_ = std::min(capacity_, options_.chunk_events - (count - filling_->taken));
    full_ = std::move(filling_);
    filling_ = std::move(free_);
    worker_.notify_one();
    return Ok{};
  }

  // The chunk before this one is still in work, and what both hold is all that a kill may cost.
  Status wait_for_worker() {
    std::unique_lock lock(mutex_);
    caller_.wait(lock, [this] { return full_ == nullptr || !failure_.empty(); });
    if (!failure_.empty()) return Error{failure_};
    limit_ = capacity_;
    return Ok{};
  }

  static void reset(Pending& pending, uint64_t first_seq, uint64_t blob_base) {
    pending.published.store(0, std::memory_order_relaxed);
    pending.taken = 0;
    pending.first_seq = first_seq;
    pending.blob_base = blob_base;
    pending.blob.clear();
    pending.blob_taken = 0;
  }

  // Everything so far into the file.
  Status drain() {
    if (!options_.threaded) {
      return cut_chunk(*filling_, filling_->published.load(std::memory_order_relaxed), /*may_grow=*/false);
    }
    std::unique_lock lock(mutex_);
    drain_ = true;
    worker_.notify_one();
    caller_.wait(lock, [this] { return !drain_ || !failure_.empty(); });
    if (!failure_.empty()) return Error{failure_};
    return Ok{};
  }

  // Without a thread: the caller looks at the clock. The coarse one costs 5 ns and is right to 4 ms.
  Status cut_when_old() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    uint64_t ms = static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
    uint32_t count = filling_->published.load(std::memory_order_relaxed);
    if (count - filling_->taken <= 1) oldest_ms_ = ms;
    if (ms - oldest_ms_ < options_.chunk_ms) return Ok{};
    oldest_ms_ = ms;
    return cut_chunk(*filling_, count, /*may_grow=*/false);
  }

  // Writes the events [taken, count) of `pending` as a chunk. `may_grow`: the caller may append payloads
  // meanwhile.
  Status cut_chunk(Pending& pending, uint32_t count, bool may_grow) {
    if (count == pending.taken) return Ok{};
    std::span<const Event> events(pending.events.data() + pending.taken, count - pending.taken);
    size_t blob_bytes = 0;
    for (const Event& event : events) blob_bytes += has_payload(event.kind) ? event.aux : 0;
    Bytes blob;
    if (may_grow && blob_bytes > 0) {
      std::lock_guard lock(mutex_);
      auto from = pending.blob.begin() + static_cast<std::ptrdiff_t>(pending.blob_taken);
      blob_copy_.assign(from, from + static_cast<std::ptrdiff_t>(blob_bytes));
      blob = blob_copy_;
    } else {
      blob = Bytes(pending.blob).subspan(pending.blob_taken, blob_bytes);
    }
    format::ChunkFile::start_frame(frame_);
    format::ChunkStats stats = encoder_.encode(events, blob, frame_);
    Status written = file_->append_events(
        frame_, pending.first_seq + pending.taken, static_cast<uint32_t>(events.size()),
        pending.blob_base + pending.blob_taken, static_cast<uint32_t>(blob_bytes), stats);
    if (!written) {
      std::lock_guard lock(mutex_);
      failure_ = written.error().message;
      failed_.store(true, std::memory_order_release);
      return written;
    }
    pending.taken = count;
    pending.blob_taken += blob_bytes;
    return Ok{};
  }

  void run() {
    std::unique_lock lock(mutex_);
    // Looking four times in the time that a chunk may take keeps the oldest unwritten event below it.
    const auto tick = std::max<Clock::duration>(chunk_age_ / 4, std::chrono::milliseconds(1));
    Clock::time_point seen_at{};
    bool seen = false;
    for (;;) {
      if (full_ == nullptr && !drain_ && !stop_) {
        worker_.wait_for(lock, tick, [this] { return full_ != nullptr || drain_ || stop_; });
      }
      if (!failure_.empty()) {
        // The caller learns it from failed_; nothing is left to do but to wait for the end.
        caller_.notify_all();
        if (stop_) return;
        worker_.wait(lock, [this] { return stop_; });
        return;
      }
      if (full_ != nullptr) {
        Pending& full = *full_;
        lock.unlock();
        Status done = cut_chunk(full, full.published.load(std::memory_order_acquire), /*may_grow=*/false);
        lock.lock();
        if (!done) continue;
        free_ = std::move(full_);
        seen = false;
        caller_.notify_all();
        continue;
      }
      // filling_ changes only in hand_over(), which needs free_ empty or full_ empty... see below.
      Pending& filling = *filling_;
      bool waiting = filling.published.load(std::memory_order_acquire) > filling.taken;
      bool old = false;
      if (waiting) {
        auto now = Clock::now();
        if (!seen) seen_at = now;
        seen = true;
        old = now - seen_at >= chunk_age_ / 2;
      }
      if (waiting && (old || drain_ || stop_)) {
        // While the thread works on the filling buffer it must stay where it is: take the spare away, so that
        // a caller who fills it up waits in hand_over().
        std::unique_ptr<Pending> spare = std::move(free_);
        uint32_t count = filling.published.load(std::memory_order_acquire);
        lock.unlock();
        Status done = cut_chunk(filling, count, /*may_grow=*/true);
        lock.lock();
        free_ = std::move(spare);
        seen = false;
        caller_.notify_all();
        if (!done) continue;
      }
      if (drain_) {
        drain_ = false;
        caller_.notify_all();
      } else if (stop_) {
        return;
      }
    }
  }

  void stop_thread() {
    if (!thread_.joinable()) return;
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    worker_.notify_one();
    thread_.join();
  }

  const WriterOptions options_;
  const std::unique_ptr<format::ChunkFile> file_;
  format::ChunkEncoder encoder_;      // used by the thread if there is one, else by the caller
  Buffer frame_;                      // likewise
  std::vector<std::byte> blob_copy_;  // likewise
  const Clock::duration chunk_age_;
  const uint32_t
      capacity_;    // events in a chunk; with a thread a bit less, so that the caller need not wait for it
  uint32_t limit_;  // events that filling_ may hold now: capacity_, or less while full_ is in work
  uint64_t oldest_ms_ = 0;
  bool closed_ = false;

  std::atomic<bool> failed_{false};
  mutable std::mutex mutex_;
  std::condition_variable worker_, caller_;
  std::unique_ptr<Pending> filling_;   // the caller's; changes hands under mutex_
  std::unique_ptr<Pending> free_;      // empty, waits for its turn; guarded by mutex_
  std::unique_ptr<Pending> full_;      // to be written by the thread; guarded by mutex_
  bool drain_ = false, stop_ = false;  // guarded by mutex_
  std::string failure_;                // guarded by mutex_
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<TraceWriter>> TraceWriter::create(const std::string& path,
                                                         const WriterOptions& options) {
  WriterOptions checked = options;
  checked.chunk_events = std::clamp<uint32_t>(options.chunk_events, 1, format::kMaxChunkEvents);
  checked.chunk_ms = std::clamp<uint32_t>(options.chunk_ms, 1, 3'600'000);
  if (options.time_unit_ns == 0) return error("{}: a time unit of 0 ns makes no sense; use 1 or more", path);
  GPUVM_TRY(std::unique_ptr<format::ChunkFile> file, format::ChunkFile::create(path, options.compression));
  return std::unique_ptr<TraceWriter>(std::make_unique<Writer>(std::move(file), checked));
}

}  // namespace gpuvm
