#include "emulator/card/fifo.h"

#include <algorithm>
#include <limits>

namespace gpuvm {
namespace {

using gf100::Reg;

constexpr uint32_t kChannelEnable = 1u << 0;
constexpr uint64_t kForever = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kFirstPollNs = 20'000;
constexpr unsigned kMaxPollShift = 9;  // polls back off to about 10 ms
constexpr uint32_t kMaxPolls =
    2000;  // then the acquire has timed out, after about 20 s, and the channel stops

}  // namespace

Fifo::Fifo(RegisterFile& registers, PhysicalMemory& memory, Timeline& timeline, uint64_t delay_ns)
    : registers_(registers), memory_(memory), timeline_(timeline), delay_ns_(delay_ns) {
  registers_.on_write(Reg::kPfifoChan, [this](unsigned chid, uint32_t value) {
    registers_.poke(Reg::kPfifoChan, chid, value);
    bind(chid, value);
  });
  registers_.on_write(Reg::kPfifoChanState, [this](unsigned chid, uint32_t value) {
    registers_.poke(Reg::kPfifoChanState, chid, value);
    schedule(chid, delay_ns_);
  });
  registers_.on_write(Reg::kPfifoPlaylistLen, [this](unsigned, uint32_t value) {
    registers_.poke(Reg::kPfifoPlaylistLen, value);
    commit_runlist(value & 0xfff);
  });
}

void Fifo::bind(unsigned chid, uint32_t pointer) {
  Slot& slot = slots_[chid];
  ++slot.generation;
  slot.scheduled = false;
  slot.polls = 0;
  slot.channel = fermi::instance_valid(pointer) ? std::make_unique<Channel>(chid, pointer, memory_) : nullptr;
}

void Fifo::commit_runlist(uint32_t length) {
  const uint32_t where = registers_.peek(Reg::kPfifoPlaylist);
  const Aperture aperture = fermi::instance_aperture(where);
  const uint64_t base = fermi::instance_address(where);
  runlist_.reset();
  for (uint32_t i = 0; i < length; ++i) {
    const uint64_t chid = memory_.read(aperture, base + 8 * uint64_t{i}, 4);
    if (chid < kChannels) runlist_.set(chid);
  }
  if (events_ != nullptr) events_->runlist_done();
  for (unsigned chid = 0; chid < kChannels; ++chid) {
    if (runlist_.test(chid)) schedule(chid, delay_ns_);
  }
}

void Fifo::doorbell(unsigned chid, uint32_t ib_put) {
  Slot& slot = slots_[chid];
  if (slot.channel == nullptr) return;
  slot.channel->set_put(ib_put);
  schedule(chid, delay_ns_);
}

bool Fifo::runnable(unsigned chid) const {
  const Slot& slot = slots_[chid];
  return slot.channel != nullptr && runlist_.test(chid) &&
         (registers_.peek(Reg::kPfifoChanState, chid) & kChannelEnable) != 0 && slot.channel->has_work();
}

void Fifo::schedule(unsigned chid, uint64_t delay_ns) {
  if (!runnable(chid) || slots_[chid].scheduled) return;
  if (delay_ns == 0) return run(chid);
  schedule_at(chid, after(delay_ns));
}

// At the end of time it stays there: a trace may have any times.
uint64_t Fifo::after(uint64_t delay_ns) const {
  return delay_ns > kForever - timeline_.now_ns() ? kForever : timeline_.now_ns() + delay_ns;
}

void Fifo::schedule_at(unsigned chid, uint64_t due_ns) {
  slots_[chid].scheduled = true;
  timeline_.schedule(due_ns, [this, chid, generation = slots_[chid].generation] {
    if (slots_[chid].generation != generation) return;
    slots_[chid].scheduled = false;
    run(chid);
  });
}

void Fifo::run(unsigned chid) {
  if (!runnable(chid) || events_ == nullptr) return;
  // Long work takes time, and of all channels together: else an endless ring would have the card execute for
  // longer than passes meanwhile, and never catch up.
  if (busy_until_ns_ > timeline_.now_ns()) return schedule_at(chid, busy_until_ns_);
  Slot& slot = slots_[chid];
  const Channel::Services services{memory_, *events_};
  const fermi::Geometry geometry = fermi::geometry_of(registers_.peek(Reg::kPffbVmCfg));
  switch (slot.channel->run(services, geometry, timeline_.now_ns())) {
    case Channel::Outcome::kMore:
      busy_until_ns_ = after(slot.channel->spent());
      if (busy_until_ns_ == kForever) break;  // there is no time left for another turn
      // Behind the channels that wait for the end of this turn: else an endless ring would be first every
      // time, and no other channel, another guest's for example, would ever run (S16).
      schedule_at(chid, busy_until_ns_ + 1);
      break;
    case Channel::Outcome::kWaiting:
      if (++slot.polls > kMaxPolls) break;
      schedule(chid, kFirstPollNs << std::min(slot.polls, kMaxPollShift));
      break;
    case Channel::Outcome::kIdle:
    case Channel::Outcome::kDead:
      slot.polls = 0;
      break;
  }
}

void Fifo::reset() {
  for (Slot& slot : slots_) {
    slot.channel.reset();
    slot.scheduled = false;
    ++slot.generation;
  }
  runlist_.reset();
  busy_until_ns_ = 0;
}

uint64_t Fifo::ignored_methods() const {
  uint64_t sum = 0;
  for (const Slot& slot : slots_) sum += slot.channel != nullptr ? slot.channel->ignored_methods() : 0;
  return sum;
}

}  // namespace gpuvm
