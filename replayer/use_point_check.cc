#include "replayer/use_point_check.h"

namespace gpuvm {

Reach UsePointCheck::reach(unsigned vm) const {
  const PartitionView& own = vms_.at(vm).partition;
  return {.vram_base = own.vram_base,
          .vram_bytes = own.vram_bytes,
          .system_base = own.bus_base,
          .system_bytes = own.ram_bytes};
}

void UsePointCheck::on_use(const UsePoint& use) {
  const Vm& vm = vms_.at(use.vm);
  ++vm.result->oracle_checks;
  const auto violation = oracle_.check(reach(use.vm), use.guest, use.shadow, may_lack(use.vm));
  if (!violation) return;
  ++vm.result->oracle_violations;
  Divergence d;
  d.what = "oracle";
  d.offset = violation->va;
  d.expected = violation->expected;
  d.got = violation->got;
  vm.report(d);
}

}  // namespace gpuvm
