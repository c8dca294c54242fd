// The methods of a class are registers of the object: most just hold a value until another one starts the
// work.
#pragma once

#include <array>
#include <cstdint>

namespace gpuvm {

class MethodState {
 public:
  static constexpr uint32_t kMethods = 0x4000;  // bytes of method space

  void set(uint32_t method, uint32_t value) { words_[(method & (kMethods - 1)) / 4] = value; }
  uint32_t operator[](uint32_t method) const { return words_[(method & (kMethods - 1)) / 4]; }
  // 40-bit address from a HIGH, LOW pair.
  uint64_t address(uint32_t high_method) const {
    return (uint64_t{(*this)[high_method] & 0xff} << 32) | (*this)[high_method + 4];
  }

 private:
  std::array<uint32_t, kMethods / 4> words_{};
};

}  // namespace gpuvm
