#include "replayer/launches.h"

#include <algorithm>
#include <optional>

#include "emulator/card/windows.h"
#include "emulator/hypervisor/machine.h"
#include "replayer/lane.h"
#include "traces/regmap/gf100.h"

namespace gpuvm {
namespace {

constexpr size_t kMaxLaunches = 10'000'000;

class Collector {
 public:
  // Before the device sees the event. `charged_ns`: up to now.
  void before(const Event& e, uint64_t charged_ns) {
    time_ns_ = e.time_ns;
    if (!start_ns_) start_ns_ = e.time_ns;
    if (e.kind == EventKind::kIrq && e.value != 0) looked(e.time_ns);
    if (!is_mmio(e.kind)) return;
    const bool write = e.kind == EventKind::kMmioWrite;
    if (e.space == 0 && write && e.address == gf100::offset_of(gf100::Reg::kPfifoBar1Base))
      userd_base_ = static_cast<uint32_t>(e.value);
    if (e.space != 1) return;
    const auto place = userd_place(e.address, userd_base_);
    if (!place && !write) looked(e.time_ns);
    if (place && write && place->offset == fermi::kUserdIbPut) doorbell(e.time_ns, charged_ns);
  }
  // After it.
  void after(uint64_t charged_ns) {
    if (charged_ns != seen_ns_) work_ended_ns_ = time_ns_;
    seen_ns_ = charged_ns;
  }

  bool full() const { return launches_.size() >= kMaxLaunches; }

  RecordedLaunches take(std::string name) {
    close(seen_ns_);
    RecordedLaunches all;
    for (const Launch& l : launches_) {
      all.gpu_ns += l.gpu_ns;
      all.waits += l.waits ? 1 : 0;
    }
    all.recorded_ns = time_ns_ - start_ns_.value_or(time_ns_);
    all.program.name = std::move(name);
    all.program.launches = std::move(launches_);
    return all;
  }

 private:
  void looked(uint64_t time_ns) {
    if (!looked_ns_) looked_ns_ = time_ns;
  }

  void close(uint64_t charged_ns) {
    if (!launches_.empty()) launches_.back().gpu_ns = charged_ns - charged_before_ns_;
    charged_before_ns_ = charged_ns;
  }

  void doorbell(uint64_t time_ns, uint64_t charged_ns) {
    close(charged_ns);
    Launch launch;
    const uint64_t last = launches_.empty() ? *start_ns_ : last_doorbell_ns_;
    launch.waits = launches_.empty() || looked_ns_.has_value();
    if (launch.waits && !launches_.empty()) {
      // Up to where it looked the guest was busy with its own; what the recording's card needed is not the
      // guest's time.
      const uint64_t from = std::max({last, looked_ns_.value_or(last), work_ended_ns_});
      launch.overlap_ns = looked_ns_.value_or(last) - last;
      launch.think_ns = time_ns - std::min(from, time_ns);
    } else {
      launch.think_ns = time_ns - last;
    }
    launches_.push_back(launch);
    last_doorbell_ns_ = time_ns;
    looked_ns_.reset();
  }

  std::vector<Launch> launches_;
  uint32_t userd_base_ = 0;
  uint64_t time_ns_ = 0;
  std::optional<uint64_t> start_ns_;
  uint64_t last_doorbell_ns_ = 0;
  std::optional<uint64_t> looked_ns_;
  uint64_t work_ended_ns_ = 0;
  uint64_t seen_ns_ = 0;
  uint64_t charged_before_ns_ = 0;
};

}  // namespace

Result<RecordedLaunches> launches_of(const std::string& path, uint64_t max_vram_bytes) {
  std::vector<Divergence> divergences;
  const Mode mode = Mode::kPassthrough;
  GPUVM_TRY(const std::unique_ptr<Lane> lane, Lane::open(path, policy_of(mode).name, 0, divergences));
  if (!lane->meta().schedule.none()) {
    return error(
        "{}: recorded under scheduler {}, so its times have the waits for other machines in them; let "
        "recordings of a single machine contend",
        path, lane->meta().schedule.scheduler);
  }
  GPUVM_TRY(const MachineGuest guest, lane->guest(false, false));
  if (!lane->result().not_recorded.empty()) {
    return error(
        "{}: the recorder did not see {}, so what the card had to do is not known; capture it instead", path,
        lane->result().not_recorded.front());
  }
  GPUVM_TRY(const std::unique_ptr<Machine> machine, make_machine(mode, {guest}));
  Collector collector;
  ModeReplayOptions options;
  options.watch = [&](const Event& e) { collector.before(e, machine->charged_ns(0)); };
  lane->connect(*machine, max_vram_bytes, std::move(options));
  while (true) {
    GPUVM_TRY(const bool more, lane->step());
    if (!more) break;
    collector.after(machine->charged_ns(0));
    if (collector.full()) return error("{}: more than {} launches; cut the trace", path, kMaxLaunches);
  }
  return collector.take(path);
}

}  // namespace gpuvm
