#include "traces/format/chunk_loader.h"

namespace gpuvm::format {

Status ChunkLoader::load(const InputFile& file, const ChunkRef& ref, std::optional<uint64_t> file_id,
                         DecodedChunk& out) {
  uint8_t bytes[kChunkHeaderBytes];
  GPUVM_TRY(size_t got, file.read(ref.offset, bytes, sizeof bytes));
  std::optional<ChunkHeader> header = load_chunk_header({bytes, got});
  if (!header || header->type != static_cast<uint16_t>(ChunkType::kEvents) ||
      header->first_seq != ref.first_seq || header->count != ref.count ||
      (file_id && header->file_id != *file_id)) {
    return error("its header is damaged");
  }
  header_ = *header;
  GPUVM_TRY_STATUS(read_body(file, ref.offset, header_, body_));
  return decoder_.decode(header_, {body_.data(), header_.body_bytes}, out);
}

}  // namespace gpuvm::format
