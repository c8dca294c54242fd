#include "emulator/shader/executor.h"

#include <algorithm>

#include <fmt/format.h>

namespace gpuvm::shader {
namespace {

constexpr uint64_t kLine = GlobalMemory::kLineBytes;

constexpr bool is_double(const Instruction& i) {
  return (i.word & 0xf) == 1;
}

}  // namespace

ConstantCache::ConstantCache(const Launch& launch, GlobalMemory& memory) : memory_(memory) {
  for (unsigned i = 0; i < kConstantBanks; ++i) banks_[i].place = launch.constants[i];
}

std::optional<uint32_t> ConstantCache::read(unsigned index, uint32_t offset) {
  Bank& bank = banks_[index];
  const uint32_t size = std::min(bank.place.bytes, kBankBytes);
  offset &= ~3u;
  if (!bank.place.bound || offset >= size) return 0;
  if (bank.bytes.empty()) {
    bank.bytes.resize(kBankBytes);
    bank.present.resize(kBankBytes / kLine);
  }
  const uint32_t line = static_cast<uint32_t>(offset / kLine);
  if (!bank.present[line]) {
    // A bank may start anywhere: a line of it is then in two of memory.
    auto at = static_cast<uint32_t>(line * kLine);
    const uint32_t end = std::min<uint32_t>(at + kLine, size);
    while (at < end) {
      const uint64_t va = bank.place.address + at;
      const auto bytes = static_cast<uint32_t>(std::min<uint64_t>(end - at, kLine - va % kLine));
      if (!memory_.read(va, std::span(bank.bytes).subspan(at, bytes))) return std::nullopt;
      at += bytes;
    }
    bank.present[line] = true;
  }
  uint32_t value = 0;
  std::memcpy(&value, &bank.bytes[offset], 4);
  return value;
}

const Lanes& Executor::operand(Instruction::Kind kind, unsigned index, const Instruction& i, Lanes& copy,
                               uint32_t more) {
  switch (kind) {
    case Instruction::Kind::kConstant: {
      const auto value = constants.read(i.bank, i.offset + more);
      if (!value) fail(Trap::Kind::kMemory, launch.constants[i.bank].address + i.offset);
      copy.fill(value.value_or(0));
      return copy;
    }
    case Instruction::Kind::kImmediate:
      copy.fill(is_double(i) ? 0 : i.immediate);
      return copy;
    default:
      return warp().reg(index);
  }
}

const Lanes& Executor::high(Instruction::Kind kind, unsigned index, const Instruction& i, Lanes& copy) {
  switch (kind) {
    case Instruction::Kind::kConstant:
      return operand(kind, index, i, copy, 4);
    case Instruction::Kind::kImmediate:
      copy.fill(i.immediate);
      return copy;
    default:
      return pair_high(index);
  }
}

std::string to_text(const Trap& trap) {
  switch (trap.kind) {
    case Trap::Kind::kIllegalInstruction:
      return fmt::format("illegal instruction {:016x} at {:#x}", trap.word, trap.pc);
    case Trap::Kind::kMemory:
      return fmt::format("fault at address {:#x} ({}) of the instruction at {:#x}", trap.address,
                         trap.write ? "write" : "read", trap.pc);
    case Trap::Kind::kMisaligned:
      return fmt::format("misaligned address {:#x} of the instruction at {:#x}", trap.address, trap.pc);
    case Trap::Kind::kStackOverflow:
      return fmt::format("the control stack is full at {:#x}", trap.pc);
    case Trap::Kind::kLimit:
      return "the launch asks for more than the card has";
  }
  return "";
}

}  // namespace gpuvm::shader
