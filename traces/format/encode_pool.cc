#include "traces/format/encode_pool.h"

#include <algorithm>

namespace gpuvm::format {

EncodePool::EncodePool(ChunkFile& file, Compression compression, uint64_t time_unit_ns, unsigned threads)
    : file_(file) {
  for (unsigned i = 0; i < std::max(threads, 1u); ++i) workers_.emplace_back(compression, time_unit_ns);
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this, i] { run(workers_[i]); });
}

EncodePool::~EncodePool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Status EncodePool::put(EventChunk& chunk) {
  std::unique_lock lock(mutex_);
  if (!failure_.empty()) return Error{failure_};
  if (chunk.events.empty()) return Ok{};
  if (threads_.empty()) {
    if (Status done = append(chunk, workers_[0], encode(chunk, workers_[0])); !done)
      return fail(done.error());
    chunk.events.clear(), chunk.blob.clear();
    return Ok{};
  }
  progress_.wait(lock, [this] { return chunks_ < threads_.size() || !failure_.empty(); });
  if (!failure_.empty()) return Error{failure_};
  ++chunks_;
  pending_ += chunk.events.size();
  queue_.push_back(std::move(chunk));
  chunk = {};
  if (!spare_.empty()) {
    chunk = std::move(spare_.back());
    spare_.pop_back();
  }
  work_.notify_one();
  return Ok{};
}

uint64_t EncodePool::pending() const {
  std::lock_guard lock(mutex_);
  return pending_;
}

Status EncodePool::wait(uint64_t events) {
  std::unique_lock lock(mutex_);
  progress_.wait(lock, [&] { return pending_ <= events || !failure_.empty(); });
  if (!failure_.empty()) return Error{failure_};
  return Ok{};
}

// With mutex_ held.
Status EncodePool::fail(const Error& reason) {
  failure_ = reason.message;
  failed_.store(true, std::memory_order_relaxed);
  return reason;
}

ChunkStats EncodePool::encode(const EventChunk& chunk, Worker& worker) const {
  ChunkFile::start_frame(worker.frame);
  return worker.encoder.encode(chunk.events, chunk.blob, worker.frame);
}

Status EncodePool::append(const EventChunk& chunk, Worker& worker, const ChunkStats& stats) {
  return file_.append_events(worker.frame, chunk.first_seq, static_cast<uint32_t>(chunk.events.size()),
                             chunk.blob_base, static_cast<uint32_t>(chunk.blob.size()), stats);
}

void EncodePool::run(Worker& worker) {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return !queue_.empty() || stop_; });
    if (queue_.empty()) return;
    EventChunk chunk = std::move(queue_.front());
    queue_.pop_front();
    const uint64_t turn = taken_++;
    lock.unlock();
    const ChunkStats stats = encode(chunk, worker);
    lock.lock();
    progress_.wait(lock, [&] { return appended_ == turn; });
    if (failure_.empty()) {
      // Nobody else appends events meanwhile: it is our turn until appended_ says otherwise.
      lock.unlock();
      Status done = append(chunk, worker, stats);
      lock.lock();
      if (!done) [[maybe_unused]]
        Status told = fail(done.error());
    }
    ++appended_;
    --chunks_;
    pending_ -= chunk.events.size();
    chunk.events.clear(), chunk.blob.clear();
    spare_.push_back(std::move(chunk));
    progress_.notify_all();
  }
}

}  // namespace gpuvm::format
