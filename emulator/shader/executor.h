// What the instructions' functions work on: the current warp, its block, and the launch.
#pragma once

#include <cstring>
#include <optional>
#include <unordered_map>
#include <vector>

#include "emulator/shader/launch.h"
#include "emulator/shader/texture_cache.h"
#include "emulator/shader/warp.h"
#include "traces/gpu_work.h"

namespace gpuvm::shader {

// The constant banks as a launch sees them: what is read is kept until the next one, as the hardware's cache
// does until a driver flushes it.
class ConstantCache {
 public:
  ConstantCache(const Launch& launch, GlobalMemory& memory);
  // Four bytes; 0 outside of the bank, nullopt if memory faults.
  std::optional<uint32_t> read(unsigned bank, uint32_t offset);

 private:
  static constexpr uint32_t kBankBytes = 0x10000;
  struct Bank {
    ConstantBank place;
    std::vector<std::byte> bytes;
    std::vector<bool> present;  // by line
  };
  GlobalMemory& memory_;
  std::array<Bank, kConstantBanks> banks_;
};

// A block of threads that runs: warps, and the memory that they share.
struct Block {
  std::vector<Warp> warps;
  std::vector<std::byte> shared;
  std::vector<bool> locked;      // of shared memory, by word
  std::vector<std::byte> local;  // thread after thread
  Dimensions index;              // of the block in its grid
  struct Barrier {
    uint32_t arrived = 0;        // threads
    uint32_t expected = 0;       // 0: all
    uint32_t taking = 0;         // threads that asked
    uint32_t count = 0;          // of these, those whose predicate held: for BAR.RED
    std::vector<uint8_t> waits;  // warps
  };
  std::array<Barrier, 16> barriers;
  // By warp: where the result of a reduction goes.
  struct Reduction {
    uint8_t operation = 0, destination = kZeroRegister, predicate = kTruePredicate;
    uint32_t mask = 0;
  };
  std::vector<Reduction> reductions;
};

class Executor {
 public:
  Executor(const Launch& of, GlobalMemory& through)
      : launch(of), memory(through), constants(of, through), textures(of.textures, through) {}

  // Operands of the current warp. The reference is good until the next call for the same operand.
  const Lanes& a(const Instruction& i) const { return warp().reg(i.a); }
  const Lanes& b(const Instruction& i) { return operand(i.b_kind, i.b, i, b_copy_, 0); }
  const Lanes& c(const Instruction& i) { return operand(i.c_kind, i.c, i, c_copy_, 0); }
  // The upper half of a 64-bit one.
  const Lanes& a_high(const Instruction& i) const { return pair_high(i.a); }
  const Lanes& b_high(const Instruction& i) { return high(i.b_kind, i.b, i, b_high_copy_); }
  const Lanes& c_high(const Instruction& i) { return high(i.c_kind, i.c, i, c_high_copy_); }
  const Lanes& pair_high(unsigned index) const {
    return warp().reg(index >= kZeroRegister - 1 ? kZeroRegister : index + 1);
  }
  void set_pair_high(unsigned index, const Lanes& value, uint32_t mask) {
    if (index < kZeroRegister - 1) warp().set(index + 1, value, mask);
  }

  Warp& warp() { return block->warps[warp_index]; }
  const Warp& warp() const { return block->warps[warp_index]; }

  // The instruction fails; what it has done so far stays.
  void fail(Trap::Kind kind, uint64_t address = 0, bool write = false) {
    if (!trap) trap = Trap{kind, pc, word, address, write};
  }

  const Launch& launch;
  GlobalMemory& memory;
  ConstantCache constants;
  TextureCache textures;
  ShaderCounters counters;
  uint64_t texels = 0;           // that texture units unpacked
  uint64_t unknown_formats = 0;  // of textures that were read as zeroes: a bit each
  std::optional<Trap> trap;
  Block* block = nullptr;
  unsigned warp_index = 0;
  uint32_t pc = 0;  // of the current instruction
  uint64_t word = 0;

 private:
  const Lanes& operand(Instruction::Kind kind, unsigned index, const Instruction& i, Lanes& copy,
                       uint32_t more);
  const Lanes& high(Instruction::Kind kind, unsigned index, const Instruction& i, Lanes& copy);

  Lanes b_copy_{}, c_copy_{}, b_high_copy_{}, c_high_copy_{};
};

// Calls `value` for each lane of `mask`; its bits, a lane each.
template <typename Value>
uint32_t lane_bits(Value value) {
  uint32_t result = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) result |= uint32_t{value(lane)} << lane;
  return result;
}

template <typename Value>
void set_lanes(Executor& e, unsigned destination, uint32_t mask, Value value) {
  Lanes out;
  for (unsigned lane = 0; lane < kLanes; ++lane) out[lane] = value(lane);
  e.warp().set(destination, out, mask);
}

// Z and S from a result, with the carry and the overflow given.
inline Warp::Flags flags_of(const Lanes& result, uint32_t carry, uint32_t overflow) {
  return {lane_bits([&](unsigned l) { return result[l] == 0; }),
          lane_bits([&](unsigned l) { return static_cast<bool>(result[l] >> 31); }), carry, overflow};
}

// Joins what comparisons yield with a predicate as bits 54:53 say: and, or, exclusive or.
inline uint32_t combine(unsigned operation, uint32_t left, uint32_t right) {
  return operation == 0 ? left & right : operation == 1 ? left | right : left ^ right;
}

}  // namespace gpuvm::shader
