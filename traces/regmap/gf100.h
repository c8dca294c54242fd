// The GF100's registers. Sources: envytools rnndb (names, fields), nouveau's nvkm (values a driver needs).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "traces/regmap/register.h"

namespace gpuvm::gf100 {

enum class Reg : uint16_t {
#define GPUVM_REGISTER(id, ...) k##id,
#include "traces/regmap/gf100_registers.inc"
#undef GPUVM_REGISTER
  kCount
};

inline constexpr std::string_view kChip = "GF100";  // as DeviceInfo::chip says it
inline constexpr uint32_t kBar0Bytes = 32u << 20;
inline constexpr uint32_t kMappedBytes = 16u << 20;  // no register lies above
inline constexpr uint16_t kNoRegister = 0xffff;

// BAR0 offset of a register, of an array its first element's.
constexpr uint32_t offset_of(Reg reg) {
  constexpr uint32_t kOffsets[] = {
#define GPUVM_REGISTER(id, name, offset, ...) offset,
#include "traces/regmap/gf100_registers.inc"
#undef GPUVM_REGISTER
  };
  return kOffsets[static_cast<size_t>(reg)];
}

// The window onto video memory; every NVIDIA chip from NV50 on has it there.
inline constexpr uint32_t kPraminOffset = offset_of(Reg::kPramin);
inline constexpr uint32_t kPraminBytes = 1u << 20;
constexpr bool in_pramin(uint64_t bar0_offset) {
  return bar0_offset - kPraminOffset < kPraminBytes;
}

std::span<const Register> registers();
const Register& describe(Reg reg);
// BAR0 offset of an element.
uint32_t offset_of(Reg reg, unsigned index);

struct Element {
  uint16_t reg = kNoRegister;  // index into registers()
  uint32_t index = 0;          // which element of an array
  bool known() const { return reg != kNoRegister; }
};

// Finds the register that holds a BAR0 word in constant time.
class RegisterIndex {
 public:
  RegisterIndex();
  // The process-wide instance: immutable, so that it can be shared by every card.
  static const RegisterIndex& shared();

  uint16_t find_register(uint32_t offset) const {
    if (offset >= kMappedBytes) return kNoRegister;
    const uint32_t page = pages_[offset >> 12];
    if (page & kUniform) return static_cast<uint16_t>(page);
    return words_[page + ((offset & 0xfff) >> 2)];
  }
  Element find(uint32_t offset) const;

 private:
  static constexpr uint32_t kUniform = 0x80000000;  // the whole page belongs to the register in bits 15:0
  std::vector<uint32_t> pages_;
  std::vector<uint16_t> words_;
};

// "PFIFO.CHAN_TABLE[5].CHAN"; empty when the map does not name the word.
std::string name_of(uint32_t offset);
// "{ ADDRESS = 0x123 | TARGET = 0x0 }" or plain hex for a register without fields.
std::string decode(uint32_t offset, uint32_t value);

}  // namespace gpuvm::gf100
