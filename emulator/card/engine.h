// An engine executes the methods of the classes it implements, on behalf of a channel.
#pragma once

#include <cstdint>
#include <optional>

#include "emulator/card/gpu_memory.h"
#include "traces/gpu_work.h"

namespace gpuvm {

// What one method call may use: the channel's address space, the moment it runs at, and how much it may cost.
struct MethodContext {
  GpuMemory& memory;
  const AddressSpace& space;
  uint64_t now_ns;
  uint64_t& cost;  // memory adds what it is used for; the engine adds what else it does (work_cost.h)
  uint64_t limit;  // of `cost`: the guest has paid for no more
  GpuWork& work;   // what the guest's channels have done, and asked for in vain
  // Set by a method that stopped at the limit: it is called again with the same value once the guest can pay
  // for more, and goes on where it was. What it needs for that it keeps in its object.
  bool again = false;

  bool exhausted() const { return cost >= limit; }
};

class EngineObject {
 public:
  virtual ~EngineObject() = default;
  // Executes one method of the class; a returned fault kills the channel. Work whose size the guest chooses
  // looks at `context.exhausted()` as it goes.
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

}  // namespace gpuvm
