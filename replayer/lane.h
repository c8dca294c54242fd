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

  const TraceMeta& meta() const { return reader_->meta(); }
  // The other machines of the trace's schedule are not there, so it cannot be repeated: the trace is only
  // counted. To be said before guest().
  void lacks_its_schedule() { lacks_its_schedule_ = true; }
  // What the machine must be built on for this lane: the card of the trace; DMA and interrupts come here.
  // `para_virtual`: with room for the arguments of calls behind the guest's memory. A trace that lacks what
  // the device's answers follow from is only counted from now on, unless `compare_all`. Errors: the emulator
  // does not model that card.
  Result<MachineGuest> guest(bool para_virtual, bool compare_all);
  // Puts the driver of a para-virtual mode between the trace and its virtual GPU. `batch`: as PvGuest's.
  void rewrite_for(Hypervisor& hypervisor, uint32_t batch);
  // From now on the trace drives its guest of the machine, unless a rewritten driver stands before it. The
  // card may come to fill so many bytes of video memory. Of `options`, the lane sets what it knows itself.
  void connect(Machine& machine, uint64_t most_vram_bytes, ModeReplayOptions options);

  // Valid once connected.
  ModeReplay& replay() { return *replay_; }
  // ModeReplay::step(). Errors: also, that too much video memory was filled.
  Result<bool> step() {
    GPUVM_TRY(const bool more, replay_->step());
    if (vram_->resident_bytes() > most_vram_bytes_) [[unlikely]]
      return too_much_vram();
    return more;
  }
  uint64_t trace_events() const { return reader_->summary().events; }
  ModeResult& result() { return result_; }
  void report(Divergence d);

 private:
  Error too_much_vram() const;
  bool only_counted() const { return !result_.not_recorded.empty(); }
  Lane(std::unique_ptr<TraceReader> reader, unsigned vm, std::vector<Divergence>& divergences);

  const unsigned vm_;
  std::vector<Divergence>& divergences_;
  size_t reported_ = 0;
  bool lacks_its_schedule_ = false;
  ModeResult result_;
  std::unique_ptr<TraceReader> reader_;
  TraceFeed feed_;
  ReplayPeer peer_;
  std::optional<PvSlotMemory> slots_;
  std::optional<PvGuest> driver_;
  const Vram* vram_ = nullptr;
  uint64_t most_vram_bytes_ = 0;
  std::unique_ptr<ModeReplay> replay_;
};

}  // namespace gpuvm
