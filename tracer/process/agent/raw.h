// Single accesses of exact width that may fault: each routine is one instruction at the memory, and returns
// false if that faulted. The handlers recognise them by their address.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gpuvm::agent {

// Bytes 1, 2, 4, 8, 10, 16, 32, 64 by one instruction; others byte by byte.
bool raw_read(const void* memory, void* out, size_t bytes);
bool raw_write(void* memory, const void* in, size_t bytes);
// One side may be device memory: units of `width` (1, 2, 4, 8), upwards.
bool raw_copy_units(void* to, const void* from, size_t width, size_t count);
// Writes `desired` if the memory still holds `expected`. *swapped tells. bytes: 1, 2, 4, 8, 16
bool raw_compare_exchange(void* memory, const void* expected, const void* desired, size_t bytes,
                          bool* swapped);
// Copies ordinary memory of the program that may not be there.
bool raw_copy(void* to, const void* from, size_t bytes);
bool raw_flush(void* memory, int kind);  // 0 clflush, 1 clflushopt, 2 clwb

// If `rip` is in one of these routines: where to go on, with their failure as result. Else 0.
uint64_t raw_recovery(uint64_t rip);

}  // namespace gpuvm::agent
