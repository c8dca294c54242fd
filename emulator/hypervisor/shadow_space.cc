#include "emulator/hypervisor/shadow_space.h"

#include <algorithm>
#include <set>

namespace gpuvm {
namespace {

constexpr uint64_t kPage = Vram::kPageBytes;
constexpr uint32_t kEntriesPerPage = kPage / 8;
constexpr uint64_t kNeverSeen = ~uint64_t{0}, kLookAgain = kNeverSeen - 1;  // no page's version

// How many of `entries` pages of 1 << shift bytes from `base` begin at or below the limit.
uint32_t clipped(uint32_t entries, uint64_t base, unsigned shift, uint64_t limit) {
  if (limit < base) return 0;
  return static_cast<uint32_t>(std::min<uint64_t>(entries, ((limit - base) >> shift) + 1));
}

}  // namespace

ShadowSpace::ShadowSpace(Guest& owner) : owner_(owner), log_(owner.write_log()) {
  const uint64_t pages = owner_.host.geometry.directory_entries() / kEntriesPerPage;
  directory_ = owner_.pages.allocate(pages).value_or(0);
  if (directory_ == 0) ++owner_.meters.refused;
}

ShadowSpace::~ShadowSpace() {
  clear();
  leave_directory();
  if (directory_ != 0)
    owner_.pages.free(directory_, owner_.host.geometry.directory_entries() / kEntriesPerPage);
}

void ShadowSpace::sync(const AddressSpace& guest) {
  if (directory_ == 0) return;
  ++owner_.meters.shadow.rebuilds;
  const uint32_t count =
      clipped(guest.geometry.directory_entries(), 0, guest.geometry.span_shift(), guest.limit);
  const Vram& vram = owner_.vram();
  const auto directory = owner_.structure(guest.directory_aperture, guest.directory, uint64_t{count} * 8);
  if (!directory) {
    ++owner_.meters.refused;
    clear();
    last_.reset();
    return;
  }
  if (guest.geometry != built_for_) {
    clear();
    last_.reset();
    built_for_ = guest.geometry;
  }
  if (guest.geometry != owner_.host.geometry) {
    return sync_other_geometry(guest, vram.view(*directory, uint64_t{count} * 8));
  }
  if (log_ == nullptr) return sync_all(guest, vram.view(*directory, uint64_t{count} * 8));
  if (last_ != guest) {
    clear();
    last_ = guest;
    follow_directory(*directory, count);
  }
  sync_changed(guest, *directory, count);
}

void ShadowSpace::sync_all(const AddressSpace& guest, std::span<const std::byte> directory) {
  const auto count = static_cast<uint32_t>(directory.size() / 8);
  owner_.meters.shadow.entries_scanned += count;
  auto old = regions_.begin();
  for (uint32_t i = 0; i < count; ++i) {
    // Most of a directory is empty, and is looked at a block at a time.
    if (i % kBlockEntries == 0 && count - i >= kBlockEntries &&
        is_zero_block(directory.data() + uint64_t{i} * 8)) {
      i += kBlockEntries - 1;
      continue;
    }
    const uint64_t pde = entry_at(directory.data(), i);
    if (pde == 0) continue;
    // Regions that the guest no longer has.
    while (old != regions_.end() && old->first < i) drop_region((old++)->first);
    if (old != regions_.end() && old->first == i) ++old;  // it may go, too
    sync_region(guest, i, pde, false);
  }
  while (old != regions_.end()) drop_region((old++)->first);
}

void ShadowSpace::sync_changed(const AddressSpace& guest, uint64_t directory, uint32_t count) {
  const Vram& vram = owner_.vram();
  if (lacks_ && frees_seen_ != owner_.pages.frees()) {
    std::ranges::fill(directory_seen_, kLookAgain);
    lacks_ = false;
  }
  frees_seen_ = owner_.pages.frees();
  for (size_t p = 0; p < directory_seen_.size(); ++p) {
    const uint64_t page = directory / kPage + p;
    const uint64_t version = vram.page_version(page);
    if (version == directory_seen_[p]) continue;
    const auto first = static_cast<uint32_t>(p * kEntriesPerPage);
    const bool never_seen = directory_seen_[p] == kNeverSeen;
    const auto look = [&](uint32_t i) {
      if (i >= count) return;
      ++owner_.meters.shadow.entries_scanned;
      const uint64_t pde = vram.read64(directory + uint64_t{i} * 8);
      const auto known = regions_.find(i);
      if (pde == 0) {
        if (known != regions_.end()) drop_region(i);
      } else if (known == regions_.end() || known->second.guest_pde != pde) {
        sync_region(guest, i, pde, true);
      }
    };
    if (const auto entries = log_->since(page, directory_seen_[p])) {
      // A copy: what look() does may start the log of this very page again, if the guest's tables are in a
      // knot.
      const std::vector<uint16_t> written(entries->begin(), entries->end());
      for (const uint16_t e : written) look(first + e);
    } else {
      for (uint32_t i = 0; i < kEntriesPerPage; ++i) {
        const bool filled = (vram.filled_lines(page) >> (i / kBlockEntries)) & 1;
        if (filled || !never_seen) look(first + i);
      }
    }
    directory_seen_[p] = version;
    log_->synced(page);
  }
  for (auto it = regions_.begin(); it != regions_.end();) {
    const auto& [index, region] = *it++;
    sync_region(guest, index, region.guest_pde, true);
  }
}

ShadowSpace::TableWanted ShadowSpace::wanted(unsigned target, uint64_t address, uint32_t room,
                                             uint32_t entries) const {
  TableWanted result;
  const Aperture aperture = fermi::table_aperture(target);
  if (target == 0 || !owner_.partition.may_hold_structures(aperture)) return result;
  const auto host = owner_.structure(aperture, address, uint64_t{room} * 8);
  if (!host) {
    ++owner_.meters.refused;
    return result;
  }
  return {entries != 0, *host, entries, room};
}

void ShadowSpace::sync_region(const AddressSpace& guest, uint32_t index, uint64_t raw, bool only_changed) {
  const fermi::Pde pde{raw};
  const fermi::Geometry& g = guest.geometry;
  const uint64_t base = uint64_t{index} << g.span_shift();
  auto known = regions_.find(index);
  // There may be as many as the directory has entries, for each channel: what gets no table must cost next to
  // nothing.
  if (known == regions_.end() && !has_memory_for(pde, g)) {
    ++owner_.meters.refused;
    lacks_ = true;
    return;
  }
  const TableWanted large = wanted(pde.large_target(), pde.large_address(), pde.large_entries(),
                                   clipped(pde.large_entries(), base, g.large_shift, guest.limit));
  const TableWanted small = wanted(pde.small_target(), pde.small_address(), g.small_entries(),
                                   clipped(g.small_entries(), base, fermi::kSmallShift, guest.limit));
  if (known == regions_.end()) {
    if (!large.present && !small.present) return;
    known = regions_.try_emplace(index).first;
  }
  Region& region = known->second;
  region.guest_pde = raw;
  const bool has_large =
      sync_half(region.large, large, EntryRules(owner_.partition, g.large_shift), only_changed);
  const bool has_small =
      sync_half(region.small, small, EntryRules(owner_.partition, fermi::kSmallShift), only_changed);
  fermi::Pde out = pde.without_tables();
  if (has_large) out = out.with_large(region.large.table->host());
  if (has_small) out = out.with_small(region.small.table->host());
  // Without memory for one of its tables the whole region is absent: the other alone would show pages where
  // the guest has different ones, or none.
  const bool complete = has_large == large.present && has_small == small.present;
  store_pde(index, region, complete && out.names_table() ? out.raw : 0);
  lacks_ |= !complete;
  if (!has_large && !has_small) drop_region(index);
}

// For the larger of the tables that it names, wherever they are said to be.
bool ShadowSpace::has_memory_for(fermi::Pde pde, const fermi::Geometry& g) {
  if (pde.small_target() != 0) return owner_.pages.has(ShadowTable::pages(g.small_entries()));
  return pde.large_target() == 0 || owner_.pages.has(ShadowTable::pages(pde.large_entries()));
}

void ShadowSpace::store_pde(uint32_t index, Region& region, uint64_t pde) {
  if (region.shadow_pde == pde) return;
  region.shadow_pde = pde;
  owner_.vram().write(directory_ + uint64_t{index} * 8, 8, pde);
  ++owner_.meters.shadow.entries_written;
}

bool ShadowSpace::sync_half(Half& half, const TableWanted& wanted, const EntryRules& rules,
                            bool only_changed) {
  const Vram& vram = owner_.vram();
  if (!wanted.present) {
    drop_table(half);
    return false;
  }
  if (half.table != nullptr && (half.guest != wanted.guest || half.entries != wanted.entries ||
                                half.table->entries() != wanted.room)) {
    drop_table(half);
  }
  if (half.table == nullptr) {
    // A whole table, whatever the limit: behind a shorter one would lie what is somebody else's.
    const auto pages = owner_.pages.allocate(ShadowTable::pages(wanted.room));
    if (!pages) {
      ++owner_.meters.refused;
      return false;
    }
    half.table = std::make_unique<ShadowTable>(owner_.vram(), *pages, wanted.room);
    half.guest = wanted.guest;
    half.entries = wanted.entries;
    only_changed = false;
    if (log_ != nullptr) {
      half.seen.resize(ShadowTable::pages(wanted.entries));
      for (size_t p = 0; p < half.seen.size(); ++p) log_->follow(half.guest / kPage + p);
    }
  }
  if (only_changed) {
    sync_pages(half, rules);
    return true;
  }
  if (log_ == nullptr) {
    half.table->sync(vram.view(half.guest, uint64_t{half.entries} * 8), 0, rules, cost());
    return true;
  }
  for (size_t p = 0; p < half.seen.size(); ++p) sync_page(half, p, rules);
  return true;
}

void ShadowSpace::sync_pages(Half& half, const EntryRules& rules) {
  const Vram& vram = owner_.vram();
  for (size_t p = 0; p < half.seen.size(); ++p) {
    const uint64_t page = half.guest / kPage + p;
    const uint64_t version = vram.page_version(page);
    if (version == half.seen[p]) continue;
    const auto first = static_cast<uint32_t>(p * kEntriesPerPage);
    if (const auto entries = log_->since(page, half.seen[p])) {
      uint32_t previous = kEntriesPerPage;
      for (const uint16_t e : *entries) {
        // An entry is two stores, low word and high word: look at it once.
        if (e == previous || first + e >= half.entries) continue;
        previous = e;
        half.table->sync_one(vram.read64(half.guest + uint64_t{first + e} * 8), first + e, rules, cost());
      }
      half.seen[p] = version;
      log_->synced(page);
    } else {
      sync_page(half, p, rules);
    }
  }
}

// Reads a whole page of a table, without the lines that never held anything: nor does their shadow, as a new
// one is made of zeroes, and a guest's memory is scrubbed only when its shadows are gone.
void ShadowSpace::sync_page(Half& half, size_t p, const EntryRules& rules) {
  const Vram& vram = owner_.vram();
  const uint64_t page = half.guest / kPage + p;
  const auto first = static_cast<uint32_t>(p * kEntriesPerPage);
  const uint8_t filled = vram.filled_lines(page);
  for (uint32_t line = 0; line < kEntriesPerPage / kBlockEntries; ++line) {
    const uint32_t at = first + line * kBlockEntries;
    if (at >= half.entries) break;
    const uint32_t n = std::min(kBlockEntries, half.entries - at);
    if (((filled >> line) & 1) == 0) continue;
    half.table->sync(vram.view(half.guest + uint64_t{at} * 8, uint64_t{n} * 8), at, rules, cost());
  }
  half.seen[p] = vram.page_version(page);
  log_->synced(page);
}

// A guest with the other large page size: its 64 KiB pages cannot be the card's 128 KiB ones, so every
// mapping becomes one of small pages. Two of its directory entries make one of ours.
void ShadowSpace::sync_other_geometry(const AddressSpace& guest, std::span<const std::byte> directory) {
  const Vram& vram = owner_.vram();
  const fermi::Geometry& g = guest.geometry;
  const fermi::Geometry& ours = owner_.host.geometry;
  const EntryRules small_rules(owner_.partition, fermi::kSmallShift);
  const EntryRules large_rules(owner_.partition, g.large_shift);
  const auto count = static_cast<uint32_t>(directory.size() / 8);
  owner_.meters.shadow.entries_scanned += count;
  const uint32_t pages_per_large = 1u << (g.large_shift - fermi::kSmallShift);
  std::map<uint32_t, bool> alive;
  std::set<uint32_t> lacking;       // that have something and get no memory
  std::optional<uint32_t> skipped;  // the last that got none: its other half gets none either
  std::vector<uint64_t> out(g.small_entries());
  for (uint32_t i = 0; i < count; ++i) {
    const fermi::Pde pde{entry_at(directory.data(), i)};
    const uint64_t base = uint64_t{i} << g.span_shift();
    const uint64_t home = base >> ours.span_shift();
    const auto index = static_cast<uint32_t>(home);
    const bool had = regions_.contains(index);
    if (pde.raw == 0 && !had) continue;
    const uint32_t room = ours.small_entries();
    if (!had && (skipped == index || !owner_.pages.has(ShadowTable::pages(room)))) {
      ++owner_.meters.refused;
      skipped = index;
      continue;
    }
    const TableWanted small = wanted(pde.small_target(), pde.small_address(), g.small_entries(),
                                     clipped(g.small_entries(), base, fermi::kSmallShift, guest.limit));
    const TableWanted large = wanted(pde.large_target(), pde.large_address(), pde.large_entries(),
                                     clipped(pde.large_entries(), base, g.large_shift, guest.limit));
    if (!small.present && !large.present && !had) continue;
    Region& region = regions_[index];
    drop_table(region.large);
    if (region.small.table == nullptr) {
      const auto pages = owner_.pages.allocate(ShadowTable::pages(room));
      if (!pages) {
        ++owner_.meters.refused;
        lacking.insert(index);
        continue;
      }
      region.small.table = std::make_unique<ShadowTable>(owner_.vram(), *pages, room);
      region.small.entries = room;
    }
    std::ranges::fill(out, 0);
    ShadowCost c = cost();
    for (uint32_t n = 0; large.present && n < large.entries; ++n) {
      const uint64_t raw = large_rules.translate(vram.read64(large.guest + uint64_t{n} * 8), c.lookups);
      const fermi::Pte pte{raw};
      if (!pte.present()) continue;
      for (uint32_t k = 0; k < pages_per_large && n * pages_per_large + k < out.size(); ++k) {
        // Every small page at its own place in the large one (B16).
        out[n * pages_per_large + k] =
            pte.with_address(pte.address() + (uint64_t{k} << fermi::kSmallShift)).raw;
      }
    }
    for (uint32_t n = 0; small.present && n < small.entries; ++n) {
      const uint64_t raw = small_rules.translate(vram.read64(small.guest + uint64_t{n} * 8), c.lookups);
      if (fermi::Pte{raw}.present()) out[n] = raw;
    }
    c.work.entries_scanned += (large.present ? large.entries : 0) + (small.present ? small.entries : 0);
    const auto first = static_cast<uint32_t>((base & (ours.span() - 1)) >> fermi::kSmallShift);
    for (uint32_t n = 0; n < out.size(); n += kBlockEntries) {
      region.small.table->store(std::span(out).subspan(n, kBlockEntries), first + n, c);
    }
    alive[index] |= small.present || large.present;
  }
  for (auto it = regions_.begin(); it != regions_.end();) {
    const uint32_t index = (it++)->first;
    if (!alive[index] || lacking.contains(index)) {
      drop_region(index);
      continue;
    }
    Region& region = regions_[index];
    store_pde(index, region, fermi::Pde{}.with_small(region.small.table->host()).raw);
  }
}

void ShadowSpace::drop_table(Half& half) {
  if (half.table == nullptr) return;
  for (size_t p = 0; p < half.seen.size(); ++p) log_->leave(half.guest / kPage + p);
  half.table->clear();
  owner_.pages.free(half.table->host(), ShadowTable::pages(half.table->entries()));
  half = Half{};
}

void ShadowSpace::drop_region(uint32_t index) {
  const auto it = regions_.find(index);
  // The directory lets go of the tables before their pages become free.
  store_pde(index, it->second, 0);
  drop_table(it->second.large);
  drop_table(it->second.small);
  regions_.erase(it);
}

void ShadowSpace::clear() {
  while (!regions_.empty()) drop_region(regions_.begin()->first);
}

void ShadowSpace::follow_directory(uint64_t directory, uint32_t count) {
  leave_directory();
  followed_ = directory;
  directory_seen_.resize((uint64_t{count} + kEntriesPerPage - 1) / kEntriesPerPage);
  for (size_t p = 0; p < directory_seen_.size(); ++p) {
    log_->follow(directory / kPage + p);
    directory_seen_[p] = kNeverSeen;
  }
}

void ShadowSpace::leave_directory() {
  for (size_t p = 0; p < directory_seen_.size(); ++p) log_->leave(followed_ / kPage + p);
  directory_seen_.clear();
}

}  // namespace gpuvm
