// How the instruction at one address is done when it touches traced memory: decided once, then cached.
#pragma once

#include <atomic>
#include <cstdint>

#include "tracer/process/agent/frame.h"
#include "tracer/process/decode/instruction.h"

namespace gpuvm::agent {

enum class Way : uint8_t {
  kRefuse,
  kBounce,     // the memory goes through a buffer that the re-encoded instruction works on
  kLanes,      // bounce, but only the lanes whose mask bit is set
  kPacked,     // bounce, as many elements as mask bits are set, side by side
  kBitString,  // bounce; bt and its kin with a bit number in a register reach beyond the operand
  kGather,
  kScatter,
  kString,
  kPush,
  kPop,
  kCall,
  kJump,
  kTranslate,    // xlat
  kMaskedBytes,  // maskmovdqu
  kMove64,       // movdir64b
  kFlush,
};

struct Plan {
  std::atomic<uint64_t> rip;  // 0: free; published last
  uint8_t bytes[kMaxInstructionBytes];
  Instruction instruction;
  MemoryOperand operand;
  Way way;
  bool vector;          // needs the vector state
  bool absolute;        // its address is in the instruction
  bool atomic;          // lock prefix, or xchg
  uint8_t base;         // the register that points to the buffer
  int8_t reg_instead;   // stands for rsp in ModRM.reg; -1: none
  int8_t vvvv_instead;  // the same in VEX.vvvv
  const uint8_t* thunk;
};

// The plan for the instruction at `rip`. nullptr: its bytes cannot be read. A plan that the cache has no room
// for stays valid until the next call in any thread; *shared tells, and release_plan() must follow.
const Plan* plan_at(uint64_t rip, bool* shared);
void release_plan();

// The address of its ModRM operand.
uint64_t effective_address(const Plan& plan, const Frame& frame);
uint64_t segment_base(const Plan& plan);

// `cmp` of the accumulator with the memory operand, by log2 of the width.
const uint8_t* compare_thunk(unsigned log2_width);
bool init_plans();

}  // namespace gpuvm::agent
