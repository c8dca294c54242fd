// Control flow and barriers.
#include <bit>

#include "emulator/shader/executor.h"
#include "emulator/shader/executors.h"

namespace gpuvm::shader {
namespace {

// The target, or the constant that holds it (bit 14).
std::optional<uint32_t> target_of(Executor& e, const Instruction& i, bool relative) {
  const uint32_t next = e.pc + kInstructionBytes;
  if (!bit(i.word, 14)) {
    return relative ? next + static_cast<uint32_t>(branch_offset(i.word)) : bits(i.word, 26, 32);
  }
  const auto value = e.constants.read(bits(i.word, 42, 4), bits(i.word, 26, 16));
  if (!value) {
    e.fail(Trap::Kind::kMemory, e.launch.constants[bits(i.word, 42, 4)].address + bits(i.word, 26, 16));
    return std::nullopt;
  }
  return relative ? next + *value : *value;
}

void branch(Executor& e, const Instruction& i, uint32_t mask, bool relative) {
  const auto target = target_of(e, i, relative);
  if (target && !e.warp().branch(mask, *target)) e.fail(Trap::Kind::kStackOverflow);
}

void push(Executor& e, Warp::Token token, uint32_t pc) {
  if (!e.warp().push(token, pc)) e.fail(Trap::Kind::kStackOverflow);
}

// Calls are of the whole warp: nothing that Mesa emits predicates them.
void call(Executor& e, const Instruction& i, bool relative) {
  const auto target = target_of(e, i, relative);
  if (!target) return;
  push(e, Warp::Token::kReturn, e.pc + kInstructionBytes);
  e.warp().set_pc(*target);
}

uint32_t relative_target(const Executor& e, const Instruction& i) {
  return e.pc + kInstructionBytes + static_cast<uint32_t>(branch_offset(i.word));
}

// Does the condition on the flags hold (bits 8:5; 15 is "always")?
uint32_t condition_mask(Executor& e, const Instruction& i, uint32_t mask) {
  const unsigned condition = bits(i.word, 5, 4);
  if (condition == 0xf) return mask;
  const Warp::Flags& f = e.warp().flags();
  // The conditions of the signed difference that the flags are of.
  const uint32_t less = f.sign ^ f.overflow, equal = f.zero, greater = ~(less | equal);
  uint32_t holds = 0;
  if ((condition & 1) != 0) holds |= less;
  if ((condition & 2) != 0) holds |= equal;
  if ((condition & 4) != 0) holds |= greater;
  return mask & holds;
}

}  // namespace

void execute_bra(Executor& e, const Instruction& i, uint32_t mask) {
  branch(e, i, condition_mask(e, i, mask), true);
}
void execute_jmp(Executor& e, const Instruction& i, uint32_t mask) {
  branch(e, i, condition_mask(e, i, mask), false);
}
void execute_cal(Executor& e, const Instruction& i, uint32_t) {
  call(e, i, true);
}
void execute_jcal(Executor& e, const Instruction& i, uint32_t) {
  call(e, i, false);
}
void execute_exit(Executor& e, const Instruction& i, uint32_t mask) {
  e.warp().exit(condition_mask(e, i, mask));
}
void execute_ret(Executor& e, const Instruction& i, uint32_t mask) {
  e.warp().leave(Warp::Token::kReturn, condition_mask(e, i, mask));
}
void execute_brk(Executor& e, const Instruction& i, uint32_t mask) {
  e.warp().leave(Warp::Token::kBreak, condition_mask(e, i, mask));
}
void execute_cont(Executor& e, const Instruction& i, uint32_t mask) {
  e.warp().leave(Warp::Token::kContinue, condition_mask(e, i, mask));
}
void execute_ssy(Executor& e, const Instruction& i, uint32_t) {
  push(e, Warp::Token::kSync, relative_target(e, i));
}
void execute_pbk(Executor& e, const Instruction& i, uint32_t) {
  push(e, Warp::Token::kBreak, relative_target(e, i));
}
void execute_pcnt(Executor& e, const Instruction& i, uint32_t) {
  push(e, Warp::Token::kContinue, relative_target(e, i));
}
void execute_pret(Executor& e, const Instruction& i, uint32_t) {
  push(e, Warp::Token::kReturn, relative_target(e, i));
}

void execute_bar(Executor& e, const Instruction& i, uint32_t mask) {
  // Bits 7:5: wait and count (with a result), and, or; 4 only arrives.
  const unsigned operation = bits(i.word, 5, 3);
  if (operation != 0 && operation != 1 && operation != 2 && operation != 4) {
    return e.fail(Trap::Kind::kIllegalInstruction);
  }
  if (mask == 0) return;
  const auto first = static_cast<unsigned>(std::countr_zero(mask));
  const uint32_t index = bit(i.word, 47) ? bits(i.word, 20, 6) : e.warp().reg(i.a)[first];
  const uint32_t threads = bit(i.word, 46) ? bits(i.word, 26, 12) : e.warp().reg(i.b)[first];
  if (index >= e.block->barriers.size()) return e.fail(Trap::Kind::kIllegalInstruction);
  Block::Barrier& barrier = e.block->barriers[index];
  // A barrier counts warps, not threads.
  barrier.arrived += kLanes;
  barrier.expected = threads;
  const uint32_t votes = e.warp().predicate(bits(i.word, 49, 3), bit(i.word, 52)) & mask;
  barrier.count += static_cast<uint32_t>(std::popcount(votes));
  barrier.taking += static_cast<uint32_t>(std::popcount(mask));
  if (operation == 4) return;
  barrier.waits.push_back(static_cast<uint8_t>(e.warp_index));
  e.block->reductions[e.warp_index] = {static_cast<uint8_t>(operation), i.destination,
                                       static_cast<uint8_t>(bits(i.word, 53, 3)), mask};
  e.warp().set_state(Warp::State::kAtBarrier);
}

}  // namespace gpuvm::shader
