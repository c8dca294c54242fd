// What kind of program a file is, by its first bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gpuvm {

enum class ProgramKind : uint8_t {
  kDynamic,       // 64-bit x86, with an interpreter (PT_INTERP): takes a preloaded library
  kStatic,        // 64-bit x86 without one
  kOtherMachine,  // ELF for something else, 32-bit x86 too
  kScript,        // "#!"
  kNotElf,
  kUnreadable,
};

// `head`: the file's first bytes, 4096 or all of it.
inline ProgramKind kind_of_program(const uint8_t* head, size_t bytes) {
  if (bytes >= 2 && head[0] == '#' && head[1] == '!') return ProgramKind::kScript;
  if (bytes < 64 || head[0] != 0x7f || head[1] != 'E' || head[2] != 'L' || head[3] != 'F')
    return ProgramKind::kNotElf;
  const unsigned machine = head[18] | head[19] << 8;
  if (head[4] != 2 || head[5] != 1 || machine != 62) return ProgramKind::kOtherMachine;
  uint64_t table = 0;
  for (int i = 7; i >= 0; --i) table = table << 8 | head[32 + i];
  const unsigned size = head[54] | head[55] << 8;
  const unsigned count = head[56] | head[57] << 8;
  for (unsigned i = 0; i < count; ++i) {
    const uint64_t at = table + uint64_t{i} * size;
    if (size < 56 || at > bytes || at + 4 > bytes) break;
    if (head[at] == 3 && head[at + 1] == 0 && head[at + 2] == 0 && head[at + 3] == 0)
      return ProgramKind::kDynamic;
  }
  return ProgramKind::kStatic;
}

}  // namespace gpuvm
