#include "emulator/hypervisor/submission_queue.h"

#include <algorithm>

namespace gpuvm {

SubmissionQueue::SubmissionQueue(Card& card, const SchedulerOptions& options, std::vector<Machine> machines,
                                 uint64_t delay_ns)
    : card_(card),
      options_(options),
      machines_(std::move(machines)),
      delay_ns_(delay_ns),
      scheduler_(options, static_cast<unsigned>(machines_.size())),
      joined_(machines_.size()) {
  card_.set_gate(*this);
}

void SubmissionQueue::doorbell(unsigned vm, const Doorbell& doorbell) {
  const std::deque<uint64_t>& held = by_channel_[on_card(vm, doorbell.channel)];
  if (held.size() >= kMostHeld) {
    waiting_.at(held.back()).doorbell = doorbell;
    ++joined_[vm];
    return;
  }
  enqueue({vm, doorbell.channel, doorbell}, delay_ns_);
}

std::optional<uint32_t> SubmissionQueue::held_put(unsigned vm, unsigned channel) const {
  const std::deque<uint64_t>& held = by_channel_[on_card(vm, channel)];
  if (held.empty()) return std::nullopt;
  return static_cast<uint32_t>(waiting_.at(held.back()).doorbell->value);
}

void SubmissionQueue::forget(unsigned vm, unsigned channel) {
  const unsigned chid = on_card(vm, channel);
  std::deque<uint64_t>& held = by_channel_[chid];
  std::set<uint64_t> gone(held.begin(), held.end());
  if (const auto asked = asked_.extract(chid)) gone.insert(asked.mapped());
  if (gone.empty()) return;
  scheduler_.withdraw(card_.now_ns(), vm, [&](uint64_t id) { return gone.contains(id); });
  std::erase_if(arriving_, [&](const Arrival& a) { return gone.contains(a.id); });
  for (const uint64_t id : gone) waiting_.erase(id);
  held.clear();
}

// It comes to the scheduler a nanosecond later at the earliest, when all accesses of this moment have been
// made.
std::optional<uint64_t> SubmissionQueue::enqueue(const Submission& submission, uint64_t delay_ns) {
  const uint64_t now = card_.now_ns();
  if (delay_ns >= kNever - 1 - now) return std::nullopt;  // there is no time left
  const uint64_t id = next_id_++, due = now + delay_ns + 1;
  waiting_.emplace(id, submission);
  if (submission.doorbell) by_channel_[on_card(submission.vm, submission.channel)].push_back(id);
  arriving_.insert({due, submission.vm, id});
  card_.schedule(due, [this] { arrive(); });
  return id;
}

void SubmissionQueue::arrive() {
  const uint64_t now = card_.now_ns();
  while (!arriving_.empty() && arriving_.begin()->due_ns <= now) {
    const Arrival arrival = *arriving_.begin();
    arriving_.erase(arriving_.begin());
    scheduler_.submit(now, arrival.vm, arrival.id);
  }
  go_on();
}

void SubmissionQueue::go_on() {
  while (!scheduler_.busy()) {
    const uint64_t now = card_.now_ns();
    const Scheduler::Decision decision = scheduler_.next(now);
    if (decision.kind == Scheduler::Decision::Kind::kIdle) return;
    if (decision.kind == Scheduler::Decision::Kind::kWait) return look_again(decision.until_ns);
    if (!start(decision)) scheduler_.finished(now);
  }
}

// False: there is nothing for the engines to do.
bool SubmissionQueue::start(const Scheduler::Decision& decision) {
  const auto node = waiting_.extract(decision.id);
  GPUVM_CHECK(!node.empty());
  const Submission& submission = node.mapped();
  const unsigned chid = on_card(submission.vm, submission.channel);
  Submitter& submitter = *machines_[submission.vm].submitter;
  running_ = submission.vm;
  if (!submission.doorbell) {
    asked_.erase(chid);
    submitter.about_to_run(submission.channel);
    return card_.let_in(chid);
  }
  std::erase(by_channel_[chid], decision.id);
  ringing_ = chid;
  submitter.ring(*submission.doorbell);
  ringing_.reset();
  return card_.busy();
}

void SubmissionQueue::wants_in(unsigned chid) {
  if (ringing_ == chid) {
    card_.let_in(chid);
    return;
  }
  for (unsigned vm = 0; vm < machines_.size(); ++vm) {
    const Machine& machine = machines_[vm];
    if (chid < machine.first_channel || chid - machine.first_channel >= machine.channels) continue;
    if (const auto id = enqueue({vm, chid - machine.first_channel, std::nullopt}, 0)) asked_[chid] = *id;
    return;
  }
}

void SubmissionQueue::came_out() {
  scheduler_.finished(card_.now_ns());
  go_on();
}

void SubmissionQueue::look_again(uint64_t at_ns) {
  if (at_ns == kNever || (look_again_ns_ && *look_again_ns_ <= at_ns)) return;
  look_again_ns_ = at_ns;
  card_.schedule(at_ns, [this, at_ns] {
    if (look_again_ns_ == at_ns) look_again_ns_.reset();
    go_on();
  });
}

}  // namespace gpuvm
