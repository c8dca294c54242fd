#include "emulator/shader/disassembler.h"

#include <fmt/format.h>

namespace gpuvm::shader {
namespace {

std::string reg(unsigned index) {
  return index == kZeroRegister ? "RZ" : fmt::format("R{}", index);
}

std::string operand(Instruction::Kind kind, unsigned index, const Instruction& i) {
  switch (kind) {
    case Instruction::Kind::kConstant:
      return fmt::format("c[{:#x}][{:#x}]", i.bank, i.offset);
    case Instruction::Kind::kImmediate:
      return fmt::format("{:#x}", i.immediate);
    default:
      return reg(index);
  }
}

}  // namespace

std::string disassemble(uint64_t word, uint32_t pc) {
  const Instruction i = decode(word);
  if (i.opcode == nullptr) return fmt::format("ILLEGAL {:016x}", word);
  std::string text;
  if (i.predicate_not || i.predicate != kTruePredicate) {
    text = fmt::format("@{}P{} ", i.predicate_not ? "!" : "", i.predicate);
  }
  text += i.opcode->name;
  if (i.join) text += ".S";
  switch (i.opcode->form) {
    case Form::kAbc:
      text += fmt::format(" {}, {}, {}, {}", reg(i.destination), reg(i.a), operand(i.b_kind, i.b, i),
                          operand(i.c_kind, i.c, i));
      break;
    case Form::kB:
      text += fmt::format(" {}, {}", reg(i.destination), operand(i.b_kind, i.b, i));
      break;
    case Form::kLong:
      text += fmt::format(" {}, {}, {:#x}", reg(i.destination), reg(i.a), i.immediate);
      break;
    case Form::kMemory:
      text += fmt::format(" {}, [{}{:+#x}]", reg(i.destination), reg(i.a),
                          static_cast<int32_t>(bits(word, 26, 24) << 8) >> 8);
      break;
    case Form::kFlow:
      text += fmt::format(" {:#x}", pc + kInstructionBytes + static_cast<uint32_t>(branch_offset(word)));
      break;
    case Form::kNone:
      break;
    case Form::kOther:
      text += fmt::format(" {}, {}", reg(i.destination), reg(i.a));
      break;
  }
  return text;
}

}  // namespace gpuvm::shader
