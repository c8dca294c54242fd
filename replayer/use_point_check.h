// Lets the oracle look at every use point of a hypervisor, and reports what it finds.
#pragma once

#include <vector>

#include "emulator/hypervisor/partition.h"
#include "emulator/hypervisor/use_point.h"
#include "replayer/oracle.h"
#include "replayer/replay_peer.h"
#include "traces/replay_result.h"

namespace gpuvm {

class UsePointCheck : public UsePointObserver {
 public:
  struct Vm {
    PartitionView partition;
    ModeResult* result = nullptr;
    ReplayPeer::Report report;
  };
  UsePointCheck(const Vram& vram, std::vector<Vm> vms) : oracle_(vram), vms_(std::move(vms)) {}

  void on_use(const UsePoint& use) override;
  // The guest's flush, as the trace has it: the hypervisor is not asked.
  void flushed(unsigned vm, std::optional<uint64_t> directory) { oracle_.flushed(reach(vm), directory); }

 protected:
  // Is it known that the guest's shadows may lack tables (Oracle::check)? In a replay that would be a
  // finding.
  virtual bool may_lack(unsigned) const { return false; }

 private:
  Reach reach(unsigned vm) const;

  Oracle oracle_;
  std::vector<Vm> vms_;
};

}  // namespace gpuvm
