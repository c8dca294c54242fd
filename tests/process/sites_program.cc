// Accesses whose functions, lines and records are known: an inlined function of a namespace, a plain one, an
// update, a vector, and one over the edge of a page.
#include <emmintrin.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace ring {

inline __attribute__((always_inline)) void doorbell(volatile uint32_t* bar, uint32_t value) {
  bar[4] = value;  // line: doorbell
}

__attribute__((noinline)) void submit(volatile uint32_t* bar, uint32_t value) {
  bar[0] = value;        // line: submit
  doorbell(bar, value);  // line: call
}

}  // namespace ring

int main() {
  const int fd = memfd_create("gpuvm-bar", 0);
  if (fd < 0 || ftruncate(fd, 8192) != 0) return 1;
  void* const memory = mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return 1;
  auto* const bar = static_cast<volatile uint32_t*>(memory);
  ring::submit(bar, 5);
  reinterpret_cast<std::atomic<uint32_t>*>(memory)->fetch_add(2);  // line: update
  auto* const bytes = static_cast<uint8_t*>(memory);
  _mm_store_si128(reinterpret_cast<__m128i*>(bytes + 64), _mm_set1_epi8(0x5a));
  const uint64_t straddling = *reinterpret_cast<volatile uint64_t*>(bytes + 4092);
  return bar[0] == 7 && straddling == 0 ? 0 : 1;
}
