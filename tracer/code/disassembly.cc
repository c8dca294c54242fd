#include "tracer/code/disassembly.h"

#include <capstone/capstone.h>

#include <fmt/format.h>

namespace gpuvm {
namespace {

constexpr size_t kShownBytes = 8;

}  // namespace

struct Disassembler::State {
  csh handle = 0;
  cs_insn* instruction = nullptr;
  bool good = false;
};

Disassembler::Disassembler() : state_(std::make_unique<State>()) {
  state_->good = cs_open(CS_ARCH_X86, CS_MODE_64, &state_->handle) == CS_ERR_OK;
  if (state_->good) state_->instruction = cs_malloc(state_->handle);
}

Disassembler::~Disassembler() {
  if (!state_->good) return;
  cs_free(state_->instruction, 1);
  cs_close(&state_->handle);
}

std::string Disassembler::text(ByteSpan code, uint64_t address) {
  const uint8_t* at = code.data();
  size_t left = code.size();
  if (state_->good && cs_disasm_iter(state_->handle, &at, &left, &address, state_->instruction)) {
    std::string out = state_->instruction->mnemonic;
    if (state_->instruction->op_str[0] != 0) out += fmt::format(" {}", state_->instruction->op_str);
    return out;
  }
  std::string out = "(";
  for (size_t i = 0; i < std::min(code.size(), kShownBytes); ++i)
    out += fmt::format("{}{:02x}", i == 0 ? "" : " ", code[i]);
  return out + (code.size() > kShownBytes ? " ...)" : ")");
}

}  // namespace gpuvm
