#include "replayer/machine.h"

#include "emulator/hypervisor/hypervisor.h"
#include "replayer/oracle.h"

namespace gpuvm {
namespace {

std::map<uint32_t, uint64_t> unknown_in(const RegisterFile& registers) {
  std::map<uint32_t, uint64_t> unknown;
  for (const auto& [offset, count] : registers.unknown()) unknown[offset] = count.reads + count.writes;
  return unknown;
}

class BareCards : public Machine {
 public:
  explicit BareCards(const std::vector<MachineVm>& vms) {
    for (const MachineVm& vm : vms) cards_.push_back(std::make_unique<Card>(vm.card, *vm.dma, *vm.interrupts));
  }
  PciDevice& device(unsigned vm) override { return *cards_[vm]; }
  bool counts() const override { return false; }
  MeterReading meters(unsigned) const override { return {}; }
  std::map<uint32_t, uint64_t> unknown_registers(unsigned vm) const override {
    return unknown_in(cards_[vm]->registers());
  }

 private:
  std::vector<std::unique_ptr<Card>> cards_;
};

// Asks the oracle at every use point.
class OracleObserver : public UsePointObserver {
 public:
  OracleObserver(Hypervisor& hypervisor, const std::vector<MachineVm>& vms)
      : hypervisor_(hypervisor), vms_(vms), oracle_(hypervisor.card().vram()) {}
  void on_use(const UsePoint& use) override {
    const PartitionView& p = hypervisor_.partition(use.vm);
    const Reach reach{p.vram_base, p.vram_bytes, p.bus_base, p.ram_bytes};
    ModeResult& result = *vms_[use.vm].result;
    ++result.oracle_checks;
    const auto violation = oracle_.check(reach, use.guest, use.shadow);
    if (!violation) return;
    ++result.oracle_violations;
    Divergence d;
    d.what = "oracle";
    d.offset = violation->va;
    d.expected = violation->expected;
    d.got = violation->got;
    vms_[use.vm].report(d);
  }

 private:
  Hypervisor& hypervisor_;
  const std::vector<MachineVm>& vms_;
  Oracle oracle_;
};

class Virtualised : public Machine {
 public:
  Virtualised(const HypervisorConfig& config, const std::vector<MachineVm>& vms)
      : vms_(vms),
        hypervisor_(config, pointers<DmaPort>(vms, &MachineVm::dma), pointers<InterruptSink>(vms, &MachineVm::interrupts)),
        observer_(hypervisor_, vms_) {
    hypervisor_.set_observer(&observer_);
  }
  PciDevice& device(unsigned vm) override { return hypervisor_.vm(vm); }
  bool counts() const override { return true; }
  MeterReading meters(unsigned vm) const override {
    const Meters& m = hypervisor_.meters(vm);
    MeterReading reading{.traps = m.traps, .tlb_flushes = m.tlb_flushes, .shadow = m.shadow, .hypercalls = {}};
    for (unsigned op = 0; op < kPvOps; ++op) {
      if (m.hypercalls[op] != 0) reading.hypercalls[std::string(kPvOpNames[op])] = m.hypercalls[op];
    }
    return reading;
  }
  std::map<uint32_t, uint64_t> unknown_registers(unsigned vm) const override {
    return unknown_in(const_cast<Hypervisor&>(hypervisor_).vm(vm).registers());
  }

 private:
  template <typename T>
  static std::vector<T*> pointers(const std::vector<MachineVm>& vms, T* MachineVm::*member) {
    std::vector<T*> out;
    for (const MachineVm& vm : vms) out.push_back(vm.*member);
    return out;
  }
  std::vector<MachineVm> vms_;
  Hypervisor hypervisor_;
  OracleObserver observer_;
};

}  // namespace

Result<std::unique_ptr<Machine>> make_machine(const std::string& name, const std::vector<MachineVm>& vms) {
  GPUVM_TRY(const Mode mode, mode_from_name(name));
  if (mode != Mode::kPassthrough) {
    HypervisorConfig config;
    config.mode = mode;
    config.vms = static_cast<unsigned>(vms.size());
    config.guest = vms[0].card;
    GPUVM_TRY_STATUS(check(config));
    return std::unique_ptr<Machine>(std::make_unique<Virtualised>(config, vms));
  }
  return std::unique_ptr<Machine>(std::make_unique<BareCards>(vms));
}

Result<std::vector<std::string>> expand_modes(const std::vector<std::string>& names) {
  std::vector<std::string> modes;
  for (const std::string& name : names) {
    if (name == "all") {
      for (const ModePolicy& m : all_modes()) modes.emplace_back(m.name);
    } else {
      GPUVM_TRY(const Mode mode, mode_from_name(name));
      modes.emplace_back(policy_of(mode).name);
    }
  }
  return modes;
}

}  // namespace gpuvm
