// Flags of a traced program's accesses, beside those of event.h. One access of a program may take several
// events: all have the time and the context of the access, and follow each other.
#pragma once

#include <cstdint>

namespace gpuvm {

inline constexpr uint8_t kFlagPart =
    8;  // a piece: of a vector above 8 bytes, a repeated string, a masked lane
inline constexpr uint8_t kFlagUpdate = 16;  // a read and the write after it are one read-modify-write
inline constexpr uint8_t kFlagAtomic = 32;  // of such an update: by a lock prefix, or xchg

}  // namespace gpuvm
