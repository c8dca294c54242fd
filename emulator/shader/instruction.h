// One instruction of Fermi's shader cores, decoded. Sources of the encodings: envytools envydis (gf100), Mesa
// nv50_ir_emit_nvc0.cpp. Instructions are 64 bits; the 32-bit short forms, which Mesa does not emit, are
// illegal here.
#pragma once

#include <cstdint>
#include <span>

namespace gpuvm::shader {

inline constexpr unsigned kLanes = 32;
inline constexpr unsigned kRegisters = 63;  // register 63 reads as zero and takes no writes
inline constexpr unsigned kZeroRegister = 63;
inline constexpr unsigned kTruePredicate = 7;
inline constexpr unsigned kConstantBanks = 16;
inline constexpr uint32_t kInstructionBytes = 8;

constexpr uint32_t bits(uint64_t word, unsigned low, unsigned count) {
  return static_cast<uint32_t>(word >> low) & ((count == 32 ? 0u : 1u << (count & 31)) - 1);
}
constexpr bool bit(uint64_t word, unsigned position) {
  return (word >> position) & 1;
}

// Where the operands of an instruction are.
enum class Form : uint8_t {
  kAbc,     // destination, a, b, c; b or c may be a constant, b an immediate
  kB,       // destination, b
  kLong,    // destination, a, a 32-bit immediate; c is the destination
  kMemory,  // register, [address + offset]
  kFlow,    // a target
  kNone,    // no operands
  kOther,   // named in the instruction's own function
};

// How long the units of a core are busy with it, relative to an addition.
enum class Latency : uint8_t { kArithmetic, kDouble, kSpecial, kMemory, kFlow };

class Executor;
struct Instruction;
using Execute = void (*)(Executor&, const Instruction&, uint32_t mask);

struct Opcode {
  uint64_t mask;
  uint64_t match;
  const char* name;
  Form form;
  Latency latency;
  Execute execute;
};
std::span<const Opcode> opcodes();

struct Instruction {
  enum class Kind : uint8_t { kRegister, kConstant, kImmediate };

  const Opcode* opcode = nullptr;  // nullptr: illegal
  uint64_t word = 0;
  uint8_t destination = kZeroRegister;
  uint8_t a = kZeroRegister;
  uint8_t b = kZeroRegister;  // if the kind says so
  uint8_t c = kZeroRegister;
  Kind b_kind = Kind::kRegister;
  Kind c_kind = Kind::kRegister;  // not kImmediate
  uint8_t bank = 0;               // of the constant, if there is one
  uint16_t offset = 0;
  uint32_t immediate = 0;  // as the opcode's type wants it: for a double its upper word
  uint8_t predicate = kTruePredicate;
  bool predicate_not = false;
  bool join = false;  // the lanes wait at the innermost SSY's target afterwards
};

Instruction decode(uint64_t word);

// Signed, in bytes, from the end of the instruction; of Form::kFlow.
constexpr int32_t branch_offset(uint64_t word) {
  const uint32_t field = bits(word, 26, 24);
  return static_cast<int32_t>(field << 8) >> 8;
}

}  // namespace gpuvm::shader
