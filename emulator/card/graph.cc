#include "emulator/card/graph.h"

#include "emulator/mmu/fermi.h"

namespace gpuvm {
namespace {

using gf100::Reg;

constexpr uint32_t kDone = 1u << 31;         // CC_SCRATCH[0]: the firmware has finished
constexpr uint32_t kUcStart = 1u << 1;       // falcon UC_CTRL
constexpr uint32_t kFakeSwitch = 1u << 8;    // INTR_SET: a context switch request
constexpr uint32_t kPowerPending = 1u << 4;  // 0x404170: hardware clears it

}  // namespace

void attach_graph(RegisterFile& registers) {
  RegisterFile* r = &registers;
  r->on_write(Reg::kFecsUcCtrl, [r](unsigned, uint32_t value) {
    if ((value & kUcStart) == 0) return;
    r->poke(Reg::kFecsScratch, 0, r->peek(Reg::kFecsScratch, 0) | kDone);
    r->poke(Reg::kFecsScratch, 1, kGraphContextBytes);
  });
  r->on_write(Reg::kFecsScratchSet, [r](unsigned i, uint32_t value) {
    r->poke(Reg::kFecsScratch, i, r->peek(Reg::kFecsScratch, i) | value);
  });
  r->on_write(Reg::kFecsScratchClear, [r](unsigned i, uint32_t value) {
    r->poke(Reg::kFecsScratch, i, r->peek(Reg::kFecsScratch, i) & ~value);
  });
  r->on_write(Reg::kFecsWrcmd, [r](unsigned, uint32_t command) {
    if (command == gf100::kFecsSetChannel)
      r->poke(Reg::kFecsChanCur, r->peek(Reg::kFecsWrcmdData) | fermi::kInstanceValid.mask());
    r->poke(Reg::kFecsScratch, 0, r->peek(Reg::kFecsScratch, 0) | kDone);
  });
  r->on_write(Reg::kFecsIntrSet, [r](unsigned, uint32_t value) {
    if ((value & kFakeSwitch) == 0) return;
    r->poke(Reg::kFecsChanCur, r->peek(Reg::kFecsChanNext));
  });
  r->on_write(Reg::kPgraphPower,
              [r](unsigned, uint32_t value) { r->poke(Reg::kPgraphPower, value & ~kPowerPending); });
}

}  // namespace gpuvm
