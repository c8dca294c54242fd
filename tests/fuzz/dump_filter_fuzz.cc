// Any text as a filter: parsed or refused with a reason; a filter that was taken can be asked. An operation
// is a text.
#include <cstdint>

#include "analysis/decode/filter.h"
#include "tests/support/operation_cost.h"
#include "tests/support/operation_count.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gpuvm;
  test::OperationCount::add();
  const test::OperationCost cost;
  const auto filter = EventFilter::parse({reinterpret_cast<const char*>(data), size});
  if (!filter) {
    GPUVM_CHECK(!filter.error().message.empty());
    return 0;
  }
  for (unsigned kind = 0; kind < kEventKinds; ++kind) {
    const Event event{.value = 5, .kind = static_cast<EventKind>(kind), .width = 4};
    filter.value().matches({.event = &event, .payload = {}, .seq = 1, .phase = "init", .names = nullptr});
  }
  cost.require_within(test::kOneOperation);
  return 0;
}
