// An engine executes the methods of the classes it implements, on behalf of a channel.
#pragma once

#include <cstdint>
#include <optional>

#include "emulator/card/gpu_memory.h"

namespace gpuvm {

// What one method call may use: the channel's address space and the moment it runs at.
struct MethodContext {
  GpuMemory& memory;
  const AddressSpace& space;
  uint64_t now_ns;
  uint64_t& cost;  // the engine adds what it did: 1 for a byte, kCostOf... for what takes longer
};

class EngineObject {
 public:
  virtual ~EngineObject() = default;
  // Executes one method of the class; a returned fault kills the channel.
  virtual std::optional<MmuFault> method(MethodContext& context, uint32_t method, uint32_t value) = 0;
};

// Where faults of a class are reported: MMU unit and hub client (envytools GF100_VM_ENGINE,
// GF100_VM_HUBCLIENT).
struct FaultUnit {
  uint8_t unit;
  uint8_t client;
};
inline constexpr FaultUnit kFaultHost{0x07, 0x06};
inline constexpr FaultUnit kFaultGraph{0x00, 0x04};
inline constexpr FaultUnit kFaultCopy0{0x15, 0x01};
inline constexpr FaultUnit kFaultCopy1{0x16, 0x02};

// A single copy or fill larger than this is refused: a hostile channel must not stall the card.
inline constexpr uint64_t kMaxOperationBytes = uint64_t{256} << 20;
inline constexpr uint64_t kMaxOperationLines = uint64_t{1} << 18;

// Costs, in nanoseconds of the card's time. Above what they take us (tests/bench/replay_bench: a dword 7 ns,
// a byte far below 1), so that a card that is always busy still keeps up with the clock.
inline constexpr uint64_t kCostOfDword = 16;    // fetch and decode
inline constexpr uint64_t kCostOfAccess = 256;  // a page walk and a small access
inline constexpr uint64_t kCostOfObject = 4096;

}  // namespace gpuvm
