// What the card's work costs, in nanoseconds of its time. Bounds: above what the work takes this program,
// also while it is recorded, so that a guest's work cannot outrun the clock
// that pays for it. Constants, not measurements: a replay must come to the same sums.
#pragma once

#include <cstdint>

namespace gpuvm {

inline constexpr uint64_t kCostOfDword = 16;       // of a push buffer: fetch and decode
inline constexpr uint64_t kCostOfAccess = 256;     // a small thing that an engine does: a query, a line
inline constexpr uint64_t kCostOfObject = 4096;    // an engine object is made
inline constexpr uint64_t kCostOfRun = 2048;       // a channel gets a turn, whatever comes of it
inline constexpr uint64_t kCostOfVramAccess = 32;  // besides its bytes; a page walk makes two or three
inline constexpr uint64_t kVramBytesPerNs = 2;
inline constexpr uint64_t kCostOfTransfer = 2048;  // over the bus: a system call and an event
inline constexpr uint64_t kBusBytesPerNs = 1;

}  // namespace gpuvm
