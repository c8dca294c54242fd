#include "tracer/guest/poll_watch.h"

#include <algorithm>

#include <fmt/format.h>

#include "traces/event.h"
#include "traces/regmap/gf100.h"

namespace gpuvm {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
// So long it waits for an access that says more than one of the clock, whose reader is not who polls.
constexpr uint64_t kForABetterOneNs = kSecond / 2;

bool follows_clock(const PolledPlace& place) {
  if (place.bar != 0 || place.offset >= gf100::kMappedBytes) return false;
  const uint16_t reg = gf100::RegisterIndex::shared().find_register(static_cast<uint32_t>(place.offset));
  return reg != gf100::kNoRegister && gf100::registers()[reg].volatility != Volatility::kStable;
}

}  // namespace

std::string PolledPlace::name() const {
  std::string known;
  if (bar == 0 && offset < gf100::kMappedBytes) known = gf100::name_of(static_cast<uint32_t>(offset));
  return known.empty() ? fmt::format("BAR{}+0x{:06x}", bar, offset) : known;
}

std::string EndlessPoll::describe() const {
  const PolledPlace& first = places.front();
  std::string text =
      fmt::format("{} {} without end: {} times 0x{:x} in {:.1f} s", first.write ? "writes" : "reads",
                  first.name(), first.times, first.value, static_cast<double>(nanoseconds) * 1e-9);
  for (size_t i = 1; i < places.size(); ++i) {
    text += fmt::format("{}{} of {}", i == 1 ? ", beside " : ", ", places[i].write ? "writes" : "reads",
                        places[i].name());
  }
  return text;
}

uint64_t PollWatch::bar_read(unsigned bar, uint64_t offset, unsigned width) {
  const uint64_t value = ForwardingDevice::bar_read(bar, offset, width);
  observe({false, static_cast<uint8_t>(bar), static_cast<uint8_t>(width), offset, value, 0});
  return value;
}

void PollWatch::bar_write(unsigned bar, uint64_t offset, unsigned width, uint64_t value) {
  ForwardingDevice::bar_write(bar, offset, width, value);
  observe({true, static_cast<uint8_t>(bar), static_cast<uint8_t>(width), offset, value, 0});
}

void PollWatch::observe(PolledPlace access) {
  access.value &= width_mask(access.width);
  for (Seen& seen : seen_) {
    PolledPlace& p = seen.place;
    if (!seen.used || p.offset != access.offset || p.bar != access.bar || p.write != access.write ||
        p.width != access.width || (p.value != access.value && !seen.follows_clock))
      continue;
    p.value = access.value;
    ++p.times;
    ++accesses_;
    if (!endless_) decide(seen);
    return;
  }
  seen_[oldest_] = {access, follows_clock(access), true};
  oldest_ = (oldest_ + 1) % kPlaces;
  since_ns_ = now_ns_;
  accesses_ = 0;
  for (Seen& seen : seen_) seen.place.times = 0;
}

void PollWatch::decide(const Seen& current) {
  const uint64_t passed = now_ns_ - since_ns_;
  if (passed < limit_ns_ || accesses_ / kFewestPerSecond < passed / kSecond) return;
  if (current.follows_clock && passed < limit_ns_ + kForABetterOneNs) return;
  std::vector<Seen> loop;
  std::ranges::copy_if(seen_, std::back_inserter(loop), [](const Seen& s) { return s.place.times != 0; });
  std::ranges::stable_sort(loop, [](const Seen& a, const Seen& b) {
    if (a.follows_clock != b.follows_clock) return b.follows_clock;
    return a.place.times > b.place.times;
  });
  endless_.emplace(EndlessPoll{{}, accesses_, passed, who_ ? who_() : std::nullopt});
  for (const Seen& seen : loop) endless_->places.push_back(seen.place);
}

}  // namespace gpuvm
