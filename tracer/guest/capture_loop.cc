#include "tracer/guest/capture_loop.h"

#include <algorithm>

#include "tracer/posix/wait.h"

namespace gpuvm {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kProgressNs = 200 * kMs;
constexpr uint64_t kLongTurnNs = 1 * kMs;    // after one that took longer, others may have come
constexpr uint64_t kHeldNapNs = 500'000;     // until it is seen again whether a guest is held back
constexpr uint64_t kEndingNapNs = 20 * kMs;  // a look at a guest that is ending

}  // namespace

CaptureLoop::CaptureLoop(std::vector<GuestSession*> guests, CardClock& clock, StopSignals& signals,
                         std::chrono::seconds limit, std::function<void(const CaptureProgress&)> progress)
    : guests_(std::move(guests)),
      clock_(clock),
      signals_(signals),
      limit_ns_(static_cast<uint64_t>(limit.count()) * 1000 * kMs),
      progress_(std::move(progress)),
      turns_(guests_.size()),
      held_(guests_.size()),
      waits_(guests_.size(), Wait{.none_yet_ns = server_.now()}) {}

Status CaptureLoop::run() {
  while (!finished()) {
    GPUVM_TRY_STATUS(wait());
    take_turns();
    const uint64_t now = clock_.machine_ns();
    stop_if_asked(now);
    show_progress(now);
  }
  return Ok{};
}

bool CaptureLoop::finished() const {
  return std::ranges::all_of(guests_, &GuestSession::finished);
}

uint64_t CaptureLoop::next_due() const {
  uint64_t due = ~uint64_t{0};
  for (const GuestSession* g : guests_) due = std::min(due, g->finished() ? due : g->next_due());
  return due;
}

// The link is a guest's first entry.
bool CaptureLoop::polled(size_t guest) const {
  return entries_[guest * GuestSession::kPollEntries].fd >= 0;
}
bool CaptureLoop::asks(size_t guest) const {
  return entries_[guest * GuestSession::kPollEntries].revents != 0;
}
bool CaptureLoop::anything() const {
  return std::ranges::any_of(entries_, [](const pollfd& e) { return e.revents != 0; });
}

Status CaptureLoop::poll_now(uint64_t wait_ns) {
  return wait_for(entries_, 0, wait_ns);
}

Status CaptureLoop::wait() {
  const uint64_t looked = server_.now();
  entries_.clear();
  uint64_t nap_ns = ~uint64_t{0};
  for (size_t i = 0; i < guests_.size(); ++i) {
    GuestSession& g = *guests_[i];
    held_[i] = turns_.held(i, looked);
    g.add_poll_entries(entries_, held_[i]);
    if (g.finished()) continue;
    if (held_[i]) nap_ns = std::min(nap_ns, kHeldNapNs);
    if (g.wants_turn()) nap_ns = std::min(nap_ns, g.ending() ? kEndingNapNs : held_[i] ? kHeldNapNs : 0);
    if (g.holds_answer()) nap_ns = std::min(nap_ns, kEndingNapNs);
  }
  entries_.push_back({signals_.fd(), POLLIN, 0});
  // A look without waiting first: who asks already has been waiting since there was nothing.
  GPUVM_TRY_STATUS(poll_now(0));
  for (size_t i = 0; i < guests_.size(); ++i) {
    if (polled(i) && !asks(i)) waits_[i].none_yet_ns = looked;
  }
  const uint64_t due = next_due(), now = clock_.now();
  nap_ns = std::min(nap_ns, due <= now ? 0 : due - now);
  if (anything() || nap_ns == 0) return Ok{};
  GPUVM_TRY_STATUS(poll_now(nap_ns));
  const uint64_t woken = server_.now();
  for (size_t i = 0; i < guests_.size(); ++i) {
    if (polled(i)) waits_[i].none_yet_ns = woken;
  }
  return Ok{};
}

void CaptureLoop::take_turns() {
  const size_t n = guests_.size();
  for (size_t k = 0; k < n; ++k) {
    const size_t i = (first_ + k) % n;
    if (guests_[i]->finished()) continue;
    const uint64_t began = clock_.machine_ns();
    take_turn(i);
    if (k + 1 < n && clock_.machine_ns() - began > kLongTurnNs) {
      first_ = (i + 1) % n;
      return;
    }
  }
  first_ = 0;
}

void CaptureLoop::take_turn(size_t i) {
  GuestSession& g = *guests_[i];
  const bool alone = guests_.size() == 1;
  const uint64_t began = alone ? 0 : server_.now(), work = clock_.work_ns(), answers = g.answers();
  // With others waiting for this thread, none may keep it for a burst of requests.
  const auto patience = alone ? DeviceSession::Patience::kForABurst : DeviceSession::Patience::kNone;
  if (Status status = g.handle(entries_, i * GuestSession::kPollEntries, patience, held_[i]); !status) {
    g.stop(status.error().message, false);
  }
  if (!alone) {
    const uint64_t ended = server_.now();
    const uint64_t took = ended - began, for_the_card = clock_.work_ns() - work;
    if (asks(i) || g.answers() != answers || took > kLongTurnNs) {
      turns_.charge(i, took - std::min(took, for_the_card), ended);
    }
    if (g.answers() != answers) {
      waits_[i].slowest_ns = std::max(waits_[i].slowest_ns, ended - waits_[i].none_yet_ns);
      waits_[i].none_yet_ns = ended;
    }
  }
  if (!g.finished() && g.next_due() <= clock_.now()) g.advance();
}

void CaptureLoop::stop_if_asked(uint64_t now) {
  if (const std::string name = signals_.next(); !name.empty()) {
    stop_all([&](const GuestSession& s) {
      return fmt::format("stopped by {} while the guest was in '{}'", name, s.phase());
    });
  }
  if (now <= limit_ns_) return;
  stop_all([&](const GuestSession& s) {
    return fmt::format(
        "the time limit of {} s is over while the guest was in '{}'; a hung guest, or a busy "
        "machine: try --time-limit",
        limit_ns_ / (1000 * kMs), s.phase());
  });
}

template <typename Why>
void CaptureLoop::stop_all(Why why) {
  for (GuestSession* g : guests_) g->stop(why(*g), true);
}

void CaptureLoop::show_progress(uint64_t now) {
  if (!progress_ || now < next_progress_ns_) return;
  next_progress_ns_ = now + kProgressNs;
  for (unsigned i = 0; i < guests_.size(); ++i) {
    GuestSession& s = *guests_[i];
    progress_({i, s.phase(), s.take_log(), s.events(), static_cast<double>(now) * 1e-9});
  }
}

}  // namespace gpuvm
