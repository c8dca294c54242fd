// Who makes an access? QEMU's monitor tells, while the guest's CPU waits for our answer: where it is and what
// lies on its stack. Costs about a millisecond each time, so only some accesses are asked about.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tracer/callsites/access_place.h"
#include "tracer/recorder/recorder.h"
#include "traces/context.h"
#include "traces/core/result.h"

namespace gpuvm {

// The first access of each place and direction, and every `rate`-th of all (0: only the first ones).
class CallSitePolicy {
 public:
  explicit CallSitePolicy(uint64_t rate) : rate_(rate) {}
  bool wants(const AccessPlace& place);

 private:
  static constexpr size_t kMaxPlaces = 1 << 16;  // a guest that touches more is sampled by rate alone

  uint64_t rate_;
  uint64_t since_ = 0;
  std::unordered_set<AccessPlace, AccessPlaceHash> seen_;
};

// The CPU's state as "info registers" prints it; nothing if it is not in 64-bit mode.
struct CpuPosition {
  uint64_t pc = 0;
  uint64_t stack = 0;
  bool user = false;  // privilege level 3
};
std::optional<CpuPosition> parse_registers(const std::string& text);
// The words that "x /Ngx ADDRESS" prints.
std::vector<uint64_t> parse_memory_words(const std::string& text);
// Where Linux keeps its own text and that of its modules.
bool may_be_kernel_text(uint64_t address);

class CallSiteSampler : public CallSites {
 public:
  // Runs a command of QEMU's human monitor.
  using Monitor = std::function<Result<std::string>(std::string_view command)>;

  CallSiteSampler(Monitor monitor, Recorder& recorder, uint64_t rate)
      : monitor_(std::move(monitor)), recorder_(recorder), policy_(rate) {}

  uint32_t context_of(EventKind kind, unsigned bar, uint64_t offset) override;
  // Who makes the access that is being served; nothing if that cannot be told.
  std::optional<ContextRecord> who();

  uint64_t samples() const { return samples_; }
  // Why it has stopped asking, if it has.
  const std::optional<Error>& failure() const { return failure_; }

 private:
  Result<std::optional<ContextRecord>> ask();
  uint32_t id_of(const ContextRecord& record);

  Monitor monitor_;
  Recorder& recorder_;
  CallSitePolicy policy_;
  std::unordered_map<std::string, uint32_t> ids_;  // by encoded record
  uint64_t samples_ = 0;
  std::optional<Error> failure_;
};

}  // namespace gpuvm
