#include "traces/format/verify.h"

#include <filesystem>

#include "traces/format/chunk_file.h"
#include "traces/format/chunk_loader.h"
#include "traces/format/open.h"

namespace gpuvm {
namespace {

using format::ChunkType;
using format::ScannedPart;

// What verify and repair have in common: the parts of the file in order, with all that can be told about
// them.
class Walk {
 public:
  // Called for each whole event chunk, in order; `missing` events are absent before it.
  using OnEvents = std::function<Status(const format::DecodedChunk& chunk, uint64_t missing)>;
  // Called for each other whole chunk.
  using OnOther = std::function<Status(const format::InputFile& file, const ScannedPart& part)>;

  Result<VerifyReport> run(const std::string& path, const OnEvents& on_events, const OnOther& on_other) {
    GPUVM_TRY(format::InputFile file, format::InputFile::open(path));
    GPUVM_TRY(format::OpenedHeader header, format::open_header(file));
    GPUVM_TRY(report_.file_bytes, file.size());
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

 private:
  VerifyReport report_;
  format::FileIndex found_;
  format::ChunkLoader loader_;
  format::DecodedChunk chunk_;
};

}  // namespace

Result<VerifyReport> verify_trace(const std::string& path) {
  return Walk().run(
      path, [](const format::DecodedChunk&, uint64_t) -> Status { return Ok{}; },
      [](const format::InputFile&, const ScannedPart&) -> Status { return Ok{}; });
}

Result<RepairReport> repair_trace(const std::string& path, const std::string& out) {
  std::error_code ignored;
  if (std::filesystem::equivalent(path, out, ignored)) {
    return error("{}: the repaired trace cannot replace the damaged one; give another name", out);
  }
  RepairReport report;
  // The output is made at the first chunk, so that a file that is no .gvt leaves nothing behind.
  std::unique_ptr<format::ChunkFile> file;
  std::optional<format::ChunkEncoder> encoder;
  uint64_t seq = 0, blob = 0, time_unit_ns = 1000, last_time_ns = 0;
  format::Buffer frame, body;
  auto ready = [&]() -> Status {
    if (file) return Ok{};
    GPUVM_TRY(file, format::ChunkFile::create(out, Compression::kDefault));
    return Ok{};
  };
  auto put = [&](std::span<const Event> events, Bytes bytes) -> Status {
    if (!encoder) encoder.emplace(Compression::kDefault, time_unit_ns);
    format::ChunkFile::start_frame(frame);
    format::ChunkStats stats = encoder->encode(events, bytes, frame);
    GPUVM_TRY_STATUS(file->append_events(frame, seq, static_cast<uint32_t>(events.size()), blob,
                                         static_cast<uint32_t>(bytes.size()), stats));
    seq += events.size();
    blob += bytes.size();
    return Ok{};
  };
  auto put_loss = [&](uint64_t missing) -> Status {
    Event loss{.time_ns = last_time_ns, .value = missing, .kind = EventKind::kLoss};
    ++report.loss_events;
    return put(std::span(&loss, 1), {});
  };
  auto on_events = [&](const format::DecodedChunk& chunk, uint64_t missing) -> Status {
    GPUVM_TRY_STATUS(ready());
    if (chunk.stats.time_unit_ns != time_unit_ns || !encoder) {
      time_unit_ns = chunk.stats.time_unit_ns;
      encoder.emplace(Compression::kDefault, time_unit_ns);
    }
    if (missing > 0) GPUVM_TRY_STATUS(put_loss(missing));
    last_time_ns = chunk.events.back().time_ns;
    report.saved_events += chunk.events.size();
    return put(chunk.events, chunk.blob);
  };
  auto on_other = [&](const format::InputFile& from, const ScannedPart& part) -> Status {
    GPUVM_TRY_STATUS(ready());
    if (part.header.type == static_cast<uint16_t>(ChunkType::kIndex)) return Ok{};
    GPUVM_TRY_STATUS(format::read_body(from, part.offset, part.header, body));
    format::ByteSpan bytes(body.data(), part.header.body_bytes);
    if (part.header.type != static_cast<uint16_t>(ChunkType::kAttachment)) {
      return file->append_unknown(part.header.type, part.header.flags, bytes);
    }
    Result<format::Attachment> attachment = format::load_attachment(bytes, /*name_only=*/false);
    if (!attachment) return Ok{};  // counted as damage by verify
    return file->append_attachment(attachment.value().name,
                                   std::as_bytes(std::span(attachment.value().bytes)));
  };
  Walk walk;
  GPUVM_TRY(report.found, walk.run(path, on_events, on_other));
  GPUVM_TRY_STATUS(ready());
  if (walk.missing_at_end_ > 0) GPUVM_TRY_STATUS(put_loss(walk.missing_at_end_));
  GPUVM_TRY_STATUS(file->close());
  return report;
}

}  // namespace gpuvm
