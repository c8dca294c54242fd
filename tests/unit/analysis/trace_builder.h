// Short ways to write a trace in a test.
#pragma once

#include <string_view>

#include "traces/core/memory_stream.h"

namespace gpuvm::test {

class TraceBuilder {
 public:
  TraceBuilder& at(uint64_t time_ns) {
    time_ns_ = time_ns;
    return *this;
  }
  TraceBuilder& read(unsigned bar, uint64_t address, uint64_t value = 0, unsigned width = 4) {
    return add(EventKind::kMmioRead, bar, address, value, width);
  }
  TraceBuilder& write(unsigned bar, uint64_t address, uint64_t value = 0, unsigned width = 4) {
    return add(EventKind::kMmioWrite, bar, address, value, width);
  }
  TraceBuilder& mark(std::string_view text) { return payload(EventKind::kMark, 0, text); }
  TraceBuilder& dma_read(uint64_t address, std::string_view bytes) {
    return payload(EventKind::kDmaRead, address, bytes);
  }
  TraceBuilder& event(const Event& event) {
    if (!trace_.write(event, {})) std::abort();
    return *this;
  }
  const MemoryTrace& trace() const { return trace_; }

 private:
  TraceBuilder& add(EventKind kind, unsigned bar, uint64_t address, uint64_t value, unsigned width) {
    return event({.time_ns = time_ns_++,
                  .address = address,
                  .value = value,
                  .kind = kind,
                  .space = static_cast<uint8_t>(bar),
                  .width = static_cast<uint8_t>(width)});
  }
  TraceBuilder& payload(EventKind kind, uint64_t address, std::string_view bytes) {
    if (!trace_.write({.time_ns = time_ns_++, .address = address, .kind = kind}, as_bytes(bytes)))
      std::abort();
    return *this;
  }

  MemoryTrace trace_;
  uint64_t time_ns_ = 0;
};

}  // namespace gpuvm::test
