#include "replayer/machine.h"

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

}  // namespace

Result<std::unique_ptr<Machine>> make_machine(const std::string&, const std::vector<MachineVm>& vms) {
  return std::unique_ptr<Machine>(std::make_unique<BareCards>(vms));
}

Result<std::vector<std::string>> expand_modes(const std::vector<std::string>& names) {
  std::vector<std::string> modes;
  for (const std::string& name : names) {
    if (name == "all") {
      modes.push_back("passthrough");
    } else if (name == "passthrough") {
      modes.push_back(name);
    } else {
      return error("there is no mode '{}'; try --mode all", name);
    }
  }
  return modes;
}

}  // namespace gpuvm
