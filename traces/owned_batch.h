// Batches that change hands.
#pragma once

#include <vector>

#include "traces/stream.h"

namespace gpuvm {

// A batch that its holder owns.
struct OwnedBatch {
  uint64_t first_seq = 0;
  uint64_t blob_base = 0;
  std::vector<Event> events;
  std::vector<std::byte> blob;

  void assign(const EventBatch& batch) {
    first_seq = batch.first_seq;
    blob_base = batch.blob_base;
    events.assign(batch.events.begin(), batch.events.end());
    blob.assign(batch.blob.begin(), batch.blob.end());
  }
  EventBatch view() const {
    return {.first_seq = first_seq, .events = events, .blob_base = blob_base, .blob = blob};
  }
};

// A stream for those who keep events: it gives them away instead of having them copied.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  // The next batch replaces what is in `batch`, whose memory goes to the source. False: the end of the
  // stream.
  virtual Result<bool> take(OwnedBatch& batch) = 0;
};

}  // namespace gpuvm
