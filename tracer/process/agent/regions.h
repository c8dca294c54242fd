// The traced mappings of this process: where the program believes them to be (the window, never accessible),
// and where they really are (the alias).
#pragma once

#include <atomic>
#include <cstdint>

namespace gpuvm::agent {

struct Region {
  std::atomic<uint32_t> used;
  uint64_t base;   // in the window
  uint64_t bytes;  // a multiple of the page size
  uint64_t alias;
  uint64_t file_offset;
  int32_t map;  // its number in the trace
  std::atomic<int> protection;
  char path[256];  // of the file; longer ones are cut

  uint64_t end() const { return base + bytes; }
  void* real(uint64_t address) const { return reinterpret_cast<void*>(alias + (address - base)); }
  uint64_t offset_of(uint64_t address) const { return file_offset + (address - base); }
};

// nullptr: no traced memory there.
const Region* find_region(uint64_t address);
// Gives `alias`, which the kernel has mapped, a place in the window and records it. 0: no room.
uint64_t add_region(uint64_t alias, uint64_t bytes, uint64_t file_offset, int protection, const char* path,
                    uint64_t pc);
// Forgets the region that starts at `base` and frees its place. The alias is the caller's to unmap.
void remove_region(const Region* region, uint64_t pc);
void set_protection(const Region* region, int protection);
// In the child of a fork, where no other thread lives.
void reset_region_lock();

}  // namespace gpuvm::agent
