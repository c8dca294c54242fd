// Drives one device with one trace, comparing as it goes.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "emulator/pci/pci_device.h"
#include "replayer/replay_peer.h"
#include "traces/replay_result.h"

namespace gpuvm {

// What a hypervisor has counted so far; the bare card counts nothing.
struct MeterReading {
  BarCounts traps;
  uint64_t tlb_flushes = 0;
  ShadowWork shadow;
  std::map<std::string, uint64_t> hypercalls;
};

struct ModeReplayOptions {
  bool until_divergence = false;
  // The trace does not hold all that the device's answers follow from: they are not compared.
  bool only_count = false;
  std::function<MeterReading()> meters = {};     // empty: no hypervisor
  std::function<ShaderCounters()> shaders = {};  // of the card, for this trace's guest. May be empty
  // Told of every TLB flush before it is done: of a page directory's guest address, or of all. May be empty.
  std::function<void(std::optional<uint64_t> directory)> flushed = {};
  // Told of every event before the device sees it. May be empty.
  std::function<void(const Event&)> watch = {};
  // Asked after each piece of work that the device does between two events; an error ends the replay. May be
  // empty.
  std::function<Status()> within = {};
};

class ModeReplay {
 public:
  // The device's DMA and interrupts must go to `peer`. All outlive this.
  ModeReplay(PciDevice& device, TraceFeed& feed, ReplayPeer& peer, ModeResult& result,
             ReplayPeer::Report report, ModeReplayOptions options);

  // Replays one event. False: the end, or the first divergence if that is what was asked for.
  Result<bool> step();
  // Closes the last phase and takes the final counts.
  void finish();
  uint64_t events() const { return events_; }
  // Of the event in progress.
  uint64_t seq() const { return seq_; }
  uint64_t next_time_ns() { return feed_.next_time_ns(); }

 private:
  Status catch_up(uint64_t time_ns);
  // False: it is in no BAR of the card.
  bool count_access(const Event& event) {
    const bool in_a_bar = event.space < result_.accesses.bar.size();
    if (in_a_bar) {
      result_.accesses.add(event.space, event.kind == EventKind::kMmioWrite);
    } else {
      ++result_.accesses_elsewhere;
    }
    return in_a_bar;
  }
  void read_value(const TraceFeed::Item& item, uint64_t got);
  void digest(const TraceFeed::Item& item);
  void mark(std::string_view text, uint64_t time_ns);
  void note_flush(const Event& event);
  void close_phase(uint64_t time_ns);
  void diverge(const TraceFeed::Item& item, const char* what, uint64_t expected, uint64_t got);

  PciDevice& device_;
  TraceFeed& feed_;
  ReplayPeer& peer_;
  ModeResult& result_;
  ReplayPeer::Report report_;
  ModeReplayOptions options_;
  uint64_t events_ = 0;
  uint64_t seq_ = 0;
  uint64_t last_time_ns_ = 0;
  uint32_t flush_directory_ = 0;  // PFFB.VM_PD as last written
  bool diverged_ = false;

  // The phase in progress, and the counts at its start.
  std::string phase_ = "boot";
  uint64_t phase_start_ns_ = 0;
  BarCounts phase_accesses_;
  MeterReading phase_meters_;
  ShaderCounters phase_shaders_;
};

}  // namespace gpuvm
