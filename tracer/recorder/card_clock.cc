#include "tracer/recorder/card_clock.h"

#include <chrono>

namespace gpuvm {

CardClock::CardClock(uint64_t unit_ns)
    : CardClock(unit_ns, [start = std::chrono::steady_clock::now()] {
        const auto elapsed = std::chrono::steady_clock::now() - start;
        return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count());
      }) {}

}  // namespace gpuvm
