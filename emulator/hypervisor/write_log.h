// Which entries of guest page tables were written since they were last looked at, as far as the writes
// trapped.
//
// In incremental mode the first writes to a table page after a sync trap and are noted one by one; after
// kMaxLogged the page becomes direct and is read whole at the next sync (as KVM lets a page go "unsync").
// Whether every write was seen follows from the page's version, which counts all of them: trapped, direct or
// by the GPU itself.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "emulator/memory/vram.h"

namespace gpuvm {

class WriteLog {
 public:
  static constexpr size_t kMaxLogged = 16;

  explicit WriteLog(const Vram& vram) : vram_(vram) {}

  // Starts to follow a page of the card's VRAM, or notes that one more reader does.
  void follow(uint64_t page);
  void leave(uint64_t page);
  bool follows(uint64_t page) const { return pages_.contains(page); }
  // Must a write to the page trap?
  bool wants(uint64_t page) const;
  // A trapped write has been made.
  void written(uint64_t address, unsigned width);

  // The entries (byte offset in the page / 8) written since the page's version was `seen`; nothing if some of
  // the writes were not seen. Entries may repeat.
  std::optional<std::span<const uint16_t>> since(uint64_t page, uint64_t seen) const;
  // The page has been looked at: its log starts again.
  void synced(uint64_t page);

 private:
  struct Page {
    uint32_t readers = 0;
    uint64_t base = 0;              // the page's version when the log was empty
    std::vector<uint16_t> entries;  // one a write
  };
  const Vram& vram_;
  std::unordered_map<uint64_t, Page> pages_;
};

}  // namespace gpuvm
