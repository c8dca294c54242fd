// Which instruction reads or writes how much memory. The rows are facts of Intel's manual, made by asking an
// independent decoder (Zydis) about every opcode; tests/differential compares both over whole libraries, and
// the suite of instruction forms compares them with the processor. Instructions that never fault (prefetch,
// nop, lea) have none.
#include "tracer/process/decode/instruction.h"

namespace gpuvm {
namespace {

constexpr int kVl = -1, kVl2 = -2, kVl4 = -3, kVl8 = -4;  // the vector's length, or that / 2, / 4, / 8
constexpr int kOperand = -10;                             // 2, 4 or 8 by the prefixes 66 and REX.W
constexpr uint8_t kVsib = 1;
constexpr uint8_t kBroadcast = 2;  // EVEX.b makes it one element

struct Row {
  OpcodeMap map;
  uint8_t prefixes;     // a bit each: none, 66, F3, F2, 66 with F3, 66 with F2
  uint8_t first, last;  // opcodes
  uint8_t regs;         // a bit for each value of ModRM.reg
  uint8_t forms;        // a bit for each W * 3 + vector length
  Direction direction;
  int16_t bytes;    // or one of the rules above
  uint8_t element;  // EVEX
  uint8_t flags;
};

constexpr Row kRows[] = {
#include "tracer/process/decode/legacy_operands.inc"

#include "tracer/process/decode/vex_operands.inc"

#include "tracer/process/decode/evex_operands.inc"
};

unsigned prefix_bit(const Instruction& i) {
  if (is_vex(i.map) || is_evex(i.map)) return i.pp;
  if (i.rep) return i.operand16 ? 4 : 2;
  if (i.repne) return i.operand16 ? 5 : 3;
  return i.operand16 ? 1 : 0;
}

}  // namespace

bool find_memory_operand(const Instruction& i, MemoryOperand* out) {
  if (!i.memory_form()) return false;
  const unsigned prefix = 1u << prefix_bit(i);
  const unsigned reg = 1u << (i.modrm >> 3 & 7);
  const bool vector = is_vex(i.map) || is_evex(i.map);
  const unsigned length = vector ? (i.vector_length > 2 ? 2u : i.vector_length) : 0u;
  const unsigned form = 1u << ((i.w ? 3 : 0) + length);
  for (const Row& row : kRows) {
    if (row.map != i.map || i.opcode < row.first || i.opcode > row.last || (row.prefixes & prefix) == 0 ||
        (row.regs & reg) == 0 || (row.forms & form) == 0) {
      continue;
    }
    out->direction = row.direction;
    out->element = row.element;
    out->vsib = (row.flags & kVsib) != 0;
    if (row.bytes == kOperand) {
      out->bytes = i.w ? 8 : i.operand16 ? 2 : 4;
    } else if (row.bytes < 0) {
      out->bytes = static_cast<uint16_t>((16u << length) >> (-1 - row.bytes));
    } else {
      out->bytes = static_cast<uint16_t>(row.bytes);
    }
    if ((row.flags & kBroadcast) != 0 && i.broadcast) out->bytes = row.element;
    return true;
  }
  return false;
}

unsigned displacement_scale(const Instruction& i, const MemoryOperand& operand) {
  if (!is_evex(i.map) || i.displacement != 1) return 1;
  const bool packed_store = i.map == kEvex0F38 && i.pp == 1 &&
                            (i.opcode == 0x62 || i.opcode == 0x63 || (i.opcode >= 0x88 && i.opcode <= 0x8b));
  if (operand.vsib || packed_store) return operand.element;
  return operand.bytes == 0 ? 1 : operand.bytes;
}

}  // namespace gpuvm
