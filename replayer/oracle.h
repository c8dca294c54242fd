// The second witness of shadow paging: walks the guest's tables and the shadow's with a plain walker of its
// own, and requires that the shadow maps exactly what the isolation policy makes of the guest's mappings. It
// shares no code with the hypervisor's rebuild.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "emulator/memory/vram.h"
#include "emulator/mmu/walker.h"

namespace gpuvm {

// What a guest may reach: its partition of VRAM, and its own memory as the card's bus sees it.
struct Reach {
  uint64_t vram_base = 0;  // card address of the guest's VRAM address 0
  uint64_t vram_bytes = 0;
  uint64_t system_base = 0;  // bus address of the guest's physical address 0
  uint64_t system_bytes = 0;
};

struct OracleViolation {
  uint64_t va = 0;
  uint64_t expected = 0;  // page table entry that the policy asks for, 0: not mapped
  uint64_t got = 0;       // page table entry in the shadow, 0: not mapped
};

class Oracle {
 public:
  explicit Oracle(const Vram& vram) : vram_(vram) {}

  // The guest flushes the TLB of a directory, or of all of them: what it has written until now is committed.
  void flushed(const Reach& reach, std::optional<uint64_t> directory);
  // The first virtual address at which the shadow differs. Entries that the guest has written but not
  // committed may still be the old ones: a shadow that was right since the last flush, and has not changed,
  // is right. `guest` is in the guest's own addresses, `shadow` in the card's.
  // `may_lack`: there was no memory for some of the shadow's tables. Then what one directory entry decides
  // about may be absent, but only all of it.
  std::optional<OracleViolation> check(const Reach& reach, const AddressSpace& guest,
                                       const AddressSpace& shadow, bool may_lack = false);
  // Entries compared since the start: proof that it did look.
  uint64_t entries_compared() const { return entries_compared_; }

 private:
  // A directory entry and the state of its tables (see versions()), as they were when they were compared. The
  // entry itself is part of it: tables of two sizes may lie in the same page.
  struct Print {
    uint64_t raw = 0;
    uint64_t small = 0;
    uint64_t large = 0;
    friend bool operator==(const Print&, const Print&) = default;
  };
  struct Compared {
    Print guest;
    Print shadow;
    friend bool operator==(const Compared&, const Compared&) = default;
  };
  // A root that was found right; it stays so until a page that matters is written.
  struct Verified {
    bool complete = false;  // at least once
    uint64_t epoch = 0;     // number of flushes before it
    // What was looked at. Another limit or page size is no store, and no reason to be late.
    uint64_t limit = 0;
    unsigned large_shift = 0;
    uint64_t guest_directory = 0, shadow_directory = 0;  // their versions
    std::map<uint32_t, Compared> entries;                // by index, of those with tables
  };
  struct Tables {
    const std::byte* small = nullptr;
    const std::byte* large = nullptr;
    uint32_t large_entries = 0;
    Print print;
  };

  // Where the tables are; the others, with their print.
  Tables tables_of(const Reach& reach, const fermi::Geometry& geometry, fermi::Pde pde) const;
  Tables guest_tables(const Reach& reach, const fermi::Geometry& geometry, fermi::Pde pde) const;
  // `reach`: how far behind the beginning of the entry's part of the address space addresses may go.
  Tables shadow_tables(const fermi::Geometry& geometry, fermi::Pde pde, uint64_t reach) const;
  std::optional<OracleViolation> compare(const Reach& reach, const fermi::Geometry& geometry, uint64_t va,
                                         uint64_t limit, const Tables& guest, const Tables& shadow);
  // The slow way, for a guest whose page sizes are not the card's.
  std::optional<OracleViolation> check_page_by_page(const Reach& reach, const AddressSpace& guest,
                                                    const AddressSpace& shadow, bool may_lack);
  // The same with what check() knows of commits; what is remembered is the shadow if all of it was right.
  std::optional<OracleViolation> check_other_geometry(const Reach& reach, const AddressSpace& guest,
                                                      const AddressSpace& shadow, Verified& known,
                                                      uint64_t epoch, bool may_lack);
  // The shadow as it is now: a change of it is a change of this.
  Verified state_of(const AddressSpace& shadow) const;
  // The entry that counts for an address, and what it maps; 0: none. `hides`: whether a small entry stands in
  // front of the large one.
  uint64_t entry_at(const Reach& reach, const AddressSpace& space, uint64_t va,
                    bool (*hides)(const Reach& reach, uint64_t raw), uint64_t* page_bytes) const;
  // The sum of the versions of the pages from `address` on. Versions only grow, so it changes with every
  // store.
  uint64_t versions(uint64_t address, uint64_t bytes) const;

  const Vram& vram_;
  uint64_t entries_compared_ = 0;
  // A guest is told apart by where its VRAM begins, its directory by the guest's own address.
  std::map<uint64_t, uint64_t> all_flushes_;
  std::map<std::pair<uint64_t, uint64_t>, uint64_t> flushes_;              // by guest and its directory
  std::map<std::tuple<uint64_t, uint64_t, uint64_t>, Verified> verified_;  // by that and the shadow directory
};

}  // namespace gpuvm
