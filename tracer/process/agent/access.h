// Memory of the program, traced or not, at exact width and with a record of what is traced.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tracer/process/agent/plan.h"

namespace gpuvm::agent {

struct Region;

// One instruction on its way.
struct Access {
  const Plan& plan;
  Frame& frame;
  uint64_t pc;
  int fault_signal = 0;  // why it failed: the signal that the program has to get
  int fault_code = 0;
  uint64_t fault_address = 0;

  // Both record. `flags` of trace_channel are added. False: a fault, see above.
  bool load(uint64_t address, void* out, size_t bytes, uint8_t flags = 0);
  bool store(uint64_t address, const void* in, size_t bytes, uint8_t flags = 0);
  // Reads without a record: the first half of an update.
  bool peek(uint64_t address, void* out, size_t bytes);
  // The second half: `old` is what peek() gave.
  bool update(uint64_t address, const void* old, const void* in, size_t bytes, uint8_t flags = 0);
  // All in one mapping, 1, 2, 4, 8 or 16 bytes; records if it swapped.
  bool compare_exchange(uint64_t address, const void* old, const void* in, size_t bytes, bool* swapped);
  // `count` elements of a string instruction, upwards, at least one; one of the two sides is ours.
  bool load_run(uint64_t address, void* out, size_t width, size_t count);
  bool store_run(uint64_t address, const void* in, size_t width, size_t count);

 private:
  enum class Kind : uint8_t { kLoad, kStore, kPeek, kUpdate };
  bool pieces(Kind kind, uint64_t address, uint8_t* data, const uint8_t* old, size_t bytes, uint8_t flags);
  bool traced(Kind kind, const Region& region, uint64_t address, uint8_t* data, const uint8_t* old,
              size_t bytes, uint8_t flags);
  bool failed(uint64_t address);
  bool allowed(const Region& region, uint64_t address, bool write);
};

// Bytes from `address` on that are in one region, or up to the window's border or the page's end.
size_t run_length(uint64_t address, size_t bytes);

}  // namespace gpuvm::agent
