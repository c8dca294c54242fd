// One instruction as text.
#pragma once

#include <memory>
#include <string>

#include "traces/core/bytes.h"

namespace gpuvm {

class Disassembler {
 public:
  Disassembler();
  Disassembler(const Disassembler&) = delete;
  Disassembler& operator=(const Disassembler&) = delete;
  ~Disassembler();

  // x86-64, Intel syntax: "mov dword ptr [rax + 0x40], edi"; what the disassembler does not know is given as
  // its bytes, "(62 f1 7c ...)".
  std::string text(ByteSpan code, uint64_t address);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gpuvm
