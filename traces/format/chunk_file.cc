#include "traces/format/chunk_file.h"

#include <random>

namespace gpuvm::format {
namespace {

std::string_view as_text(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Result<std::unique_ptr<ChunkFile>> ChunkFile::create(const std::string& path, Compression compression,
                                                     OutputOptions output, uint32_t required_flags) {
  if (path == "-") return error("standard output cannot hold a trace; name a file");
  output.seekable = true;
  GPUVM_TRY(OutputFile out, OutputFile::open(path, output));
  std::random_device random;
  uint64_t file_id = uint64_t{random()} << 32 | random();
  std::unique_ptr<ChunkFile> file(new ChunkFile(path, std::move(out), output.life, file_id, compression));
  uint8_t header[kFileHeaderBytes];
  store_file_header({.required_flags = required_flags, .file_id = file_id}, header);
  if (Status written = file->file_.append(as_text(header)); !written) return file->failed(written.error());
  return file;
}

Error ChunkFile::failed(const Error& reason) {
  if (failure_.empty()) {
    const std::string kept =
        live_ && index_.end_seq() > 0
            ? fmt::format("the {} events before it are kept and readable", index_.end_seq())
            : "what was there before is left";
    failure_ = fmt::format("{}: cannot write the trace: {}; {}", path_, reason.message, kept);
  }
  return Error{failure_};
}

Status ChunkFile::append_frame(Buffer& frame, ChunkHeader header) {
  if (!failure_.empty()) return Error{failure_};
  ByteSpan body = ByteSpan(frame).subspan(kChunkHeaderBytes);
  GPUVM_CHECK(body.size() <= kMaxBodyBytes);
  header.file_id = file_id_;
  header.body_bytes = static_cast<uint32_t>(body.size());
  header.body_hash = hash_bytes(body);
  store_chunk_header(header, frame.data());
  if (Status written = file_.append(as_text(frame)); !written) return failed(written.error());
  return Ok{};
}

Status ChunkFile::append_events(Buffer& frame, uint64_t first_seq, uint32_t count, uint64_t blob_base,
                                uint32_t blob_bytes, const ChunkStats& stats) {
  std::lock_guard lock(mutex_);
  uint64_t offset = file_.size();
  GPUVM_TRY_STATUS(append_frame(frame, {.type = static_cast<uint16_t>(ChunkType::kEvents),
                                        .flags = kRecordCodec,
                                        .count = count,
                                        .first_seq = first_seq,
                                        .blob_base = blob_base,
                                        .blob_bytes = blob_bytes}));
  if (Status added = index_.add_events(offset, first_seq, count, stats); !added) return failed(added.error());
  // Now there is something that is worth an older trace's name.
  if (Status named = live_ ? file_.publish() : Ok{}; !named) return failed(named.error());
  return Ok{};
}

Status ChunkFile::append_attachment(std::string_view name, Bytes bytes) {
  if (name.size() > kMaxAttachmentName || bytes.size() > kMaxAttachmentBytes) {
    return error(
        "{}: attachment {:.40} has {} bytes: the limit is {} and {} for the name; leave it out or shorten it",
        path_, name, bytes.size(), kMaxAttachmentBytes, kMaxAttachmentName);
  }
  Buffer frame;
  start_frame(frame);
  store_attachment(name, bytes, compression_, frame);
  std::lock_guard lock(mutex_);
  if (Status room = index_.room_for_attachment(name); !room)
    return error("{}: {}", path_, room.error().message);
  uint64_t offset = file_.size();
  GPUVM_TRY_STATUS(append_frame(
      frame, {.type = static_cast<uint16_t>(ChunkType::kAttachment), .first_seq = index_.end_seq()}));
  index_.attachments.insert_or_assign(std::string(name), offset);
  return Ok{};
}

Status ChunkFile::append_unknown(uint16_t type, uint16_t flags, ByteSpan body) {
  Buffer frame;
  start_frame(frame);
  append(frame, body);
  std::lock_guard lock(mutex_);
  return append_frame(frame, {.type = type, .flags = flags, .first_seq = index_.end_seq()});
}

Status ChunkFile::sync() {
  std::lock_guard lock(mutex_);
  if (!failure_.empty()) return Error{failure_};
  if (Status synced = file_.sync(); !synced) return failed(synced.error());
  return Ok{};
}

Status ChunkFile::close() {
  std::lock_guard lock(mutex_);
  Buffer frame;
  start_frame(frame);
  store_index(index_, compression_, frame);
  uint64_t offset = file_.size();
  GPUVM_TRY_STATUS(
      append_frame(frame, {.type = static_cast<uint16_t>(ChunkType::kIndex), .first_seq = index_.end_seq()}));
  uint8_t trailer[kTrailerBytes];
  store_trailer({.file_id = file_id_, .index_offset = offset}, trailer);
  if (Status written = file_.append(as_text(trailer)); !written) return failed(written.error());
  if (Status named = file_.commit(); !named) return failed(named.error());
  return Ok{};
}

}  // namespace gpuvm::format
