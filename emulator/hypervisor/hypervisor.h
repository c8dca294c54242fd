// GPUvm: several virtual GPUs on one card.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "emulator/hypervisor/submission_queue.h"
#include "emulator/hypervisor/virtual_gpu.h"

namespace gpuvm {

struct HypervisorConfig {
  Mode mode = Mode::kNaive;
  TranslationPolicy translation = TranslationPolicy::kStrict;
  unsigned vms = 1;
  unsigned first_slot =
      1;             // VM i gets slot first_slot + i; above 0 a forgotten translation shows even with one VM
  CardConfig guest;  // what each guest sees
  // A VM: for shadow tables. 120 of the largest, for 15 GiB of addresses; more, and rebuilding them all,
  // which a guest may ask for in one access, would keep others waiting for too long.
  uint64_t reserve_bytes = uint64_t{32} << 20;
  // Who of them gets the card; checked(). None, or direct: doorbells reach it at once, and work takes no
  // time.
  std::optional<SchedulerOptions> scheduler = {};
  uint64_t guest_ram_bytes = uint64_t{1}
                             << kBusSlotShift;  // guest frames end here; the VM's DmaPort refuses, too
};
// Errors: more VMs than the card's channels or addresses allow.
Status check(const HypervisorConfig& config);

class Hypervisor : private ChannelEvents {
 public:
  // check(config) must hold. One DMA port and one interrupt sink a VM; they outlive this.
  Hypervisor(const HypervisorConfig& config, std::span<DmaPort* const> guest_memory,
             std::span<InterruptSink* const> guest_interrupts);
  ~Hypervisor() override;

  unsigned vms() const { return static_cast<unsigned>(vms_.size()); }
  VirtualGpu& vm(unsigned i) { return *vms_[i]; }
  const Meters& meters(unsigned i) const { return vms_[i]->meters(); }
  const PartitionView& partition(unsigned i) const { return vms_[i]->partition().view(); }
  Card& card() { return card_; }
  const ModePolicy& mode() const { return host_.mode; }
  // nullptr: there is no scheduler.
  const SubmissionQueue* submissions() const { return submissions_.get(); }
  void set_observer(UsePointObserver* observer) { host_.observer = observer; }

  // The VM leaves: nothing of it stays on the card, and its memory is cleared (the reference policy does not,
  // S15).
  void teardown(unsigned i);
  // A new guest takes the place of one that left, while others run.
  void arrive(unsigned i);

  // Where the guest's BAR3 is in the card's: what remapping makes direct.
  uint64_t bar3_arena(unsigned i) const;

 private:
  class Bus;
  class NoInterrupts;

  void nonstall(unsigned chid) override;
  void runlist_done() override;
  void mmu_fault(const ChannelFault& fault) override;
  VirtualGpu* owner(unsigned chid, unsigned* guest_chid);
  uint64_t reserve(uint64_t pages);
  void set_up_card();
  void set_up_scheduler();

  HypervisorConfig config_;
  unsigned channels_per_vm_;
  std::unique_ptr<Bus> bus_;
  std::unique_ptr<NoInterrupts> no_interrupts_;
  Card card_;
  PageAllocator pages_;  // of the hypervisor itself
  Host host_;
  std::unique_ptr<Runlist> runlist_;
  std::unique_ptr<SubmissionQueue> submissions_;  // outlives the machines that it serves
  std::vector<std::unique_ptr<VirtualGpu>> vms_;
};

}  // namespace gpuvm
