#include "replayer/session.h"

#include <algorithm>

namespace gpuvm {
namespace {

constexpr uint64_t kProgressEvents = 1 << 16;  // between two words of it
static_assert(kMaxPvBatch == (pv::kSlotBytes - 16) / 8);

MeterReading reading(const Meters& meters) {
  MeterReading r{
      .traps = meters.traps, .tlb_flushes = meters.tlb_flushes, .shadow = meters.shadow, .hypercalls = {}};
  for (unsigned op = 0; op < kPvOps; ++op) {
    if (meters.hypercalls[op] != 0) r.hypercalls[std::string(kPvOpNames[op])] = meters.hypercalls[op];
  }
  return r;
}

// The lanes that are not at their ends. When each goes on is kept side by side, because it is compared before
// every event.
struct Running {
  std::vector<Lane*> lanes;
  std::vector<uint64_t> next_ns;  // of each one's next event

  void add(Lane* lane) {
    lanes.push_back(lane);
    next_ns.push_back(lane->replay().next_time_ns());
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

}  // namespace

Result<std::unique_ptr<Session>> Session::open(const std::vector<std::string>& paths, Mode mode,
                                               const ReplayOptions& options) {
  std::unique_ptr<Session> session(new Session(mode, options));
  GPUVM_TRY_STATUS(session->open_lanes(paths));
  GPUVM_TRY_STATUS(session->build_machine());
  if (Hypervisor* hypervisor = session->machine_->hypervisor()) session->watch(*hypervisor);
  session->connect_lanes();
  return session;
}

Status Session::open_lanes(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    const auto vm = static_cast<unsigned>(lanes_.size());
    GPUVM_TRY(std::unique_ptr<Lane> lane, Lane::open(path, policy_of(mode_).name, vm, divergences_));
    lanes_.push_back(std::move(lane));
  }
  return Ok{};
}

// The scheduler that the recordings were made under, if they are all of its machines, in their order, and the
// mode has a hypervisor. A recording of which that is not so can only be counted.
Result<std::optional<SchedulerOptions>> Session::recorded_schedule() {
  bool whole = mode_ != Mode::kPassthrough;
  const ScheduleInfo& first = lanes_.front()->meta().schedule;
  for (unsigned vm = 0; vm < lanes_.size(); ++vm) {
    ScheduleInfo expected = first;
    expected.machine = vm;
    whole = whole && lanes_[vm]->meta().schedule == expected;
  }
  whole = whole && !first.none() && first.machines == lanes_.size();
  if (!whole) {
    for (const auto& lane : lanes_) {
      if (!lane->meta().schedule.none()) lane->lacks_its_schedule();
    }
    return std::optional<SchedulerOptions>();
  }
  auto options = options_of(first);
  if (!options) {
    return error("{}: its schedule cannot be repeated: {}", lanes_.front()->result().trace,
                 options.error().message);
  }
  return std::optional<SchedulerOptions>(std::move(options).value());
}

Status Session::build_machine() {
  const ModePolicy& policy = policy_of(mode_);
  GPUVM_TRY(const std::optional<SchedulerOptions> scheduler, recorded_schedule());
  std::vector<MachineGuest> guests;
  for (const auto& lane : lanes_) {
    GPUVM_TRY(const MachineGuest guest, lane->guest(policy.para_virtual, options_.compare_all));
    guests.push_back(guest);
  }
  GPUVM_TRY(machine_, make_machine(mode_, guests, options_.translation, scheduler));
  if (!policy.para_virtual) return Ok{};
  const bool other_batch = mode_ == Mode::kPvMulticall && options_.pv_batch != 0;
  for (const auto& lane : lanes_) {
    lane->rewrite_for(*machine_->hypervisor(), other_batch ? options_.pv_batch : policy.batch);
  }
  return Ok{};
}

void Session::watch(Hypervisor& hypervisor) {
  std::vector<UsePointCheck::Vm> watched;
  for (unsigned vm = 0; vm < lanes_.size(); ++vm) {
    Lane* lane = lanes_[vm].get();
    watched.push_back({hypervisor.partition(vm), &lane->result(), [lane](Divergence d) {
                         d.seq = lane->replay().seq();
                         lane->report(std::move(d));
                       }});
  }
  check_.emplace(hypervisor.card().vram(), std::move(watched));
  hypervisor.set_observer(&*check_);
}

void Session::connect_lanes() {
  const Hypervisor* hypervisor = machine_->hypervisor();
  const uint64_t most_vram_bytes = options_.max_vram_bytes * (hypervisor != nullptr ? lanes_.size() : 1);
  for (unsigned vm = 0; vm < lanes_.size(); ++vm) {
    ModeReplayOptions options;
    options.until_divergence = options_.until_divergence;
    options.shaders = [this, vm] { return machine_->work(vm).shaders; };
    if (hypervisor != nullptr) {
      options.meters = [hypervisor, vm] { return reading(hypervisor->meters(vm)); };
      options.flushed = [this, vm](std::optional<uint64_t> directory) { check_->flushed(vm, directory); };
    }
    lanes_[vm]->connect(*machine_, most_vram_bytes, std::move(options));
  }
}

Status Session::run() {
  Running running;
  for (const auto& lane : lanes_) running.add(lane.get());
  uint64_t events = 0;
  while (!running.lanes.empty()) {
    const size_t turn = running.earliest();
    Lane& lane = *running.lanes[turn];
    GPUVM_TRY(const bool more, lane.step());
    if (!more) {
      running.erase(turn);
    } else if (running.lanes.size() > 1) {
      running.next_ns[turn] = lane.replay().next_time_ns();
    }
    if (++events % kProgressEvents == 0 && options_.progress) tell_progress(events);
  }
  for (const auto& lane : lanes_) lane->replay().finish();
  return Ok{};
}

void Session::tell_progress(uint64_t events) const {
  uint64_t total = 0;
  for (const auto& lane : lanes_) total += lane->trace_events();
  options_.progress(std::string(policy_of(mode_).name),
                    static_cast<double>(events) / static_cast<double>(std::max<uint64_t>(total, 1)));
}

void Session::collect(ReplayResult& all) {
  std::vector<ModeResult> results;
  all.events = 0;
  for (unsigned vm = 0; vm < lanes_.size(); ++vm) {
    Lane& lane = *lanes_[vm];
    for (const auto& [offset, count] : machine_->registers(vm).unknown()) {
      lane.result().unknown_registers[offset] = count.reads + count.writes;
    }
    lane.result().work = machine_->work(vm);
    lane.result().schedule = machine_->schedule_usage(vm);
    all.events += lane.replay().events();
    results.push_back(std::move(lane.result()));
  }
  all.modes.push_back(merged(std::move(results)));
  std::ranges::move(divergences_, std::back_inserter(all.divergences));
}

}  // namespace gpuvm
