// What a driver mapped: the payload of kMap and kUnmap events. Event::address is the physical address
// (kUnmap: of the mapping, 0 if the log does not tell), Event::space the BAR that it lies in, kNoBar if none.
#pragma once

#include <cstdint>
#include <string>

#include "traces/core/result.h"
#include "traces/stream.h"

namespace gpuvm {

struct MapRecord {
  int32_t map_id = 0;            // mmiotrace's number; -1: mapped before the recording began
  uint32_t pid = 0;              //
  uint64_t virtual_address = 0;  // kUnmap: 0
  uint64_t length = 0;           // bytes, as asked for: may be odd; kUnmap: 0
  uint64_t pc = 0;               // who mapped it, 0 = unknown

  friend bool operator==(const MapRecord&, const MapRecord&) = default;
};

// Bytes, little-endian, in the order of the members: 4 + 4 + 8 + 8 + 8.
std::string encode_map(const MapRecord& record);
// Errors: not 32 bytes.
Result<MapRecord> decode_map(Bytes payload);

}  // namespace gpuvm
