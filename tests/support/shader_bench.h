// Programs of shader instructions, put together by hand, and a memory for them. The encodings are written out
// again here, from the documents, so that a wrong row of the table fails a test.
#pragma once

#include <map>
#include <vector>

#include "emulator/shader/grid.h"

namespace gpuvm::test {

constexpr uint32_t kRz = 63, kPt = 7;

// What instructions of class `group` have in common; `operation` is the top six bits.
struct Word {
  uint64_t value;
  constexpr Word(unsigned group, unsigned operation)
      : value(group | uint64_t{kPt} << 10 | uint64_t{operation} << 58) {}
  constexpr Word& set(unsigned low, uint64_t field) {
    value |= field << low;
    return *this;
  }
  constexpr Word& clear(unsigned low, unsigned count) {
    value &= ~(((uint64_t{1} << count) - 1) << low);
    return *this;
  }
  constexpr Word& when(unsigned predicate, bool negated = false) {
    return clear(10, 4).set(10, predicate | (negated ? 8u : 0u));
  }
  constexpr operator uint64_t() const { return value; }
};
constexpr Word abc(unsigned group, unsigned operation, unsigned d, unsigned a, unsigned b, unsigned c = kRz) {
  return Word(group, operation).set(14, d).set(20, a).set(26, b).set(49, c);
}
// The same with predicate operands in c's place: true, not negated.
constexpr Word compare(unsigned group, unsigned operation, unsigned d, unsigned a, unsigned b) {
  return Word(group, operation).set(14, d).set(20, a).set(26, b).set(49, kPt);
}
constexpr Word mov32i(unsigned d, uint32_t value) {
  return Word(2, 0x06).set(14, d).set(5, 0xf).set(26, value);
}
constexpr Word s2r(unsigned d, unsigned which) {
  return Word(4, 0x0b).set(14, d).set(26, which);
}
constexpr Word exit_now() {
  return Word(7, 0x20).set(5, 0xf);
}
// From the end of the jump, in instructions.
constexpr Word jump(unsigned operation, int instructions) {
  return Word(7, operation).set(5, 0xf).set(26, static_cast<uint32_t>(instructions * 8) & 0xffffff);
}
constexpr unsigned kBra = 0x10, kSsy = 0x18, kPbk = 0x1a, kPcnt = 0x1c, kCal = 0x14;
constexpr Word flow(unsigned operation) {
  return Word(7, operation).set(5, 0xf);
}
constexpr unsigned kBrk = 0x2a, kCont = 0x2c, kRet = 0x24;
constexpr Word nop() {
  return Word(4, 0x10);
}
constexpr Word join() {
  return nop().set(4, 1);
}
// 32-bit words of global memory at a 32-bit address.
constexpr Word load(unsigned d, unsigned address, int32_t offset = 0) {
  return Word(5, 0x20).set(5, 4).set(14, d).set(20, address).set(26, static_cast<uint32_t>(offset));
}
constexpr Word store(unsigned address, unsigned value, int32_t offset = 0) {
  return Word(5, 0x24).set(5, 4).set(14, value).set(20, address).set(26, static_cast<uint32_t>(offset));
}
constexpr Word shared_load(unsigned d, unsigned address) {
  return Word(5, 0x30).set(56, 1).set(5, 4).set(14, d).set(20, address);
}
constexpr Word shared_store(unsigned address, unsigned value) {
  return Word(5, 0x32).set(56, 1).set(5, 4).set(14, value).set(20, address);
}
constexpr Word barrier() {
  return Word(4, 0x14).set(14, kRz).set(20, 0).set(47, 1).set(46, 1).set(49, kPt).set(53, kPt);
}
constexpr Word add(unsigned d, unsigned a, unsigned b) {
  return abc(3, 0x12, d, a, b);
}
// b: a 20-bit immediate.
constexpr Word add_immediate(unsigned d, unsigned a, uint32_t value) {
  return Word(3, 0x12).set(14, d).set(20, a).set(26, value & 0xfffff).set(46, 3).set(49, kRz);
}
constexpr Word shift_left(unsigned d, unsigned a, uint32_t count) {
  return Word(3, 0x18).set(14, d).set(20, a).set(26, count).set(46, 3).set(49, kRz);
}

// A megabyte at address 0; what lies beyond faults.
class FlatMemory : public shader::GlobalMemory {
 public:
  static constexpr size_t kBytes = 1 << 20;

  bool read(uint64_t va, std::span<std::byte> out) override {
    if (va > kBytes || kBytes - va < out.size()) return false;
    std::memcpy(out.data(), &bytes[va], out.size());
    ++reads;
    return true;
  }
  bool write(uint64_t va, std::span<const std::byte> in) override {
    if (va > kBytes || kBytes - va < in.size()) return false;
    std::memcpy(&bytes[va], in.data(), in.size());
    ++writes;
    return true;
  }
  uint32_t word(uint64_t va) const {
    uint32_t value = 0;
    std::memcpy(&value, &bytes[va], 4);
    return value;
  }
  void set_word(uint64_t va, uint32_t value) { std::memcpy(&bytes[va], &value, 4); }

  std::vector<std::byte> bytes = std::vector<std::byte>(kBytes);
  unsigned reads = 0, writes = 0;
};

class ShaderBench {
 public:
  static constexpr uint64_t kCode = 0x80000;

  // Puts the program at the code segment's start.
  void program(const std::vector<uint64_t>& words) {
    std::memcpy(&memory.bytes[kCode], words.data(), 8 * words.size());
    launch.code = kCode;
  }
  // To its end, or for as long as `budget`.
  shader::Grid run(uint64_t budget = 1 << 24) {
    shader::Grid grid(launch, memory);
    grid.run(budget);
    return grid;
  }

  FlatMemory memory;
  shader::Launch launch{.grid = {1, 1, 1}, .block = {32, 1, 1}};
};

}  // namespace gpuvm::test
