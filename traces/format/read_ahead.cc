#include "traces/format/read_ahead.h"

namespace gpuvm::format {

std::unique_ptr<ReadAhead::Slot> ReadAhead::take_slot() {
  if (spare_.empty()) return std::make_unique<Slot>();
  std::unique_ptr<Slot> slot = std::move(spare_.back());
  spare_.pop_back();
  return slot;
}

Result<const DecodedChunk*> ReadAhead::get(std::span<const ChunkRef> chunks, size_t index,
                                           std::optional<uint64_t> file_id) {
  const uint64_t wanted = chunks[index].offset;
  if (current_ && current_->offset == wanted) return &current_->chunk;
  if (current_) spare_.push_back(std::move(current_));
  current_.reset();
  // After a seek what was decoded ahead is of no use.
  while (!ahead_.empty() && ahead_.front()->offset != wanted) {
    [[maybe_unused]] Status unused = ahead_.front()->done.get();
    spare_.push_back(std::move(ahead_.front()));
    ahead_.pop_front();
  }
  if (threads_ <= 1) {
    std::unique_ptr<Slot> slot = take_slot();
    slot->offset = 0;
    Status loaded = slot->loader.load(file_, chunks[index], file_id, slot->chunk);
    if (loaded) slot->offset = wanted;
    current_ = std::move(slot);
    if (!loaded) return loaded.error();
    return &current_->chunk;
  }
  while (ahead_.size() < threads_ && index + ahead_.size() < chunks.size()) {
    const ChunkRef ref = chunks[index + ahead_.size()];
    std::unique_ptr<Slot> slot = take_slot();
    slot->offset = ref.offset;
    Slot* work = slot.get();
    slot->done = std::async(std::launch::async, [this, work, ref, file_id] {
      return work->loader.load(file_, ref, file_id, work->chunk);
    });
    ahead_.push_back(std::move(slot));
  }
  current_ = std::move(ahead_.front());
  ahead_.pop_front();
  Status loaded = current_->done.get();
  if (loaded) return &current_->chunk;
  current_->offset = 0;
  return loaded.error();
}

bool ReadAhead::give(const EventBatch& borrowed, OwnedBatch& batch) {
  if (!current_ || current_->chunk.events.data() != borrowed.events.data()) return false;
  std::swap(static_cast<OwnedBatch&>(current_->chunk), batch);
  current_->offset = 0;
  return true;
}

}  // namespace gpuvm::format
