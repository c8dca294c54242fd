// The guest's RAM, as QEMU shares it.
#pragma once

#include <vector>

#include "emulator/memory/dma_port.h"
#include "tracer/qemu/wire.h"
#include "traces/core/unique_fd.h"

namespace gpuvm {

// Reads and writes through the descriptors rather than through a mapping: a peer that shrinks its file can
// then only make a transfer fail, not kill us with SIGBUS.
class GuestMemory : public DmaPort {
 public:
  // Replaces the whole map; sections[i] lies in fds[i]. Errors: a descriptor that is no regular file.
  Status set_map(const std::vector<wire::MemorySection>& sections, std::vector<UniqueFd> fds);

  bool read(uint64_t address, std::span<std::byte> out) override;
  bool write(uint64_t address, std::span<const std::byte> in) override;
  // One past the highest address.
  uint64_t end() const;

 private:
  struct Region {
    uint64_t address;
    uint64_t bytes;
    uint64_t file_offset;
    UniqueFd fd;
  };
  const Region* find(uint64_t address, uint64_t bytes) const;

  std::vector<Region> regions_;
};

}  // namespace gpuvm
