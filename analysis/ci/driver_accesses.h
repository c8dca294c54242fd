// What a driver did to a card, without what differs between two runs of one driver: how often it polled.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "analysis/access_groups.h"
#include "traces/stream.h"

namespace gpuvm {

// Passes accesses to BARs and resets on. A read is left out if the driver has read the same place since its
// last write, among the last kPlaces places that it has read: however long a poll takes, it counts once. A
// poll that is not over at once looks at the clock, so reads of it are left out too.
class DriverAccesses : public EventSource {
 public:
  static constexpr size_t kPlaces = 8;
  // Phases kept for phase_at(); a guest chooses their number.
  static constexpr size_t kMaxPhases = 256;

  // `source`, of `device`, outlives this.
  DriverAccesses(EventSource& source, const DeviceInfo& device) : source_(source), groups_(device) {}

  Result<const EventBatch*> next() override;
  // The phase that an event of the source is in, as far as it was read; empty: before the first.
  std::string phase_at(uint64_t seq) const;

 private:
  struct Place {
    uint64_t address = ~uint64_t{0};
    uint8_t bar = 0;
    uint8_t width = 0;
    friend bool operator==(const Place&, const Place&) = default;
  };
  struct Phase {
    uint64_t seq = 0;
    std::string name;
  };

  bool keeps(const Event& event);
  void note_phase(uint64_t seq, std::string_view mark);

  EventSource& source_;
  AccessGroups groups_;
  const EventBatch* whole_ = nullptr;
  size_t at_ = 0;  // in whole_
  EventBatch part_;
  std::array<Place, kPlaces> read_{};  // since the last write, latest first
  std::vector<Phase> phases_;
};

}  // namespace gpuvm
