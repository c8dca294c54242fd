// Sees a guest that polls without end: the same few accesses, with the same values, over and over.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "emulator/pci/forwarding_device.h"
#include "traces/context.h"

namespace gpuvm {

struct PolledPlace {
  bool write = false;
  uint8_t bar = 0;
  uint8_t width = 0;
  uint64_t offset = 0;
  uint64_t value = 0;  // the last one; of a register that follows the clock it changes
  uint64_t times = 0;

  std::string name() const;  // "PGRAPH.STATUS", "BAR1+0x40"
};

struct EndlessPoll {
  std::vector<PolledPlace> places;  // those whose value does not follow the clock first, then by times
  uint64_t accesses = 0;
  uint64_t nanoseconds = 0;
  std::optional<ContextRecord> who;  // if it could be asked

  // "reads PGRAPH.STATUS without end: 123,456 times 0x0 in 4.0 s"
  std::string describe() const;
};

// Counts in the card's time, which stands still while the card works: a guest that waits for a long
// computation is not taken for one that waits for ever.
class PollWatch : public ForwardingDevice {
 public:
  static constexpr size_t kPlaces = 8;              // of a loop, at most
  static constexpr uint64_t kFewestPerSecond = 20;  // what is slower is a look now and then, not a poll

  // `who` is asked once, while the guest's CPU waits for its answer; may be empty.
  PollWatch(PciDevice& next, uint64_t limit_ns, std::function<std::optional<ContextRecord>()> who)
      : ForwardingDevice(next), limit_ns_(limit_ns), who_(std::move(who)) {}

  void advance(uint64_t now_ns) override {
    now_ns_ = now_ns;
    ForwardingDevice::advance(now_ns);
  }
  uint64_t bar_read(unsigned bar, uint64_t offset, unsigned width) override;
  void bar_write(unsigned bar, uint64_t offset, unsigned width, uint64_t value) override;

  // Set once, when the limit is over.
  const std::optional<EndlessPoll>& endless() const { return endless_; }

 private:
  struct Seen {
    PolledPlace place;
    bool follows_clock = false;
    bool used = false;
  };

  void observe(PolledPlace access);
  void decide(const Seen& current);

  const uint64_t limit_ns_;
  const std::function<std::optional<ContextRecord>()> who_;
  uint64_t now_ns_ = 0;
  uint64_t since_ns_ = 0;  // of the last access that was a new one
  uint64_t accesses_ = 0;  // since then
  std::array<Seen, kPlaces> seen_{};
  size_t oldest_ = 0;
  std::optional<EndlessPoll> endless_;
};

}  // namespace gpuvm
