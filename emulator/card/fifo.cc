#include "emulator/card/fifo.h"

#include <algorithm>
#include <limits>

namespace gpuvm {
namespace {

using gf100::Reg;

constexpr Field kRunnable = gf100::field(Reg::kPfifoChanState, "RUNNABLE");
constexpr Field kLength = gf100::field(Reg::kPfifoPlaylistLen, "LEN");
constexpr uint64_t kForever = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kFirstPollNs = 20'000;
constexpr unsigned kMaxPollShift = 9;  // polls back off to about 10 ms
constexpr uint32_t kMaxPolls =
    2000;  // then the acquire has timed out, after about 20 s, and the channel stops

}  // namespace

// Whatever is done with memory while one lives is charged to the guest.
class Fifo::Charge {
 public:
  Charge(Guest& guest, PhysicalMemory& memory) : guest_(guest), memory_(memory), before_(memory.cost()) {}
  ~Charge() {
    const uint64_t cost = memory_.cost() - before_;
    guest_.account.charge(cost);
    guest_.charged_ns += cost;
  }
  Charge(const Charge&) = delete;
  Charge& operator=(const Charge&) = delete;

 private:
  Guest& guest_;
  PhysicalMemory& memory_;
  const uint64_t before_;
};

Fifo::Fifo(RegisterFile& registers, PhysicalMemory& memory, Timeline& timeline, uint64_t delay_ns)
    : registers_(registers), memory_(memory), timeline_(timeline), delay_ns_(delay_ns), guests_(1) {
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
    commit_runlist(kLength.get(value));
  });
}

void Fifo::share_among_guests(unsigned channels_each) {
  channels_each_ = channels_each;
  guests_ = std::vector<Guest>((kChannels + channels_each - 1) / channels_each);
}

void Fifo::bind(unsigned chid, uint32_t pointer) {
  Guest& guest = guest_of(chid);
  const Charge charge(guest, memory_);
  std::erase(guest.waiting, chid);
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
  {
    // Of a card that is shared, the hypervisor writes the list, which is short.
    const Charge charge(guests_.front(), memory_);
    for (uint32_t i = 0; i < length; ++i) {
      const uint64_t chid = memory_.read(aperture, base + 8 * uint64_t{i}, 4);
      if (chid < kChannels) runlist_.set(chid);
    }
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
         kRunnable.any(registers_.peek(Reg::kPfifoChanState, chid)) && slot.channel->has_work();
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
  if (gate_ != nullptr) {
    slots_[chid].scheduled = true;
    return gate_->wants_in(chid);
  }
  Guest& guest = guest_of(chid);
  // Behind the guest's other channels that wait.
  if (!guest.waiting.empty() || guest.account.balance(timeline_.now_ns()) <= 0) {
    return wait_for_turn(guest, chid);
  }
  execute(guest, chid);
}

void Fifo::execute(Guest& guest, unsigned chid) {
  Slot& slot = slots_[chid];
  const auto budget = static_cast<uint64_t>(guest.account.balance(timeline_.now_ns()));
  const Channel::Services services{memory_, *events_, guest.work};
  const fermi::Geometry geometry = fermi::geometry_of(registers_.peek(Reg::kPffbVmCfg));
  Channel::Outcome outcome{};
  {
    const Charge charge(guest, memory_);
    outcome = slot.channel->run(services, geometry, timeline_.now_ns(), budget);
  }
  switch (outcome) {
    case Channel::Outcome::kMore:
      wait_for_turn(guest, chid);
      break;
    case Channel::Outcome::kWaiting:
      poll_later(chid);
      break;
    case Channel::Outcome::kIdle:
    case Channel::Outcome::kDead:
      slot.polls = 0;
      break;
  }
}

void Fifo::poll_later(unsigned chid) {
  Slot& slot = slots_[chid];
  if (++slot.polls <= kMaxPolls) schedule(chid, kFirstPollNs << std::min(slot.polls, kMaxPollShift));
}

bool Fifo::let_in(unsigned chid) {
  GPUVM_CHECK(!inside_);
  slots_[chid].scheduled = false;
  if (!runnable(chid)) return false;
  slots_[chid].scheduled = true;  // it asks no more before it has come out
  inside_ = Inside{chid, slots_[chid].generation};
  work_on();
  return true;
}

// A slice of work is done at once, and then the engines are busy for the time that it takes.
void Fifo::work_on() {
  const auto [chid, generation] = *inside_;
  Slot& slot = slots_[chid];
  if (slot.generation != generation || !runnable(chid)) return come_out();
  Guest& guest = guest_of(chid);
  const Channel::Services services{memory_, *events_, guest.work, /*in_time=*/true};
  const fermi::Geometry geometry = fermi::geometry_of(registers_.peek(Reg::kPffbVmCfg));
  const uint64_t before = memory_.cost();
  const Channel::Outcome outcome = slot.channel->run(services, geometry, timeline_.now_ns(), kEngineSliceNs);
  const uint64_t took = memory_.cost() - before;
  guest.charged_ns += took;
  const uint64_t due = after(took);
  if (due == kForever) return;  // there is no time left for it to end in
  timeline_.schedule(due, [this, outcome] { after_slice(outcome); });
}

void Fifo::after_slice(Channel::Outcome outcome) {
  if (outcome == Channel::Outcome::kMore) return work_on();
  const auto [chid, generation] = *inside_;
  Slot& slot = slots_[chid];
  const bool same = slot.generation == generation;
  if (same && outcome != Channel::Outcome::kWaiting) slot.polls = 0;
  come_out();
  if (same && outcome == Channel::Outcome::kWaiting) poll_later(chid);
}

void Fifo::come_out() {
  const auto [chid, generation] = *inside_;
  inside_.reset();
  if (slots_[chid].generation == generation) slots_[chid].scheduled = false;
  gate_->came_out();
}

void Fifo::wait_for_turn(Guest& guest, unsigned chid) {
  slots_[chid].scheduled = true;
  guest.waiting.push_back(chid);
  wake_when_paid(guest);
}

void Fifo::wake_when_paid(Guest& guest) {
  if (guest.woken || guest.waiting.empty()) return;
  const uint64_t due = guest.account.turn_at(timeline_.now_ns());
  if (due == kForever) return;  // there is no time left for another turn
  guest.woken = true;
  timeline_.schedule(due, [this, &guest] {
    guest.woken = false;
    take_turns(guest);
  });
}

void Fifo::take_turns(Guest& guest) {
  while (!guest.waiting.empty() && guest.account.balance(timeline_.now_ns()) > 0) {
    const unsigned chid = guest.waiting.front();
    guest.waiting.pop_front();
    slots_[chid].scheduled = false;
    if (runnable(chid)) execute(guest, chid);
  }
  wake_when_paid(guest);
}

void Fifo::reset() {
  for (Slot& slot : slots_) {
    slot.channel.reset();
    slot.scheduled = false;
    ++slot.generation;
  }
  for (Guest& guest : guests_) guest.waiting.clear();
  runlist_.reset();
}

void Fifo::timeline_cleared() {
  for (Guest& guest : guests_) guest.woken = false;
  if (inside_) come_out();
}

uint64_t Fifo::ignored_methods() const {
  uint64_t sum = 0;
  for (const Slot& slot : slots_) sum += slot.channel != nullptr ? slot.channel->ignored_methods() : 0;
  return sum;
}

}  // namespace gpuvm
