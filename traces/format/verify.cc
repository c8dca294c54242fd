#include "traces/format/verify.h"

#include "traces/format/chunk_loader.h"
#include "traces/format/encode_pool.h"
#include "traces/format/open.h"

namespace gpuvm {
namespace {

using format::ChunkType;
using format::ScannedPart;

// What verify and repair have in common: the parts of the file in order, with all that can be told about
// them.
class Walk {
 public:
  // Called for each whole event chunk, in order, and may take it apart; `missing` events are absent before
  // it.
  using OnEvents = std::function<Status(format::DecodedChunk& chunk, uint64_t missing)>;
  // Called for each other whole chunk.
  using OnOther = std::function<Status(const format::InputFile& file, const ScannedPart& part)>;

  Result<VerifyReport> run(const std::string& path, const OnEvents& on_events, const OnOther& on_other) {
    GPUVM_TRY(format::InputFile file, format::InputFile::open(path));
    GPUVM_TRY(format::OpenedHeader header, format::open_header(file));
    GPUVM_TRY(report_.file_bytes, file.size());
    required_flags_ = header.required_flags;
    if (!header.problem.empty()) damage(0, format::kFileHeaderBytes, header.problem);
    format::Scanner scanner(file, format::kFileHeaderBytes, header.file_id);
    for (;;) {
      GPUVM_TRY(ScannedPart part, scanner.next());
      if (part.what == ScannedPart::What::kEnd) break;
      if (part.what == ScannedPart::What::kTail) {
        report_.cut = true;
        damage(part.offset, part.bytes, part.problem);
        break;
      }
      if (part.what == ScannedPart::What::kDamage) damage(part.offset, part.bytes, part.problem);
      if (part.what == ScannedPart::What::kTrailer) report_.complete = true;
      if (part.what == ScannedPart::What::kChunk) GPUVM_TRY_STATUS(chunk(file, part, on_events, on_other));
    }
    GPUVM_TRY_STATUS(compare_index(file, header.file_id));
    return report_;
  }

 private:
  void damage(uint64_t offset, uint64_t bytes, const std::string& what) {
    ++report_.damaged_places;
    if (report_.damage.size() < VerifyReport::kMaxListed) report_.damage.push_back({offset, bytes, what});
  }

  Status chunk(const format::InputFile& file, const ScannedPart& part, const OnEvents& on_events,
               const OnOther& on_other) {
    if (part.header.type != static_cast<uint16_t>(ChunkType::kEvents)) {
      if (Status added = format::add_scanned(file, part, found_); !added) {
        damage(part.offset, part.bytes, added.error().message);
        return Ok{};
      }
      if (part.header.type == static_cast<uint16_t>(ChunkType::kAttachment))
        ++report_.attachments;
      else if (part.header.type != static_cast<uint16_t>(ChunkType::kIndex))
        ++report_.unknown_chunks;
      return on_other(file, part);
    }
    const uint64_t expected = found_.end_seq();
    Status loaded = loader_.load(file, {part.offset, part.header.first_seq, part.header.count}, {}, chunk_);
    if (loaded) loaded = format::add_scanned(file, part, found_);
    if (!loaded) {
      damage(part.offset, part.bytes, loaded.error().message);
      return Ok{};
    }
    uint64_t missing = part.header.first_seq - expected;
    if (missing > 0) {
      report_.missing_events += missing;
      if (report_.missing.size() < VerifyReport::kMaxListed) report_.missing.push_back({expected, missing});
    }
    ++report_.event_chunks;
    report_.events += part.header.count;
    return on_events(chunk_, missing);
  }

  // What the index promises must be what was found.
  Status compare_index(const format::InputFile& file, std::optional<uint64_t> file_id) {
    if (!report_.complete) return Ok{};
    std::string problem;
    GPUVM_TRY(std::optional<format::FileIndex> index, format::find_index(file, file_id, problem));
    if (!index) {
      damage(report_.file_bytes, 0, problem.empty() ? "the index is missing" : problem);
      return Ok{};
    }
    if (index->end_seq() > found_.end_seq()) {
      uint64_t missing = index->end_seq() - found_.end_seq();
      report_.missing_events += missing;
      report_.missing.push_back({found_.end_seq(), missing});
      missing_at_end_ = missing;
    }
    bool same = index->chunks.size() == found_.chunks.size() && index->kinds == found_.kinds &&
                index->lost_events == found_.lost_events && index->attachments == found_.attachments;
    for (size_t i = 0; same && i < index->chunks.size(); ++i) {
      same = index->chunks[i].offset == found_.chunks[i].offset &&
             index->chunks[i].first_seq == found_.chunks[i].first_seq;
    }
    if (!same && report_.damaged_places == 0)
      damage(report_.file_bytes, 0, "the index does not describe this file");
    return Ok{};
  }

 public:
  uint64_t missing_at_end_ = 0;  // told by the index only
  uint32_t required_flags_ = 0;  // known once the first chunk is handed over

 private:
  VerifyReport report_;
  format::FileIndex found_;
  format::ChunkLoader loader_;
  format::DecodedChunk chunk_;
};

// Writes what a Walk finds into a new file.
class Repair {
 public:
  Repair(const std::string& in, const std::string& out, const Walk& walk, RepairReport& report)
      : in_(in), out_(out), walk_(walk), report_(report) {}

  Status events(format::DecodedChunk& chunk, uint64_t missing) {
    GPUVM_TRY_STATUS(ready(chunk.stats.time_unit_ns));
    if (missing > 0) GPUVM_TRY_STATUS(loss(missing));
    last_time_ns_ = chunk.events.back().time_ns;
    report_.saved_events += chunk.events.size();
    chunk_.events.swap(chunk.events);
    chunk_.blob.swap(chunk.blob);
    return put();
  }

  Status other(const format::InputFile& from, const ScannedPart& part) {
    GPUVM_TRY_STATUS(ready(time_unit_ns_));
    if (part.header.type == static_cast<uint16_t>(ChunkType::kIndex)) return Ok{};
    GPUVM_TRY_STATUS(format::read_body(from, part.offset, part.header, body_));
    ByteSpan bytes(body_.data(), part.header.body_bytes);
    GPUVM_TRY_STATUS(pool_->wait());  // it stays where it stood among the events
    if (part.header.type != static_cast<uint16_t>(ChunkType::kAttachment)) {
      return file_->append_unknown(part.header.type, part.header.flags, bytes);
    }
    Result<format::Attachment> attachment = format::load_attachment(bytes, /*name_only=*/false);
    if (!attachment) return Ok{};  // counted as damage by verify
    return file_->append_attachment(attachment.value().name,
                                    std::as_bytes(std::span(attachment.value().bytes)));
  }

  Status close(uint64_t missing_at_end) {
    GPUVM_TRY_STATUS(ready(time_unit_ns_));
    if (missing_at_end > 0) GPUVM_TRY_STATUS(loss(missing_at_end));
    GPUVM_TRY_STATUS(pool_->wait());
    return file_->close();
  }

 private:
  // The output is made at the first chunk, so that a file that is no .gvt leaves nothing behind.
  Status ready(uint64_t time_unit_ns) {
    if (!file_) {
      GPUVM_TRY(file_, format::ChunkFile::create(out_, Compression::kDefault, {.inputs = {in_}},
                                                 walk_.required_flags_));
    }
    if (pool_ && time_unit_ns == time_unit_ns_) return Ok{};
    if (pool_) GPUVM_TRY_STATUS(pool_->wait());
    time_unit_ns_ = time_unit_ns;
    pool_.emplace(*file_, Compression::kDefault, time_unit_ns, bulk_encode_threads());
    return Ok{};
  }

  Status loss(uint64_t missing) {
    ++report_.loss_events;
    chunk_.events.assign(1, Event{.time_ns = last_time_ns_, .value = missing, .kind = EventKind::kLoss});
    return put();
  }

  Status put() {
    chunk_.first_seq = seq_;
    chunk_.blob_base = blob_;
    seq_ += chunk_.events.size();
    blob_ += chunk_.blob.size();
    return pool_->put(chunk_);
  }

  const std::string in_;
  const std::string out_;
  const Walk& walk_;
  RepairReport& report_;
  std::unique_ptr<format::ChunkFile> file_;
  std::optional<format::EncodePool> pool_;
  format::EventChunk chunk_;
  uint64_t seq_ = 0, blob_ = 0, time_unit_ns_ = 1000, last_time_ns_ = 0;
  format::Buffer body_;
};

}  // namespace

Result<VerifyReport> verify_trace(const std::string& path) {
  return Walk().run(
      path, [](format::DecodedChunk&, uint64_t) -> Status { return Ok{}; },
      [](const format::InputFile&, const ScannedPart&) -> Status { return Ok{}; });
}

Result<RepairReport> repair_trace(const std::string& path, const std::string& out) {
  RepairReport report;
  Walk walk;
  Repair repair(path, out, walk, report);
  GPUVM_TRY(
      report.found,
      walk.run(
          path, [&](format::DecodedChunk& chunk, uint64_t missing) { return repair.events(chunk, missing); },
          [&](const format::InputFile& from, const ScannedPart& part) { return repair.other(from, part); }));
  GPUVM_TRY_STATUS(repair.close(walk.missing_at_end_));
  return report;
}

}  // namespace gpuvm
