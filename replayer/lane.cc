#include "replayer/lane.h"

#include <algorithm>

#include <fmt/format.h>

namespace gpuvm {
namespace {

constexpr uint64_t kMostFermiVram = uint64_t{6} << 30;

// What the trace does not hold though the card's answers follow from it: what its recorder cannot see, and,
// of a sibling of the card that is modelled, the units that are not the same.
std::vector<std::string> not_recorded(const TraceMeta& meta) {
  std::vector<std::string> names = meta.not_recorded;
  if (meta.device.chip != "GF100") names.push_back(fmt::format("engines of {}", meta.device.chip));
  return names;
}

}  // namespace

Lane::Lane(std::unique_ptr<TraceReader> reader, unsigned vm, std::vector<Divergence>& divergences)
    : vm_(vm),
      divergences_(divergences),
      reader_(std::move(reader)),
      feed_(*reader_),
      peer_(feed_, result_, [this](const Divergence& d) { report(d); }) {}

Result<std::unique_ptr<Lane>> Lane::open(const std::string& path, std::string_view mode, unsigned vm,
                                         std::vector<Divergence>& divergences) {
  GPUVM_TRY(std::unique_ptr<TraceReader> reader, TraceReader::open(path));
  std::unique_ptr<Lane> lane(new Lane(std::move(reader), vm, divergences));
  lane->result_.mode = mode;
  lane->result_.trace = path;
  return lane;
}

void Lane::report(Divergence d) {
  if (reported_++ >= ReplayResult::kMaxDivergences) return;
  d.mode = result_.mode;
  d.vm = vm_;
  divergences_.push_back(std::move(d));
}

Result<MachineGuest> Lane::guest(bool para_virtual, bool compare_all) {
  const TraceMeta& meta = reader_->meta();
  GPUVM_TRY(CardConfig config, config_of(meta.device));
  if (!compare_all) {
    result_.not_recorded = not_recorded(meta);
    if (lacks_its_schedule_)
      result_.not_recorded.push_back(fmt::format("the other machines of its schedule ({}, {} machines)",
                                                 meta.schedule.scheduler, meta.schedule.machines));
  }
  if (only_counted()) {
    peer_.only_count();
    // Tables may lie anywhere in the memory of a card of which only the accesses are known.
    if (meta.device.vram_bytes == 0) config.vram_bytes = kMostFermiVram;
  }
  MachineGuest guest{config, meta.guest_ram_bytes, &peer_, &peer_};
  if (!para_virtual) return guest;
  constexpr uint64_t kMost = uint64_t{1} << kBusSlotShift;
  const uint64_t end = guest.ram_bytes == 0 ? kMost : std::min(guest.ram_bytes + pv::kSlotAreaBytes, kMost);
  slots_.emplace(peer_, (end - pv::kSlotAreaBytes) & ~uint64_t{0xfff});
  guest.ram_bytes = end;
  guest.dma = &*slots_;
  return guest;
}

void Lane::rewrite_for(Hypervisor& hypervisor, uint32_t batch) {
  driver_.emplace(hypervisor.vm(vm_), hypervisor.card().vram(), *slots_, batch);
}

void Lane::connect(Machine& machine, uint64_t most_vram_bytes, ModeReplayOptions options) {
  vram_ = &machine.vram(vm_);
  most_vram_bytes_ = most_vram_bytes;
  options.only_count = only_counted();
  options.within = [this] {
    return vram_->resident_bytes() > most_vram_bytes_ ? Status(too_much_vram()) : Status(Ok{});
  };
  replay_ = std::make_unique<ModeReplay>(
      driver_ ? *driver_ : machine.device(vm_), feed_, peer_, result_,
      [this](const Divergence& d) { report(d); }, std::move(options));
}

Error Lane::too_much_vram() const {
  return error(
      "{}: after {} events the recording has filled more than {} MiB of video memory; if it is right, give "
      "more by --vram-limit",
      result_.trace, replay_->events(), most_vram_bytes_ >> 20);
}

}  // namespace gpuvm
