// The hypervisor's translated copy of one guest page directory with all its tables: what the card walks
// instead.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "emulator/hypervisor/guest.h"
#include "emulator/hypervisor/shadow_table.h"

namespace gpuvm {

class ShadowSpace {
 public:
  explicit ShadowSpace(Guest& owner);
  ~ShadowSpace();
  ShadowSpace(const ShadowSpace&) = delete;
  ShadowSpace& operator=(const ShadowSpace&) = delete;

  // Makes the shadow equal to what `guest` (the guest's directory, up to its limit) says now. In incremental
  // mode only what changed since the last time is looked at.
  void sync(const AddressSpace& guest);
  // The directory to give to the card, and the way it is to be walked.
  uint64_t root() const { return directory_ != 0 ? directory_ : owner_.host.empty_directory; }
  AddressSpace space(uint64_t limit) const { return {Aperture::kVram, root(), limit, owner_.host.geometry}; }

 private:
  struct Half {
    std::unique_ptr<ShadowTable> table;
    uint64_t guest = 0;          // the guest's table, as the card addresses it
    uint32_t entries = 0;        // that the guest's table has; may be clipped by the limit
    std::vector<uint64_t> seen;  // page versions at the last sync, incremental mode
  };
  struct Region {  // one directory entry
    uint64_t guest_pde = 0;
    uint64_t shadow_pde = 0;
    Half large;
    Half small;
  };
  struct TableWanted {
    bool present = false;
    uint64_t guest = 0;    // as the card addresses it
    uint32_t entries = 0;  // up to the limit
    uint32_t room = 0;     // that the card takes a table to have
  };

  void sync_all(const AddressSpace& guest, std::span<const std::byte> directory);
  void sync_changed(const AddressSpace& guest, uint64_t directory, uint32_t count);
  // The region is there afterwards if it has a table.
  void sync_region(const AddressSpace& guest, uint32_t index, uint64_t pde, bool only_changed);
  bool has_memory_for(fermi::Pde pde, const fermi::Geometry& geometry);
  bool sync_half(Half& half, const TableWanted& wanted, const EntryRules& rules, bool only_changed);
  void sync_pages(Half& half, const EntryRules& rules);
  void sync_page(Half& half, size_t p, const EntryRules& rules);
  void sync_other_geometry(const AddressSpace& guest, std::span<const std::byte> directory);
  TableWanted wanted(unsigned target, uint64_t address, uint32_t room, uint32_t entries) const;
  void drop_table(Half& half);
  void drop_region(uint32_t index);
  void store_pde(uint32_t index, Region& region, uint64_t pde);
  void clear();
  void follow_directory(uint64_t directory, uint32_t count);
  void leave_directory();
  ShadowCost cost() { return {owner_.meters.shadow, owner_.meters.gfn_lookups}; }

  Guest& owner_;
  WriteLog* const log_;     // incremental mode
  uint64_t directory_ = 0;  // 16 pages of the hypervisor; 0: there were none left
  std::map<uint32_t, Region> regions_;
  fermi::Geometry built_for_;

  // Incremental mode: what was followed at the last sync.
  std::optional<AddressSpace> last_;
  uint64_t followed_ = 0;
  std::vector<uint64_t> directory_seen_;
  bool lacks_ = false;       // a region, for want of memory: it is looked for again once pages were freed
  uint64_t frees_seen_ = 0;  // of the allocator's
};

}  // namespace gpuvm
