#include "traces/program_access.h"

namespace gpuvm {

std::string encode_program_access(uint32_t context, Bytes before, Bytes after) {
  std::string out;
  append_le(out, context);
  out += as_text(before);
  out += as_text(after);
  return out;
}

Result<ProgramAccess> decode_program_access(const Event& event, Bytes payload) {
  const bool reads = event.kind != EventKind::kWideWrite, writes = event.kind != EventKind::kWideRead;
  const size_t before = reads ? event.width : 0, after = writes ? event.width : 0;
  if (event.width == 0 || payload.size() != 4 + before + after) {
    return error("an access of {} bytes whose record has {} bytes", event.width, payload.size());
  }
  return ProgramAccess{.context = load<uint32_t>(payload.data()),
                       .before = payload.subspan(4, before),
                       .after = payload.subspan(4 + before, after)};
}

}  // namespace gpuvm
