// The register table itself, for what has to be known of it when the code is compiled: fields by name. Where
// a register's place is enough, gf100.h is, too.
#pragma once

#include "traces/regmap/gf100.h"

namespace gpuvm::gf100 {

inline constexpr Register kRegisters[] = {
#define GPUVM_REGISTER(id, ...) Register{__VA_ARGS__},
#include "traces/regmap/gf100_registers.inc"
#undef GPUVM_REGISTER
};
static_assert(std::size(kRegisters) == static_cast<size_t>(Reg::kCount));

// A field of a register: field(Reg::kPfifoIntr, "VM_FAULT"). A name that the map does not have does not
// compile.
consteval Field field(Reg reg, std::string_view name) {
  for (const Field& f : kRegisters[static_cast<size_t>(reg)].fields) {
    if (!name.empty() && f.name == name) return f;
  }
  throw "the register map names no such field of the register";
}

// What the context switcher (FECS) is told to do through PGRAPH.CTXCTL.WRCMD_CMD.
inline constexpr uint32_t kFecsSetChannel = 1;
// Commands whose data is an instance pointer: set the channel; load its context; save it (nouveau
// engine/gr/gf100.c: grctx_generate with the built-in firmware, bind_pointer, wfi_golden_save). 2 is what
// nouveau sent before it had those.
constexpr bool fecs_takes_instance(uint32_t command) {
  return command == kFecsSetChannel || command == 2 || command == 3 || command == 9;
}

}  // namespace gpuvm::gf100
