// One trace of a replay, and all that it needs around the device that it drives.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emulator/hypervisor/machine.h"
#include "replayer/mode_replay.h"
#include "replayer/pv_rewriter.h"
#include "traces/format/gvt.h"

namespace gpuvm {

class Lane {
 public:
  // The first kMaxDivergences of the lane go to `divergences`, which outlives it. Errors: the trace cannot be
  // read.
  static Result<std::unique_ptr<Lane>> open(const std::string& path, std::string_view mode, unsigned vm,
                                            std::vector<Divergence>& divergences);
  Lane(const Lane&) = delete;

  // What the machine must be built on for this lane: the card of the trace; DMA and interrupts come here.
  // `para_virtual`: with room for the arguments of calls behind the guest's memory. A trace that lacks what
  // the device's answers follow from is only counted from now on, unless `compare_all`. Errors: the emulator
  // does not model that card.
  Result<MachineGuest> guest(bool para_virtual, bool compare_all);
  // Puts the driver of a para-virtual mode between the trace and its virtual GPU. `batch`: as PvGuest's.
  void rewrite_for(Hypervisor& hypervisor, uint32_t batch);
  // From now on `device` is what the trace drives, unless a rewritten driver stands before it.
  void connect(PciDevice& device, ModeReplayOptions options);

  // Valid once connected.
  ModeReplay& replay() { return *replay_; }
  // Whether the machine's video memory, of all its guests, is within so many bytes. Errors: it is not, by
  // what this lane has just done.
  Status within_vram(const Machine& machine, uint64_t most_bytes) const {
    return machine.vram_resident_bytes() <= most_bytes ? Status(Ok{}) : too_much_vram(most_bytes);
  }
  uint64_t trace_events() const { return reader_->summary().events; }
  ModeResult& result() { return result_; }
  void report(Divergence d);

 private:
  Status too_much_vram(uint64_t most_bytes) const;
  bool only_counted() const { return !result_.not_recorded.empty(); }
  Lane(std::unique_ptr<TraceReader> reader, unsigned vm, std::vector<Divergence>& divergences);

  const unsigned vm_;
  std::vector<Divergence>& divergences_;
  size_t reported_ = 0;
  ModeResult result_;
  std::unique_ptr<TraceReader> reader_;
  TraceFeed feed_;
  ReplayPeer peer_;
  std::optional<PvSlotMemory> slots_;
  std::optional<PvGuest> driver_;
  std::optional<ModeReplay> replay_;
};

}  // namespace gpuvm
