// How a device reaches the memory of the machine it is plugged into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace gpuvm {

class DmaPort {
 public:
  virtual ~DmaPort() = default;
  // False: some of [address, address + size) is not memory. `address` is a bus address in bytes.
  virtual bool read(uint64_t address, std::span<std::byte> out) = 0;
  virtual bool write(uint64_t address, std::span<const std::byte> in) = 0;
};

}  // namespace gpuvm
