// One x86-64 instruction taken apart: prefixes, opcode, operand bytes, and what it does to memory. No
// allocation, no library: this runs inside a signal handler of the traced program.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gpuvm {

enum OpcodeMap : uint8_t {
  kMapOneByte = 0,
  kMap0F = 1,
  kMap0F38 = 2,
  kMap0F3A = 3,
  kVex0F = 5,
  kVex0F38 = 6,
  kVex0F3A = 7,
  kEvex0F = 9,
  kEvex0F38 = 10,
  kEvex0F3A = 11,
  kEvexMap5 = 13,
  kEvexMap6 = 14,
};
constexpr bool is_vex(uint8_t map) {
  return map >= kVex0F && map <= kVex0F3A;
}
constexpr bool is_evex(uint8_t map) {
  return map >= kEvex0F;
}

inline constexpr size_t kMaxInstructionBytes = 15;

struct Instruction {
  uint8_t length = 0;
  uint8_t map = kMapOneByte;
  uint8_t opcode = 0;
  uint8_t pp = 0;  // VEX, EVEX: 0 none, 1 66, 2 F3, 3 F2
  uint8_t modrm = 0;
  uint8_t sib = 0;
  bool has_modrm = false, has_sib = false;
  bool lock = false, rep = false, repne = false, operand16 = false, address32 = false;
  uint8_t segment = 0;  // 0x64, 0x65; 0: none that counts
  bool has_rex = false, w = false, r = false, x = false, b = false;
  uint8_t vector_length = 0;  // 0: 128 bits, 1: 256, 2: 512
  uint8_t vvvv = 0;           // as a register number
  bool r_high = false;        // EVEX.R': register 16-31
  bool v_high = false;        // EVEX.V'
  bool broadcast = false, zeroing = false;
  uint8_t mask = 0;          // EVEX.aaa
  uint8_t opcode_at = 0;     // offset of the opcode byte
  uint8_t prefix_at = 0;     // offset of the VEX or EVEX prefix
  uint8_t displacement = 0;  // its bytes
  int32_t offset = 0;        // the displacement as encoded; EVEX disp8 is to be scaled
  uint8_t immediate_at = 0, immediate_bytes = 0;

  unsigned reg() const { return (modrm >> 3 & 7u) | (r ? 8u : 0u) | (r_high ? 16u : 0u); }
  unsigned mod() const { return modrm >> 6; }
  unsigned rm() const { return modrm & 7u; }
  bool memory_form() const { return has_modrm && mod() != 3; }
  unsigned vector_bytes() const { return 16u << vector_length; }
};

// Takes the instruction at `bytes` apart. False: no instruction that we know the length of, or cut off.
bool decode_instruction(const uint8_t* bytes, size_t available, Instruction* out);

enum Direction : uint8_t { kNone = 0, kRead = 1, kWrite = 2, kUpdate = 3 };

// What the ModRM operand of an instruction does to memory.
struct MemoryOperand {
  Direction direction = kNone;
  uint16_t bytes = 0;
  uint8_t element = 0;  // EVEX: bytes of what one mask bit stands for
  bool vsib = false;    // the address has a vector index
};

// False: the instruction has no ModRM memory operand in our table.
bool find_memory_operand(const Instruction& instruction, MemoryOperand* out);

// What an EVEX instruction's 8-bit displacement counts in.
unsigned displacement_scale(const Instruction& instruction, const MemoryOperand& operand);

}  // namespace gpuvm
