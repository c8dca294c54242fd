// SHA-256, for the content security policy's hashes of the page's own style and script, and to know a trace
// again. Nothing secret depends on it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace gpuvm::report {

class Sha256 {
 public:
  void add(std::string_view bytes);
  // Call once, after all.
  std::array<uint8_t, 32> finish();

 private:
  std::array<uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::string rest_;  // less than a block
  uint64_t bytes_ = 0;
};
std::array<uint8_t, 32> sha256(std::string_view text);
// In hexadecimal digits.
std::string hex(const std::array<uint8_t, 32>& digest);
// 'sha256-BASE64=', as a policy wants it.
std::string csp_hash(std::string_view text);

}  // namespace gpuvm::report
