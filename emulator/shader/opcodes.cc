// The instruction set as a table: what the decoder, the disassembler, the interpreter and the tests go by.
#include <array>
#include <vector>

#include "emulator/shader/executors.h"
#include "emulator/shader/instruction.h"

namespace gpuvm::shader {
namespace {

// An instruction's class is its low four bits, its operation the top six, of which `operation_mask` count.
constexpr Opcode op(unsigned group, unsigned operation, unsigned operation_mask, const char* name, Form form,
                    Latency latency, Execute execute, uint64_t more_mask = 0, uint64_t more = 0) {
  return {uint64_t{0xf} | uint64_t{operation_mask} << 58 | more_mask,
          uint64_t{group} | uint64_t{operation} << 58 | more,
          name,
          form,
          latency,
          execute};
}
constexpr uint64_t kBit56 = uint64_t{1} << 56;  // shared instead of local memory
constexpr uint64_t kBit57 = uint64_t{1} << 57;

using enum Form;
constexpr auto kArith = Latency::kArithmetic;
constexpr auto kDouble = Latency::kDouble;
constexpr auto kSpecial = Latency::kSpecial;
constexpr auto kMem = Latency::kMemory;
constexpr auto kJump = Latency::kFlow;

constexpr Opcode kOpcodes[] = {
    // Floats. The low operation bits of comparisons are flags and part of the condition.
    op(0, 0x14, 0x3f, "FADD", kAbc, kArith, execute_fadd),
    op(0, 0x16, 0x3f, "FMUL", kAbc, kArith, execute_fmul),
    op(0, 0x0c, 0x3f, "FFMA", kAbc, kArith, execute_ffma),
    op(0, 0x02, 0x3f, "FMNMX", kAbc, kArith, execute_fmnmx),
    op(0, 0x04, 0x3c, "FSET", kAbc, kArith, execute_fset),
    op(0, 0x08, 0x3c, "FSETP", kAbc, kArith, execute_fsetp),
    op(0, 0x0e, 0x3e, "FSLCT", kAbc, kArith, execute_fslct),
    op(0, 0x18, 0x3f, "RRO", kB, kArith, execute_rro),
    op(0, 0x32, 0x3f, "MUFU", kOther, kSpecial, execute_mufu),
    op(0, 0x12, 0x3f, "QUADOP", kOther, kArith, execute_quadop),
    // Doubles.
    op(1, 0x08, 0x3f, "DFMA", kAbc, kDouble, execute_dfma),
    op(1, 0x14, 0x3f, "DMUL", kAbc, kDouble, execute_dmul),
    op(1, 0x12, 0x3f, "DADD", kAbc, kDouble, execute_dadd),
    op(1, 0x02, 0x3f, "DMNMX", kAbc, kDouble, execute_dmnmx),
    op(1, 0x04, 0x3e, "DSET", kAbc, kDouble, execute_dset),
    op(1, 0x06, 0x3e, "DSETP", kAbc, kDouble, execute_dsetp),
    // 32-bit immediates.
    op(2, 0x08, 0x3e, "FFMA32I", kLong, kArith, execute_ffma32i),
    op(2, 0x0c, 0x3e, "FMUL32I", kLong, kArith, execute_fmul32i),
    op(2, 0x0a, 0x3e, "FADD32I", kLong, kArith, execute_fadd32i),
    op(2, 0x04, 0x3e, "IMUL32I", kLong, kArith, execute_imul),
    op(2, 0x02, 0x3e, "IADD32I", kLong, kArith, execute_iadd32i),
    op(2, 0x0e, 0x3e, "LOP32I", kLong, kArith, execute_lop32i),
    op(2, 0x06, 0x3e, "MOV32I", kLong, kArith, execute_mov32i),
    // Integers.
    op(3, 0x08, 0x3f, "IMAD", kAbc, kArith, execute_imad),
    op(3, 0x14, 0x3f, "IMUL", kAbc, kArith, execute_imul),
    op(3, 0x12, 0x3f, "IADD", kAbc, kArith, execute_iadd),
    op(3, 0x10, 0x3f, "ISCADD", kAbc, kArith, execute_iscadd),
    op(3, 0x0e, 0x3f, "ISAD", kAbc, kArith, execute_isad),
    op(3, 0x0a, 0x3f, "BFI", kAbc, kArith, execute_bfi),
    op(3, 0x1c, 0x3f, "BFE", kAbc, kArith, execute_bfe),
    op(3, 0x1e, 0x3f, "FLO", kB, kArith, execute_flo),
    op(3, 0x16, 0x3f, "SHR", kAbc, kArith, execute_shr),
    op(3, 0x18, 0x3f, "SHL", kAbc, kArith, execute_shl),
    op(3, 0x1a, 0x3f, "LOP", kAbc, kArith, execute_lop),
    // Bits 7 and 6: the words of a longer number, the highest first. The middle ones, which nothing emits,
    // are
    // not modelled.
    op(3, 0x02, 0x3f, "IMNMX", kAbc, kArith, execute_imnmx, 0xc0),
    op(3, 0x02, 0x3f, "IMNMX.LO", kAbc, kArith, execute_imnmx_low, 0xc0, 0x40),
    op(3, 0x02, 0x3f, "IMNMX.HI", kAbc, kArith, execute_imnmx_high, 0xc0, 0xc0),
    op(3, 0x04, 0x3e, "ISET", kAbc, kArith, execute_iset),
    op(3, 0x06, 0x3e, "ISETP", kAbc, kArith, execute_isetp),
    op(3, 0x0c, 0x3e, "ISLCT", kAbc, kArith, execute_islct),
    // Moves, conversions, predicates.
    op(4, 0x04, 0x3f, "F2F", kB, kSpecial, execute_f2f),
    op(4, 0x05, 0x3f, "F2I", kB, kSpecial, execute_f2i),
    op(4, 0x06, 0x3f, "I2F", kB, kSpecial, execute_i2f),
    op(4, 0x07, 0x3f, "I2I", kB, kArith, execute_i2i),
    op(4, 0x03, 0x3f, "PSETP", kOther, kArith, execute_psetp),
    op(4, 0x02, 0x3f, "PSET", kOther, kArith, execute_pset),
    op(4, 0x0a, 0x3f, "MOV", kB, kArith, execute_mov),
    op(4, 0x0b, 0x3f, "S2R", kOther, kArith, execute_s2r),
    op(4, 0x08, 0x3f, "SEL", kAbc, kArith, execute_sel),
    op(4, 0x09, 0x3f, "PRMT", kAbc, kArith, execute_prmt),
    op(4, 0x15, 0x3f, "POPC", kAbc, kArith, execute_popc),
    op(4, 0x12, 0x3f, "VOTE", kOther, kArith, execute_vote),
    op(4, 0x14, 0x3f, "BAR", kOther, kJump, execute_bar),
    op(4, 0x10, 0x3f, "NOP", kNone, kArith, execute_nop),
    // Memory.
    op(5, 0x20, 0x3e, "LD", kMemory, kMem, execute_ld),
    op(5, 0x24, 0x3e, "ST", kMemory, kMem, execute_st),
    op(5, 0x30, 0x3f, "LDL", kMemory, kMem, execute_ldl, kBit56 | kBit57),
    op(5, 0x30, 0x3f, "LDS", kMemory, kMem, execute_lds, kBit56 | kBit57, kBit56),
    op(5, 0x31, 0x3f, "LDS.LOCK", kMemory, kMem, execute_lds_lock),
    op(5, 0x32, 0x3f, "STL", kMemory, kMem, execute_stl, kBit56 | kBit57),
    op(5, 0x32, 0x3f, "STS", kMemory, kMem, execute_sts, kBit56 | kBit57, kBit56),
    op(5, 0x33, 0x3f, "STS.UNLOCK", kMemory, kMem, execute_sts_unlock),
    op(5, 0x10, 0x30, "ATOM", kMemory, kMem, execute_atom),
    op(5, 0x00, 0x30, "RED", kMemory, kMem, execute_red),
    op(5, 0x38, 0x3f, "MEMBAR", kNone, kMem, execute_nop),
    op(5, 0x26, 0x3e, "CCTL", kNone, kMem, execute_nop),
    op(5, 0x34, 0x3f, "CCTLL", kNone, kMem, execute_nop),
    op(5, 0x3c, 0x3f, "SULEA", kOther, kMem, execute_sulea),
    op(5, 0x35, 0x3f, "SULD", kOther, kMem, execute_suld),
    op(5, 0x37, 0x3f, "SUST", kOther, kMem, execute_sust),
    // Textures. Bits 58 and 57 tell where the level comes from.
    op(6, 0x20, 0x3f, "TEX", kOther, kMem, execute_tex),
    op(6, 0x21, 0x3f, "TEX.LB", kOther, kMem, execute_tex_bias, kBit57),
    op(6, 0x21, 0x3f, "TEX.LL", kOther, kMem, execute_tex_level, kBit57, kBit57),
    op(6, 0x24, 0x3f, "TLD", kOther, kMem, execute_tld),
    op(6, 0x28, 0x3f, "TLD4", kOther, kMem, execute_tld4),
    op(6, 0x2c, 0x3f, "TMML", kOther, kMem, execute_tmml),
    op(6, 0x38, 0x3f, "TXD", kOther, kMem, execute_txd),
    op(6, 0x30, 0x3f, "TXQ", kOther, kMem, execute_txq),
    op(6, 0x05, 0x3f, "LDC", kOther, kMem, execute_ldc),
    op(6, 0x3c, 0x3f, "TEXBAR", kNone, kArith, execute_nop),
    // Control flow.
    op(7, 0x10, 0x3f, "BRA", kFlow, kJump, execute_bra),
    op(7, 0x00, 0x3f, "JMP", kFlow, kJump, execute_jmp),
    op(7, 0x14, 0x3f, "CAL", kFlow, kJump, execute_cal),
    op(7, 0x04, 0x3f, "JCAL", kFlow, kJump, execute_jcal),
    op(7, 0x20, 0x3f, "EXIT", kNone, kJump, execute_exit),
    op(7, 0x24, 0x3f, "RET", kNone, kJump, execute_ret),
    op(7, 0x2a, 0x3f, "BRK", kNone, kJump, execute_brk),
    op(7, 0x2c, 0x3f, "CONT", kNone, kJump, execute_cont),
    op(7, 0x30, 0x3f, "QUADON", kNone, kJump, execute_quadon),
    op(7, 0x32, 0x3f, "QUADPOP", kNone, kJump, execute_quadpop),
    op(7, 0x18, 0x3f, "SSY", kFlow, kJump, execute_ssy),
    op(7, 0x1a, 0x3f, "PBK", kFlow, kJump, execute_pbk),
    op(7, 0x1c, 0x3f, "PCNT", kFlow, kJump, execute_pcnt),
    op(7, 0x1e, 0x3f, "PRET", kFlow, kJump, execute_pret),
};

constexpr bool encodings_are_distinct() {
  for (size_t i = 0; i < std::size(kOpcodes); ++i) {
    if ((kOpcodes[i].match & ~kOpcodes[i].mask) != 0) return false;
    for (size_t j = 0; j < i; ++j) {
      const uint64_t both = kOpcodes[i].mask & kOpcodes[j].mask;
      if ((kOpcodes[i].match & both) == (kOpcodes[j].match & both)) return false;
    }
  }
  return true;
}
static_assert(encodings_are_distinct(), "two opcodes match the same word");

// By class and operation, so that decoding is one look-up and at most a few comparisons.
class Index {
 public:
  Index() {
    for (size_t i = 0; i < std::size(kOpcodes); ++i) {
      for (unsigned key = 0; key < by_key_.size(); ++key) {
        const uint64_t word = (key & 0xf) | uint64_t{key >> 4} << 58;
        const uint64_t mask = kOpcodes[i].mask & kKeyMask;
        if ((word & mask) == (kOpcodes[i].match & mask)) by_key_[key].push_back(&kOpcodes[i]);
      }
    }
  }
  const Opcode* find(uint64_t word) const {
    for (const Opcode* opcode : by_key_[(word & 0xf) | (word >> 58) << 4]) {
      if ((word & opcode->mask) == opcode->match) return opcode;
    }
    return nullptr;
  }

 private:
  static constexpr uint64_t kKeyMask = uint64_t{0x3f} << 58 | 0xf;
  std::array<std::vector<const Opcode*>, 1024> by_key_;
};

// The immediate as the class's type wants it.
uint32_t immediate_of(uint64_t word) {
  const uint32_t field = bits(word, 26, 20);
  const bool is_float = (word & 0xf) <= 1;
  return is_float ? field << 12 : static_cast<uint32_t>(static_cast<int32_t>(field << 12) >> 12);
}

void decode_constant(Instruction& i) {
  i.offset = static_cast<uint16_t>(bits(i.word, 26, 16));
  i.bank = static_cast<uint8_t>(bits(i.word, 42, 4));
}

}  // namespace

std::span<const Opcode> opcodes() {
  return kOpcodes;
}

Instruction decode(uint64_t word) {
  static const Index index;
  Instruction i;
  i.word = word;
  i.opcode = index.find(word);
  i.predicate = static_cast<uint8_t>(bits(word, 10, 3));
  i.predicate_not = bit(word, 13);
  i.join = bit(word, 4);
  if (i.opcode == nullptr) return i;
  i.destination = static_cast<uint8_t>(bits(word, 14, 6));
  i.a = static_cast<uint8_t>(bits(word, 20, 6));
  i.b = static_cast<uint8_t>(bits(word, 26, 6));
  switch (i.opcode->form) {
    case kAbc:
    case kB:
      i.c = static_cast<uint8_t>(bits(word, 49, 6));
      switch (bits(word, 46, 2)) {
        case 1:
          i.b_kind = Instruction::Kind::kConstant;
          decode_constant(i);
          break;
        case 2:
          // The constant takes b's place in the word, and b that of c.
          i.b = i.c;
          i.c_kind = Instruction::Kind::kConstant;
          decode_constant(i);
          break;
        case 3:
          i.b_kind = Instruction::Kind::kImmediate;
          i.immediate = immediate_of(word);
          break;
        default:
          break;
      }
      break;
    case kLong:
      i.b_kind = Instruction::Kind::kImmediate;
      i.immediate = bits(word, 26, 32);
      i.c = i.destination;
      break;
    default:
      break;
  }
  return i;
}

}  // namespace gpuvm::shader
