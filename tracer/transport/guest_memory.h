// The guest's RAM, as QEMU shares it.
#pragma once

#include <vector>

#include "emulator/memory/dma_port.h"
#include "traces/core/result.h"
#include "traces/core/unique_fd.h"

namespace gpuvm {

struct MemorySection {
  uint64_t address;  // guest-physical
  uint64_t bytes;
  uint64_t file_offset;
};

// Reads and writes through the descriptors rather than through a mapping: a peer that shrinks its file can
// then only make a transfer fail, not kill us with SIGBUS.
class GuestMemory : public DmaPort {
 public:
  // Replaces the whole map; sections[i] lies in fds[i]. Errors: a descriptor that is no file in
  // memory (tmpfs, hugetlbfs).
  Status set_map(const std::vector<MemorySection>& sections, std::vector<UniqueFd> fds);

  // One more section, or one less: for a peer that tells of changes. A section without a descriptor is
  // known, but a transfer there fails. 0, or the errno that says why not: EEXIST if it overlaps another,
  // EINVAL if it cannot be or its descriptor is no file in memory, ENOSPC if there are too many.
  int add(const MemorySection& section, bool writable, UniqueFd fd);
  // Address and length must be a section's.
  bool remove(uint64_t address, uint64_t bytes);
  void clear() { regions_.clear(); }

  bool read(uint64_t address, std::span<std::byte> out) override;
  bool write(uint64_t address, std::span<const std::byte> in) override;
  // One past the highest address that a transfer can reach.
  uint64_t end() const;

 private:
  struct Region {
    uint64_t address;
    uint64_t bytes;
    uint64_t file_offset;
    UniqueFd fd;
    bool writable = true;
  };
  const Region* find(uint64_t address, uint64_t bytes) const;

  std::vector<Region> regions_;
};

}  // namespace gpuvm
