// Every instruction in the text of this system's libraries, by our decoder and by Zydis: length, and
// direction, size and displacement of the memory operand. Exit status 1 above the bound.
#include <Zydis/Zydis.h>
#include <elf.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "tracer/process/decode/instruction.h"

namespace {

using gpuvm::Instruction;
using gpuvm::MemoryOperand;

constexpr size_t kMostBytes = 12 << 20;  // of one library
// Data in the text, and instructions that programs cannot use, differ: one in this many memory instructions.
constexpr uint64_t kOneIn = 10'000;

struct Counts {
  uint64_t instructions = 0, memory = 0, different = 0, foreign = 0;
  std::map<std::string, uint64_t> kinds;
};

std::vector<uint8_t> text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<uint8_t> file((std::istreambuf_iterator<char>(in)), {});
  if (file.size() < sizeof(Elf64_Ehdr) || std::memcmp(file.data(), ELFMAG, SELFMAG) != 0) return {};
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(file.data());
  const auto* sections = reinterpret_cast<const Elf64_Shdr*>(file.data() + header->e_shoff);
  if (header->e_shoff + header->e_shnum * sizeof(Elf64_Shdr) > file.size()) return {};
  const auto& names = sections[header->e_shstrndx];
  for (unsigned i = 0; i < header->e_shnum; ++i) {
    const auto& s = sections[i];
    if (s.sh_type != SHT_PROGBITS ||
        std::strcmp(reinterpret_cast<const char*>(file.data() + names.sh_offset + s.sh_name), ".text") != 0)
      continue;
    const size_t bytes = std::min<size_t>(s.sh_size, kMostBytes);
    return {file.begin() + static_cast<long>(s.sh_offset),
            file.begin() + static_cast<long>(s.sh_offset + bytes)};
  }
  return {};
}

// Empty: the same.
std::string compare(const uint8_t* at, const ZydisDecodedInstruction& in,
                    const ZydisDecodedOperand* operands) {
  Instruction ours;
  if (!gpuvm::decode_instruction(at, in.length, &ours)) return "not decoded";
  if (ours.length != in.length) return "length";
  const ZydisDecodedOperand* memory = nullptr;
  for (unsigned i = 0; i < in.operand_count; ++i) {
    if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
        operands[i].encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM)
      memory = &operands[i];
  }
  const bool faults = memory != nullptr && memory->mem.type != ZYDIS_MEMOP_TYPE_AGEN &&
                      memory->mem.type != ZYDIS_MEMOP_TYPE_MIB && in.meta.category != ZYDIS_CATEGORY_NOP &&
                      in.meta.category != ZYDIS_CATEGORY_WIDENOP &&
                      in.meta.category != ZYDIS_CATEGORY_PREFETCH;
  MemoryOperand operand;
  const bool known = gpuvm::find_memory_operand(ours, &operand);
  if (!faults) return known && in.mnemonic != ZYDIS_MNEMONIC_CLDEMOTE ? "no memory operand" : "";
  if (!known) return "memory operand missed";
  unsigned direction = 0;
  if ((memory->actions & (ZYDIS_OPERAND_ACTION_READ | ZYDIS_OPERAND_ACTION_CONDREAD)) != 0) direction |= 1;
  if ((memory->actions & (ZYDIS_OPERAND_ACTION_WRITE | ZYDIS_OPERAND_ACTION_CONDWRITE)) != 0) direction |= 2;
  if (direction != operand.direction) return "direction";
  if (memory->size / 8 != operand.bytes) return "size";
  const auto scaled = static_cast<int64_t>(ours.offset) * gpuvm::displacement_scale(ours, operand);
  if (memory->mem.disp.has_displacement && memory->mem.base != ZYDIS_REGISTER_RIP &&
      memory->mem.disp.value != scaled)
    return "displacement";
  return "";
}

void run(const std::string& path, Counts* counts) {
  const std::vector<uint8_t> text = text_of(path);
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  for (size_t at = 0; at < text.size();) {
    ZydisDecodedInstruction in;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, text.data() + at, text.size() - at, &in, operands))) {
      ++at;
      continue;
    }
    ++counts->instructions;
    // AMD's XOP and 3DNow! and the first Xeon Phi's MVEX: we do not know them, and refuse them on traced
    // memory.
    if (in.encoding == ZYDIS_INSTRUCTION_ENCODING_XOP || in.encoding == ZYDIS_INSTRUCTION_ENCODING_3DNOW ||
        in.encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX) {
      ++counts->foreign;
      at += in.length;
      continue;
    }
    for (unsigned i = 0; i < in.operand_count; ++i) {
      if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY) {
        ++counts->memory;
        break;
      }
    }
    const std::string why = compare(text.data() + at, in, operands);
    if (!why.empty()) {
      ++counts->different;
      ++counts->kinds[std::string(ZydisMnemonicGetString(in.mnemonic)) + ": " + why];
    }
    at += in.length;
  }
}

}  // namespace

int main() {
  Counts counts;
  const std::string folder = "/usr/lib/x86_64-linux-gnu/";
  for (const char* name :
       {"libc.so.6", "libm.so.6", "libcrypto.so.3", "libstdc++.so.6", "libzstd.so.1", "libgnutls.so.30"}) {
    run(folder + name, &counts);
  }
  std::printf("%llu instructions, %llu of foreign encodings, %llu with memory, %llu different\n",
              static_cast<unsigned long long>(counts.instructions),
              static_cast<unsigned long long>(counts.foreign), static_cast<unsigned long long>(counts.memory),
              static_cast<unsigned long long>(counts.different));
  for (const auto& [kind, times] : counts.kinds)
    std::printf("%8llu %s\n", static_cast<unsigned long long>(times), kind.c_str());
  if (counts.memory < 100'000) std::printf("too few instructions: where are the libraries?\n");
  return counts.memory >= 100'000 && counts.different * kOneIn <= counts.memory ? 0 : 1;
}
