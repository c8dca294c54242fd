#include "replayer/replay.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "emulator/hypervisor/machine.h"
#include "replayer/mode_replay.h"
#include "replayer/pv_rewriter.h"
#include "replayer/use_point_check.h"
#include "traces/format/gvt.h"

namespace gpuvm {
namespace {

static_assert(kMaxPvBatch == (pv::kSlotBytes - 16) / 8);

// One trace and all that its replay needs beside the device.
struct Lane {
  std::unique_ptr<TraceReader> reader;
  std::unique_ptr<TraceFeed> feed;
  ModeResult result;
  std::unique_ptr<ReplayPeer> peer;
  std::unique_ptr<ModeReplay> replay;
  ReplayPeer::Report report;
  size_t reported = 0;
};

MeterReading reading(const Meters& meters) {
  MeterReading r{
      .traps = meters.traps, .tlb_flushes = meters.tlb_flushes, .shadow = meters.shadow, .hypercalls = {}};
  for (unsigned op = 0; op < kPvOps; ++op) {
    if (meters.hypercalls[op] != 0) r.hypercalls[std::string(kPvOpNames[op])] = meters.hypercalls[op];
  }
  return r;
}

constexpr uint64_t kMostFermiVram = uint64_t{6} << 30;

// What the trace does not hold though the card's answers follow from it: what its recorder cannot see, and,
// of a sibling of the card that is modelled, the units that are not the same.
std::vector<std::string> not_recorded(const TraceMeta& meta) {
  std::vector<std::string> names = meta.not_recorded;
  if (meta.device.chip != "GF100") names.push_back(fmt::format("engines of {}", meta.device.chip));
  return names;
}

// The names, or all of them for "all".
Result<std::vector<Mode>> chosen_modes(const std::vector<std::string>& names) {
  std::vector<Mode> modes;
  for (const std::string& name : names) {
    if (name == "all") {
      for (const ModePolicy& policy : all_modes()) modes.push_back(policy.mode);
      continue;
    }
    GPUVM_TRY(const Mode mode, mode_from_name(name));
    modes.push_back(mode);
  }
  return modes;
}

Result<std::vector<std::unique_ptr<Lane>>> open_lanes(const std::vector<std::string>& paths) {
  std::vector<std::unique_ptr<Lane>> lanes;
  for (const std::string& path : paths) {
    auto lane = std::make_unique<Lane>();
    GPUVM_TRY(lane->reader, TraceReader::open(path));
    lane->result.trace = path;
    lane->feed = std::make_unique<TraceFeed>(*lane->reader);
    lanes.push_back(std::move(lane));
  }
  return lanes;
}

// Puts the slots for para-virtual calls behind the guest's memory.
std::unique_ptr<PvSlotMemory> add_slots(MachineGuest& guest) {
  constexpr uint64_t kMost = uint64_t{1} << kBusSlotShift;
  const uint64_t end = guest.ram_bytes == 0 ? kMost : std::min(guest.ram_bytes + pv::kSlotAreaBytes, kMost);
  const uint64_t base = (end - pv::kSlotAreaBytes) & ~uint64_t{0xfff};
  auto slots = std::make_unique<PvSlotMemory>(*guest.dma, base);
  guest.ram_bytes = end;
  guest.dma = slots.get();
  return slots;
}

// The lanes that are not at their ends. When each goes on is kept side by side, because it is compared before
// every event.
struct Running {
  std::vector<Lane*> lanes;
  std::vector<uint64_t> next_ns;  // of each one's next event

  void add(Lane* lane) {
    lanes.push_back(lane);
    next_ns.push_back(lane->replay->next_time_ns());
  }
  void erase(size_t i) {
    lanes.erase(lanes.begin() + static_cast<ptrdiff_t>(i));
    next_ns.erase(next_ns.begin() + static_cast<ptrdiff_t>(i));
  }
  // The lane whose next event is the earliest, the first of several: the card's time never goes back. Without
  // a branch to guess: which one it is looks random.
  size_t earliest() const {
    size_t at = 0;
    uint64_t least = next_ns[0];
    for (size_t i = 1; i < next_ns.size(); ++i) {
      at = next_ns[i] < least ? i : at;
      least = std::min(next_ns[i], least);
    }
    return at;
  }
};

Result<ModeResult> replay_mode(const std::vector<std::string>& paths, Mode mode_id,
                               const ReplayOptions& options, ReplayResult& all) {
  const std::string mode(policy_of(mode_id).name);
  GPUVM_TRY(const auto lanes, open_lanes(paths));
  std::vector<MachineGuest> guests;
  for (unsigned vm = 0; vm < lanes.size(); ++vm) {
    Lane* lane = lanes[vm].get();
    lane->result.mode = mode;
    lane->report = [lane, vm, mode, &all](Divergence d) {
      d.mode = mode;
      d.vm = vm;
      if (lane->reported++ < ReplayResult::kMaxDivergences) all.divergences.push_back(std::move(d));
    };
    lane->peer = std::make_unique<ReplayPeer>(*lane->feed, lane->result, lane->report);
    const TraceMeta& meta = lane->reader->meta();
    GPUVM_TRY(CardConfig config, config_of(meta.device));
    if (!options.compare_all) lane->result.not_recorded = not_recorded(meta);
    if (!lane->result.not_recorded.empty()) {
      lane->peer->only_count();
      // Tables may lie anywhere in the memory of a card of which only the accesses are known.
      if (meta.device.vram_bytes == 0) config.vram_bytes = kMostFermiVram;
    }
    guests.push_back({config, lane->reader->meta().guest_ram_bytes, lane->peer.get(), lane->peer.get()});
  }
  std::vector<std::unique_ptr<PvSlotMemory>> slots;
  if (policy_of(mode_id).para_virtual) {
    for (MachineGuest& guest : guests) slots.push_back(add_slots(guest));
  }
  GPUVM_TRY(const std::unique_ptr<Machine> machine, make_machine(mode_id, guests, options.translation));
  const bool other_batch = mode_id == Mode::kPvMulticall && options.pv_batch != 0;
  const uint32_t batch = other_batch ? options.pv_batch : policy_of(mode_id).batch;
  std::vector<std::unique_ptr<PvGuest>> pv_guests;
  for (unsigned vm = 0; vm < slots.size(); ++vm) {
    Hypervisor& hypervisor = *machine->hypervisor();
    pv_guests.push_back(
        std::make_unique<PvGuest>(hypervisor.vm(vm), hypervisor.card().vram(), *slots[vm], batch));
  }
  std::optional<UsePointCheck> check;
  if (Hypervisor* hypervisor = machine->hypervisor()) {
    std::vector<UsePointCheck::Vm> watched;
    for (unsigned vm = 0; vm < lanes.size(); ++vm) {
      watched.push_back({hypervisor->partition(vm), &lanes[vm]->result, lanes[vm]->report});
    }
    check.emplace(hypervisor->card().vram(), std::move(watched));
    hypervisor->set_observer(&*check);
  }

  uint64_t total = 0;
  Running running;
  for (unsigned vm = 0; vm < lanes.size(); ++vm) {
    Lane* lane = lanes[vm].get();
    total += lane->reader->summary().events;
    ModeReplayOptions mode_options;
    mode_options.until_divergence = options.until_divergence;
    mode_options.only_count = !lane->result.not_recorded.empty();
    if (const Hypervisor* hypervisor = machine->hypervisor()) {
      mode_options.meters = [hypervisor, vm] { return reading(hypervisor->meters(vm)); };
      mode_options.flushed = [&check, vm](std::optional<uint64_t> directory) {
        check->flushed(vm, directory);
      };
    }
    PciDevice& device = pv_guests.empty() ? machine->device(vm) : *pv_guests[vm];
    lane->replay = std::make_unique<ModeReplay>(device, *lane->feed, *lane->peer, lane->result, lane->report,
                                                mode_options);
    running.add(lane);
  }
  constexpr uint64_t kProgressEvents = 1 << 16;
  uint64_t events = 0;
  while (!running.lanes.empty()) {
    const size_t turn = running.earliest();
    ModeReplay& replay = *running.lanes[turn]->replay;
    GPUVM_TRY(const bool more, replay.step());
    if (!more) {
      running.erase(turn);
    } else if (running.lanes.size() > 1) {
      running.next_ns[turn] = replay.next_time_ns();
    }
    if (++events % kProgressEvents == 0 && options.progress) {
      options.progress(mode, static_cast<double>(events) / static_cast<double>(std::max<uint64_t>(total, 1)));
    }
  }
  std::vector<ModeResult> results;
  all.events = 0;
  for (unsigned vm = 0; vm < lanes.size(); ++vm) {
    lanes[vm]->replay->finish();
    for (const auto& [offset, count] : machine->registers(vm).unknown()) {
      lanes[vm]->result.unknown_registers[offset] = count.reads + count.writes;
    }
    lanes[vm]->result.work = machine->work(vm);
    all.events += lanes[vm]->replay->events();
    results.push_back(std::move(lanes[vm]->result));
  }
  return merged(std::move(results));
}

}  // namespace

Result<ReplayResult> replay_traces(const std::vector<std::string>& paths, const ReplayOptions& options) {
  ReplayResult result;
  result.traces = paths;
  const auto start = std::chrono::steady_clock::now();
  GPUVM_TRY(const std::vector<Mode> modes, chosen_modes(options.modes));
  if (options.pv_batch > kMaxPvBatch)
    return error("a batch of {} entries: a call's slot holds {}", options.pv_batch, kMaxPvBatch);
  for (const Mode mode : modes) {
    GPUVM_TRY(ModeResult mode_result, replay_mode(paths, mode, options, result));
    result.modes.push_back(std::move(mode_result));
    if (options.until_divergence && !result.holds()) break;
  }
  result.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace gpuvm
