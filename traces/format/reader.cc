// TraceReader: sequence numbers to chunks, chunks to batches.
#include <algorithm>

#include "traces/format/open.h"
#include "traces/format/read_ahead.h"

namespace gpuvm {
namespace {

using format::ChunkRef;
using format::ScannedPart;

class Reader final : public TraceReader {
 public:
  Reader(format::InputFile file, unsigned threads) : file_(std::move(file)), ahead_(file_, threads) {}

  Status open() {
    GPUVM_TRY(format::OpenedHeader header, format::open_header(file_));
    file_id_ = header.file_id;
    note(header.problem);
    std::string problem;
    GPUVM_TRY(std::optional<format::FileIndex> index, format::find_index(file_, file_id_, problem));
    note(problem);
    GPUVM_TRY(summary_.file_bytes, file_.size());
    if (index) {
      index_ = std::move(*index);
      summary_.complete = true;
    } else {
      scanner_.emplace(file_, format::kFileHeaderBytes, file_id_);
      GPUVM_TRY([[maybe_unused]] bool more, scan());
    }
    update_summary();
    return load_meta();
  }

  Result<const EventBatch*> next() override {
    if (position_ >= index_.end_seq()) return nullptr;
    const size_t index = chunk_at(position_);
    const ChunkRef& chunk = index_.chunks[index];
    if (position_ < chunk.first_seq) return missing(chunk.first_seq);
    Result<const format::DecodedChunk*> loaded = ahead_.get(index_.chunks, index, file_id_);
    if (!loaded) {
      note(fmt::format("events {} to {} are damaged at byte {}: {}", chunk.first_seq,
                       chunk.first_seq + chunk.count - 1, chunk.offset, loaded.error().message));
      return missing(chunk.first_seq + chunk.count);
    }
    size_t skip = position_ - chunk.first_seq;
    const format::DecodedChunk& decoded = *loaded.value();
    batch_ = {.first_seq = position_,
              .events = std::span(decoded.events).subspan(skip),
              .blob_base = decoded.blob_base,
              .blob = decoded.blob};
    position_ = chunk.first_seq + chunk.count;
    last_time_ns_ = batch_.events.back().time_ns;
    return &batch_;
  }

  Result<bool> take(OwnedBatch& batch) override {
    GPUVM_TRY(const EventBatch* borrowed, next());
    if (borrowed == nullptr) return false;
    // What is not a whole chunk (a loss, the rest after a seek) is copied.
    if (!ahead_.give(*borrowed, batch)) batch.assign(*borrowed);
    return true;
  }

  Status seek(uint64_t seq) override {
    position_ = seq;
    return Ok{};
  }

  Result<bool> refresh() override {
    if (summary_.complete) return false;
    uint64_t events = index_.events;
    GPUVM_TRY(uint64_t size, file_.size());
    if (size < summary_.file_bytes)
      return error("{}: the file became shorter while it was read; open it again", file_.path());
    summary_.file_bytes = size;
    GPUVM_TRY(bool more, scan());
    update_summary();
    if (more && events == 0) GPUVM_TRY_STATUS(load_meta());
    return more;
  }

  const TraceSummary& summary() const override { return summary_; }
  const TraceMeta& meta() const override { return meta_; }

  std::vector<std::string> attachment_names() const override {
    std::vector<std::string> names;
    for (const auto& [name, offset] : index_.attachments) names.push_back(name);
    return names;
  }

  Result<std::string> attachment(std::string_view name) const override {
    auto found = index_.attachments.find(std::string(name));
    if (found == index_.attachments.end()) return error("{}: has no attachment {}", file_.path(), name);
    Result<format::Attachment> loaded = load_attachment(found->second);
    if (loaded && loaded.value().name == name) {
      const format::Buffer& bytes = loaded.value().bytes;
      return std::string(bytes.begin(), bytes.end());
    }
    return error("{}: attachment {} at byte {} is damaged: {}", file_.path(), name, found->second,
                 loaded ? "it has another name" : loaded.error().message);
  }

 private:
  // Where the stream has a hole: one event in its place, which says how many are missing.
  const EventBatch* missing(uint64_t until) {
    loss_ = {.time_ns = last_time_ns_, .value = until - position_, .kind = EventKind::kLoss};
    batch_ = {.first_seq = position_, .events = std::span(&loss_, 1), .blob_base = 0, .blob = {}};
    position_ = until;
    return &batch_;
  }

  // The chunk that holds `seq`, or the first one behind it. `seq` is below end_seq().
  size_t chunk_at(uint64_t seq) const {
    auto found = std::partition_point(index_.chunks.begin(), index_.chunks.end(), [seq](const ChunkRef& ref) {
      return ref.first_seq + ref.count <= seq;
    });
    return static_cast<size_t>(found - index_.chunks.begin());
  }

  // Takes in what is whole behind the place reached so far; true if there was something.
  Result<bool> scan() {
    bool more = false;
    tail_.clear();
    for (;;) {
      GPUVM_TRY(ScannedPart part, scanner_->next());
      switch (part.what) {
        case ScannedPart::What::kChunk:
          more = true;
          if (Status added = format::add_scanned(file_, part, index_); !added) {
            note(fmt::format("damaged at byte {}: {}", part.offset, added.error().message));
          }
          break;
        case ScannedPart::What::kDamage:
          more = true;
          note(fmt::format("damaged at byte {}, {} bytes: {}", part.offset, part.bytes, part.problem));
          break;
        case ScannedPart::What::kTrailer:
          more = true;
          summary_.complete = true;
          break;
        case ScannedPart::What::kTail:
          tail_ = fmt::format("the last {} bytes, from byte {}, are cut off: {}", part.bytes, part.offset,
                              part.problem);
          return more;
        case ScannedPart::What::kEnd:
          if (!summary_.complete) tail_ = "not closed: still being recorded, or its recorder was killed";
          return more;
      }
    }
  }

  void update_summary() {
    summary_.events = index_.events;
    summary_.end_seq = index_.end_seq();
    summary_.kinds = index_.kinds;
    summary_.first_time_ns = index_.first_time_ns;
    summary_.last_time_ns = index_.last_time_ns;
    uint64_t holes = index_.end_seq() - std::min(index_.events, index_.end_seq());
    summary_.lost_events = index_.lost_events + std::min(holes, UINT64_MAX - index_.lost_events);
    summary_.problem = problem_.empty() ? tail_ : problem_;
  }

  // The first problem is the one to tell; the others often follow from it.
  void note(const std::string& problem) {
    if (problem_.empty()) problem_ = problem;
    summary_.problem = problem_.empty() ? tail_ : problem_;
  }

  Status load_meta() {
    if (!index_.attachments.contains(std::string(kMetaAttachment))) return Ok{};
    Result<std::string> text = attachment(kMetaAttachment);
    if (!text) {
      note(text.error().message);
      return Ok{};
    }
    Result<TraceMeta> meta = meta_from_json(text.value());
    if (meta)
      meta_ = std::move(meta).value();
    else
      note(meta.error().message);
    return Ok{};
  }

  Result<format::Attachment> load_attachment(uint64_t offset) const {
    uint8_t bytes[format::kChunkHeaderBytes];
    GPUVM_TRY(size_t got, file_.read(offset, bytes, sizeof bytes));
    std::optional<format::ChunkHeader> header = format::load_chunk_header({bytes, got});
    if (!header || header->type != static_cast<uint16_t>(format::ChunkType::kAttachment)) {
      return error("its header is damaged");
    }
    format::Buffer body;
    GPUVM_TRY_STATUS(format::read_body(file_, offset, *header, body));
    return format::load_attachment({body.data(), header->body_bytes}, /*name_only=*/false);
  }

  const format::InputFile file_;
  std::optional<uint64_t> file_id_;
  std::optional<format::Scanner> scanner_;  // of a file without index
  format::FileIndex index_;
  TraceSummary summary_;
  TraceMeta meta_;
  std::string problem_, tail_;

  uint64_t position_ = 0;
  uint64_t last_time_ns_ = 0;
  format::ReadAhead ahead_;
  Event loss_;
  EventBatch batch_;
};

}  // namespace

Result<std::unique_ptr<TraceReader>> TraceReader::open(const std::string& path,
                                                       const ReaderOptions& options) {
  GPUVM_TRY(format::InputFile file, format::InputFile::open(path));
  auto reader = std::make_unique<Reader>(std::move(file), std::clamp(options.decode_threads, 1u, 8u));
  GPUVM_TRY_STATUS(reader->open());
  return std::unique_ptr<TraceReader>(std::move(reader));
}

}  // namespace gpuvm
