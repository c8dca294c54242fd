// Accesses that a plain event has no room for: the payload of kWideRead, kWideWrite and kUpdate events. A
// program that is traced makes them: vectors of 16 to 64 bytes, x87's 10, and read-modify-writes, each one
// event. Event::width is the access's size in bytes; address, space and flags are those of plain accesses.
#pragma once

#include <cstring>
#include <string>

#include "traces/core/bytes.h"
#include "traces/stream.h"

namespace gpuvm {

struct ProgramAccess {
  uint32_t context = 0;  // id, as Event::aux of a plain access
  Bytes before;          // what was read: Event::width bytes, or none for a kWideWrite
  Bytes after;           // what was written: the same, or none for a kWideRead
};

// Bytes: context u32, before, after.
std::string encode_program_access(uint32_t context, Bytes before, Bytes after);
// Errors: not as long as the kind and the width say.
Result<ProgramAccess> decode_program_access(const Event& event, Bytes payload);

// A damaged one has no bytes.
inline ProgramAccess program_access_or_none(const Event& event, Bytes payload) {
  const Result<ProgramAccess> access = decode_program_access(event, payload);
  return access ? access.value() : ProgramAccess{};
}

// The id of the context of any access; 0: none.
inline uint32_t context_of(const Event& event, Bytes payload) {
  if (is_mmio(event.kind)) return event.aux;
  return is_program_access(event.kind) && payload.size() >= 4 ? load<uint32_t>(payload.data()) : 0;
}

// Calls `use(plain)` for the plain accesses that make up an access: reads before writes, ascending, each the
// largest power of two up to 8 bytes. Any other event is passed on as it is; a damaged access gives nothing.
template <typename Use>
void for_each_plain(const Event& event, Bytes payload, Use&& use) {
  if (!is_program_access(event.kind)) {
    use(event);
    return;
  }
  const Result<ProgramAccess> access = decode_program_access(event, payload);
  if (!access) return;
  Event plain = event;
  plain.aux = access.value().context;
  const auto pieces = [&](EventKind kind, Bytes bytes) {
    plain.kind = kind;
    plain.address = event.address;
    while (!bytes.empty()) {
      size_t width = 8;
      while (width > bytes.size()) width /= 2;
      plain.width = static_cast<uint8_t>(width);
      plain.value = 0;
      std::memcpy(&plain.value, bytes.data(), width);
      use(static_cast<const Event&>(plain));
      plain.address += width;
      bytes = bytes.subspan(width);
    }
  };
  pieces(EventKind::kMmioRead, access.value().before);
  pieces(EventKind::kMmioWrite, access.value().after);
}

}  // namespace gpuvm
