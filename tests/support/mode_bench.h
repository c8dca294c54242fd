// Guests under any mode of the hypervisor, through the para-virtual rewriter where the mode asks for calls,
// with the oracle at every use point. What drivers would do goes through the guests' own devices.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "replayer/pv_rewriter.h"
#include "replayer/use_point_check.h"
#include "tests/support/space_user.h"
#include "tests/support/vm_bench.h"

namespace gpuvm::test {

class ModeBench : private UsePointObserver {
 public:
  // `batch`: of para-virtual calls; 0: the mode's.
  explicit ModeBench(Mode mode, uint32_t batch = 0) : policy(policy_of(mode)) {
    HypervisorConfig config = VmBench::config(mode, kVms);
    config.guest_ram_bytes = VmBench::kRam + pv::kSlotAreaBytes;
    std::vector<DmaPort*> ports;
    std::vector<InterruptSink*> sinks;
    for (unsigned vm = 0; vm < kVms; ++vm) {
      TestMachine& machine = machines.emplace_back(VmBench::kRam);
      ports.push_back(&slots_.emplace_back(machine, VmBench::kRam));
      sinks.push_back(&machine);
    }
    hv = std::make_unique<Hypervisor>(config, ports, sinks);
    results.resize(kVms);
    std::vector<UsePointCheck::Vm> watched;
    for (unsigned vm = 0; vm < kVms; ++vm) {
      watched.push_back({hv->partition(vm), &results[vm], [this](const Divergence& d) {
                           found.push_back(fmt::format(
                               "VM {} {}: va 0x{:x} should be 0x{:x} and is 0x{:x} (directory 0x{:x}, limit "
                               "0x{:x}, use {})",
                               use_.vm, describe(use_.user), d.offset, d.expected, d.got,
                               use_.guest.directory, use_.guest.limit, static_cast<int>(use_.kind)));
                         }});
    }
    check.emplace(hv->card().vram(), std::move(watched));
    hv->set_observer(this);
    for (unsigned vm = 0; vm < kVms; ++vm) {
      if (policy.para_virtual) {
        pv_guests_.push_back(std::make_unique<PvGuest>(hv->vm(vm), hv->card().vram(), slots_[vm],
                                                       batch != 0 ? batch : policy.batch));
      }
      reg(vm, 0x2254, 1u << 28 | VmBench::kUserdVa >> 12);
    }
  }

  PciDevice& device(unsigned vm) {
    return pv_guests_.empty() ? static_cast<PciDevice&>(hv->vm(vm)) : *pv_guests_[vm];
  }
  uint64_t pv_refused() const {
    uint64_t sum = 0;
    for (const auto& guest : pv_guests_) sum += guest->refused();
    return sum;
  }
  uint64_t calls(unsigned vm, PvOp op) const { return hv->meters(vm).hypercalls[static_cast<size_t>(op)]; }

  uint32_t reg(unsigned vm, uint32_t offset) {
    return static_cast<uint32_t>(device(vm).bar_read(0, offset, 4));
  }
  void reg(unsigned vm, uint32_t offset, uint32_t value) { device(vm).bar_write(0, offset, 4, value); }
  void store(unsigned vm, uint64_t address, uint64_t value, unsigned width = 8) {
    reg(vm, 0x1700, static_cast<uint32_t>(address >> 16));
    device(vm).bar_write(0, 0x700000 + (address & 0xffff), width, value);
  }
  void point(unsigned vm, uint64_t instance, uint64_t directory, uint64_t limit = 0xffffffffff) {
    store(vm, instance + 0x200, directory);
    store(vm, instance + 0x208, limit);
  }
  void bind(unsigned vm, unsigned chid, uint64_t instance) {
    reg(vm, 0x3000 + 8 * chid, 0xc0000000 | static_cast<uint32_t>(instance >> 12));
  }
  // Nothing: of all directories.
  void flush(unsigned vm, std::optional<uint64_t> directory, uint32_t type = 1) {
    check->flushed(vm, directory);
    if (directory) reg(vm, 0x100cb8, static_cast<uint32_t>(*directory >> 8));
    reg(vm, 0x100cbc, 0x80000000 | type | (directory ? 0 : 2));
  }
  void doorbell(unsigned vm, unsigned chid) {
    device(vm).bar_write(1, VmBench::kUserdVa + uint64_t{chid} * 0x1000 + 0x8c, 4, 0);
  }

  uint32_t card_reg(uint32_t offset) { return static_cast<uint32_t>(hv->card().bar_read(0, offset, 4)); }
  // What the card makes of an address of a channel.
  Translation walk(unsigned vm, unsigned chid, uint64_t va) {
    const uint32_t pointer = card_reg(0x3000 + 8 * (hv->partition(vm).first_channel + chid));
    return translate(
        hv->card().memory(),
        address_space_of(hv->card().memory(), Aperture::kVram, uint64_t{pointer & 0x0fffffff} << 12, {}), va);
  }

  static constexpr unsigned kVms = 2;
  const ModePolicy& policy;
  std::deque<TestMachine> machines;
  std::unique_ptr<Hypervisor> hv;
  std::vector<ModeResult> results;
  std::vector<std::string> found;  // by the oracle
  std::optional<UsePointCheck> check;

 private:
  void on_use(const UsePoint& use) override {
    use_ = use;
    check->on_use(use);
  }

  UsePoint use_;
  std::deque<PvSlotMemory> slots_;
  std::vector<std::unique_ptr<PvGuest>> pv_guests_;
};

}  // namespace gpuvm::test
