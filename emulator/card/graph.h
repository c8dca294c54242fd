// PGRAPH's context-switching firmware (FECS) at the level a driver sees: what its handshakes answer.
// Source: nouveau nvkm/engine/gr/gf100.c and gr/fuc/hub.fuc.
#pragma once

#include "emulator/card/register_file.h"

namespace gpuvm {

// Bytes of a context image. The driver copies it word by word for every channel, so it is small.
inline constexpr uint32_t kGraphContextBytes = 0x1000;

// Attaches the behaviour to a register file; it has no state outside it.
void attach_graph(RegisterFile& registers);

}  // namespace gpuvm
