// The card's time while it is live: the machine's, but it stands still while this program works for the card.
// So a card that has more to do than the program can keep up with becomes slower in the eyes of its guests,
// and the trace says so by its times; the program never falls behind.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

namespace gpuvm {

class CardClock {
 public:
  using Source = std::function<uint64_t()>;  // nanoseconds, non-decreasing

  // The machine's steady clock from now on. The card sees multiples of `unit_ns`: the very times that a trace
  // of that unit keeps, or a replay could not repeat it.
  explicit CardClock(uint64_t unit_ns);
  CardClock(uint64_t unit_ns, Source machine) : unit_ns_(unit_ns), machine_(std::move(machine)) {}

  uint64_t unit_ns() const { return unit_ns_; }
  // The machine's time: what limits and people count in.
  uint64_t machine_ns() { return last_ns_ = machine_(); }
  // When that was last asked for, by whomever: a look at the clock is a good part of what an access costs.
  uint64_t last_machine_ns() const { return last_ns_; }
  uint64_t now() {
    const uint64_t ns = machine_ns() - behind_ns_;
    return ns - ns % unit_ns_;
  }
  // The card has come to `card_ns` (a multiple of the unit, at most now()), and goes on from there.
  void stand_at(uint64_t card_ns) { behind_ns_ = machine_ns() - card_ns; }
  // The moment of the card's time that is being recorded.
  uint64_t moment() const { return moment_ns_; }
  void set_moment(uint64_t card_ns) { moment_ns_ = card_ns; }
  // How far it is behind the machine's time.
  uint64_t behind_ns() const { return behind_ns_; }
  // The machine's time that went into what the card had to do by itself, whoever asked: not for who asked to
  // pay.
  void add_work(uint64_t ns) { work_ns_ += ns; }
  uint64_t work_ns() const { return work_ns_; }

 private:
  const uint64_t unit_ns_;
  const Source machine_;
  uint64_t last_ns_ = 0;
  uint64_t behind_ns_ = 0;
  uint64_t moment_ns_ = 0;
  uint64_t work_ns_ = 0;
};

}  // namespace gpuvm
