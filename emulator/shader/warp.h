// A warp: 32 threads that share a program counter, with the stack that brings diverged ones together again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "emulator/shader/instruction.h"

namespace gpuvm::shader {

inline constexpr uint32_t kAllLanes = ~0u;
using Lanes = std::array<uint32_t, kLanes>;

class Warp {
 public:
  enum class State : uint8_t { kRunning, kAtBarrier, kDone };
  enum class Token : uint8_t { kDiverged, kSync, kBreak, kContinue, kReturn, kQuads };

  // `lanes`: a bit for each thread that there is. `max_tokens`: of the stack.
  Warp(uint32_t lanes, size_t max_tokens) : active_(lanes), max_tokens_(max_tokens) {
    if (lanes == 0) state_ = State::kDone;
    predicates_.fill(0);
    predicates_[kTruePredicate] = kAllLanes;
    registers_.resize(kRegisters + 1);
  }

  const Lanes& reg(unsigned index) const { return registers_[index]; }
  void set(unsigned index, const Lanes& value, uint32_t mask) {
    if (index == kZeroRegister) return;
    Lanes& to = registers_[index];
    if (mask == kAllLanes) {
      to = value;
      return;
    }
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      const uint32_t keep = ((mask >> lane) & 1) - 1;
      to[lane] = (to[lane] & keep) | (value[lane] & ~keep);
    }
  }
  void set_lane(unsigned index, unsigned lane, uint32_t value) {
    if (index < kZeroRegister) registers_[index][lane] = value;
  }
  // A bit a lane.
  uint32_t predicate(unsigned index, bool negated) const {
    return negated ? ~predicates_[index] : predicates_[index];
  }
  void set_predicate(unsigned index, uint32_t value, uint32_t mask) {
    if (index != kTruePredicate) predicates_[index] = (predicates_[index] & ~mask) | (value & mask);
  }

  // Condition codes of the lanes, each a bit a lane.
  struct Flags {
    uint32_t zero = 0, sign = 0, carry = 0, overflow = 0;
  };
  const Flags& flags() const { return flags_; }
  void set_flags(const Flags& value, uint32_t mask) {
    const auto blend = [mask](uint32_t& to, uint32_t from) { to = (to & ~mask) | (from & mask); };
    blend(flags_.zero, value.zero);
    blend(flags_.sign, value.sign);
    blend(flags_.carry, value.carry);
    blend(flags_.overflow, value.overflow);
  }

  State state() const { return state_; }
  void set_state(State state) { state_ = state; }
  uint32_t active() const { return active_; }
  // Of the next instruction, in bytes from the start of the code segment.
  uint32_t pc() const { return pc_; }
  void set_pc(uint32_t pc) { pc_ = pc; }

  // Control flow, for the lanes of `mask`, which are active. False: the stack is full.
  bool push(Token token, uint32_t pc);
  bool branch(uint32_t mask, uint32_t target);
  // They leave for the innermost such token and wait there for the others; past the outermost they end.
  void leave(Token token, uint32_t mask);
  void exit(uint32_t mask);
  bool has(Token token) const;
  // Every thread of a quad that has an active one works, also those that have ended or never were, until the
  // quads are left again. False: the stack is full.
  bool enter_quads();
  void leave_quads();

 private:
  struct Entry {
    Token token;
    uint32_t mask;
    uint32_t pc;
  };
  void pop_if_empty();

  std::vector<Lanes> registers_;
  std::array<uint32_t, 8> predicates_{};
  Flags flags_;
  State state_ = State::kRunning;
  uint32_t active_;
  uint32_t pc_ = 0;
  size_t max_tokens_;
  std::vector<Entry> stack_;
};

}  // namespace gpuvm::shader
