// What the copying classes have in common: lines of bytes, and the semaphore written when they are done.
#pragma once

#include "emulator/card/engine.h"
#include "emulator/card/method_state.h"
#include "emulator/card/surface_view.h"

namespace gpuvm {

// Where the shader classes have the query that QUERY_GET writes (rnndb gf100_3d.xml, gf100_compute.xml).
struct QueryMethods {
  static constexpr uint32_t kAddress = 0x1b00;  // HIGH, LOW
  static constexpr uint32_t kSequence = 0x1b08;
  static constexpr uint32_t kGet = 0x1b0c;
  static constexpr uint32_t kShort = 1u << 28;  // of GET's value
};
// 4 bytes, or 16 with a time stamp.
std::optional<MmuFault> write_query(MethodContext& context, uint64_t va, uint32_t sequence, bool with_time);

// Copies `lines` lines of `line_bytes`.
struct LineCopy {
  SurfaceView from;
  SurfaceView to;
  uint32_t line_bytes;
  uint32_t lines;
};
// How far a copy has come: an object keeps it between the turns of one that takes several.
struct CopyProgress {
  uint32_t line = 0;
  uint64_t bytes = 0;  // of the line

  bool begun() const { return line != 0 || bytes != 0; }
};
// Up to the limit of `context`, which says whether there is more to do.
std::optional<MmuFault> copy_lines(MethodContext& context, const LineCopy& copy, CopyProgress& progress);

// Where a class has the methods that describe a copy.
struct LineCopyMethods {
  const char* engine;  // for the account of what was not done
  uint32_t source;     // HIGH, LOW
  uint32_t destination;
  uint32_t source_pitch;
  uint32_t destination_pitch;
  uint32_t line_bytes;
  uint32_t lines;
  // Of tiled surfaces: first of {tile mode, bytes of a line, lines, slices, slice}, and where x and y are; 0
  // if the class's are not modelled.
  uint32_t source_tiling = 0;
  uint32_t source_position = 0;
  uint32_t destination_tiling = 0;
  uint32_t destination_position = 0;
};
// Executes the copy that EXEC's value asks for.
std::optional<MmuFault> exec_copy(MethodContext& context, const MethodState& state,
                                  const LineCopyMethods& methods, uint32_t exec, CopyProgress& progress);

}  // namespace gpuvm
