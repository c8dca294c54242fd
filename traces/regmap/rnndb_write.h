// Register declarations as rnndb XML, for envytools and everything else that reads it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "traces/regmap/register.h"

namespace gpuvm::rnn {

struct FieldDeclaration {
  std::string_view name;
  unsigned low = 0;
  unsigned high = 0;
};

struct RegisterDeclaration {
  std::string_view
      name;  // "PMC.ID"; "[]" stands where the index goes, else it goes to the end: "PFIFO.CHAN_TABLE[].CHAN"
  uint64_t offset = 0;  // bytes
  uint64_t count = 1;
  uint64_t stride = 4;             // bytes between elements
  unsigned width = 32;             // bits: 8, 16, 32 or 64
  std::string_view access = "rw";  // "r", "w" or "rw"
  std::vector<FieldDeclaration> fields = {};
};

// Our own map's entries.
std::vector<RegisterDeclaration> declarations_of(std::span<const Register> registers);

// A database of one domain. Registers of one unit (the name up to its first '.') that follow each other share
// a stripe of that name, so that a reader prints the same dotted names.
std::string to_xml(std::span<const RegisterDeclaration> registers, std::string_view domain = "NV_MMIO",
                   uint64_t domain_size = 0x1000000);

}  // namespace gpuvm::rnn
