#include "replayer/use_point_check.h"

namespace gpuvm {

void UsePointCheck::on_use(const UsePoint& use) {
  const Vm& vm = vms_.at(use.vm);
  const Reach reach{.vram_base = vm.partition.vram_base,
                    .vram_bytes = vm.partition.vram_bytes,
                    .system_base = vm.partition.bus_base,
                    .system_bytes = vm.partition.ram_bytes};
  ++vm.result->oracle_checks;
  const auto violation = oracle_.check(reach, use.guest, use.shadow);
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
