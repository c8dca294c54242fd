#include "replayer/oracle.h"

#include <algorithm>

#include "traces/core/bytes.h"

namespace gpuvm {
namespace {

uint64_t entry(const std::byte* table, uint64_t index) {
  return load<uint64_t>(table + 8 * index);
}

bool inside(uint64_t address, uint64_t bytes, uint64_t limit) {
  return bytes <= limit && address <= limit - bytes;
}

// The isolation policy, stated once more: what an entry of the guest's may become.
uint64_t allowed(const Reach& reach, uint64_t raw, uint64_t page_bytes) {
  const fermi::Pte pte{raw};
  if (!pte.present()) return 0;
  switch (pte.aperture()) {
    case Aperture::kVram:
      if (!inside(pte.address(), page_bytes, reach.vram_bytes)) return 0;
      return fermi::with_address_field(raw, 4, pte.address() + reach.vram_base);
    case Aperture::kSystem:
    case Aperture::kSystemNoSnoop:
      if (!inside(pte.address(), page_bytes, reach.system_bytes)) return 0;
      return fermi::with_address_field(raw, 4, pte.address() + reach.system_base);
    case Aperture::kInvalid:
      break;
  }
  return 0;
}

// What the hardware would use for a small page: the small entry if present, else the large one.
struct Effective {
  uint64_t small = 0;
  uint64_t large = 0;
  friend bool operator==(const Effective&, const Effective&) = default;
};

}  // namespace

uint64_t Oracle::versions(uint64_t address, uint64_t bytes) const {
  uint64_t sum = 0;
  for (uint64_t page = address / Vram::kPageBytes;
       page < (address + bytes + Vram::kPageBytes - 1) / Vram::kPageBytes; ++page) {
    sum += vram_.page_version(page);
  }
  return sum;
}

Oracle::Tables Oracle::guest_tables(const Reach& reach, const fermi::Geometry& geometry,
                                    fermi::Pde pde) const {
  Tables t = tables_of(reach, geometry, pde);
  t.print.raw = pde.raw;
  if (t.small != nullptr) {
    t.print.small = versions(reach.vram_base + pde.small_address(), 8 * uint64_t{geometry.small_entries()});
  }
  if (t.large != nullptr) {
    t.print.large = versions(reach.vram_base + pde.large_address(), 8 * uint64_t{t.large_entries});
  }
  return t;
}

Oracle::Tables Oracle::tables_of(const Reach& reach, const fermi::Geometry& geometry, fermi::Pde pde) const {
  Tables t;
  const uint64_t small_bytes = 8 * uint64_t{geometry.small_entries()};
  if (pde.small_target() == 1 && inside(pde.small_address(), small_bytes, reach.vram_bytes)) {
    t.small = vram_.view(reach.vram_base + pde.small_address(), small_bytes).data();
  }
  const uint64_t large_bytes = 8 * uint64_t{pde.large_entries()};
  if (pde.large_target() == 1 && inside(pde.large_address(), large_bytes, reach.vram_bytes)) {
    t.large = vram_.view(reach.vram_base + pde.large_address(), large_bytes).data();
    t.large_entries = pde.large_entries();
  }
  return t;
}

// Of a shadow only what lies at or below the limit counts: it may be no longer, and what follows it is
// something else.
Oracle::Tables Oracle::shadow_tables(const fermi::Geometry& geometry, fermi::Pde pde, uint64_t reach) const {
  const auto bytes = [&](uint32_t entries, unsigned shift) {
    return 8 * std::min<uint64_t>(entries, (reach >> shift) + 1);
  };
  Tables t;
  t.print.raw = pde.raw;
  // It lies anywhere on the card.
  const uint64_t small_bytes = bytes(geometry.small_entries(), fermi::kSmallShift);
  if (pde.small_target() == 1 && inside(pde.small_address(), small_bytes, vram_.size())) {
    t.small = vram_.view(pde.small_address(), small_bytes).data();
    t.print.small = versions(pde.small_address(), small_bytes);
  }
  const uint64_t large_bytes = bytes(pde.large_entries(), geometry.large_shift);
  if (pde.large_target() == 1 && inside(pde.large_address(), large_bytes, vram_.size())) {
    t.large = vram_.view(pde.large_address(), large_bytes).data();
    t.large_entries = pde.large_entries();
    t.print.large = versions(pde.large_address(), large_bytes);
  }
  return t;
}

std::optional<OracleViolation> Oracle::compare(const Reach& reach, const fermi::Geometry& geometry,
                                               uint64_t va, uint64_t limit, const Tables& guest,
                                               const Tables& shadow) {
  const unsigned small_per_large = geometry.large_shift - fermi::kSmallShift;
  const uint64_t large_bytes = uint64_t{1} << geometry.large_shift;
  for (uint32_t i = 0; i < geometry.small_entries(); ++i) {
    if (va + (uint64_t{i} << fermi::kSmallShift) > limit)
      break;  // the card faults there, whatever the tables say
    ++entries_compared_;
    const uint32_t j = i >> small_per_large;
    Effective want, got;
    // An entry that is present but not allowed is a hole: it must not let the large page behind it shine
    // through in one table and not in the other, so the guest's own precedence decides.
    const uint64_t guest_small = guest.small != nullptr ? entry(guest.small, i) : 0;
    want.small = allowed(reach, guest_small, 4096);
    if (want.small == 0 && guest.large != nullptr && j < guest.large_entries) {
      want.large = allowed(reach, entry(guest.large, j), large_bytes);
    }
    got.small = shadow.small != nullptr ? entry(shadow.small, i) : 0;
    if (!fermi::Pte{got.small}.present()) got.small = 0;
    if (got.small == 0 && shadow.large != nullptr && j < shadow.large_entries) {
      got.large = entry(shadow.large, j);
      if (!fermi::Pte{got.large}.present()) got.large = 0;
    }
    if (want != got) {
      return OracleViolation{va + (uint64_t{i} << fermi::kSmallShift),
                             want.small != 0 ? want.small : want.large,
                             got.small != 0 ? got.small : got.large};
    }
  }
  return std::nullopt;
}

uint64_t Oracle::entry_at(const Reach& reach, const AddressSpace& space, uint64_t va,
                          bool (*hides)(const Reach& reach, uint64_t raw), uint64_t* page_bytes) const {
  const fermi::Geometry& geometry = space.geometry;
  const uint64_t place = space.directory + 8 * (va >> geometry.span_shift());
  if (space.directory_aperture != Aperture::kVram || !inside(place, 8, reach.vram_bytes)) return 0;
  const fermi::Pde pde{vram_.read64(reach.vram_base + place)};
  const Tables t = tables_of(reach, geometry, pde);
  const uint64_t within = va & (geometry.span() - 1);
  *page_bytes = 4096;
  if (t.small != nullptr) {
    const uint64_t raw = entry(t.small, within >> fermi::kSmallShift);
    if (hides(reach, raw)) return raw;
  }
  *page_bytes = uint64_t{1} << geometry.large_shift;
  const uint64_t index = within >> geometry.large_shift;
  return t.large != nullptr && index < t.large_entries ? entry(t.large, index) : 0;
}

std::optional<OracleViolation> Oracle::check_page_by_page(const Reach& reach, const AddressSpace& guest,
                                                          const AddressSpace& shadow, bool may_lack) {
  // Tables of different page sizes cannot be laid side by side: what each says of every small page is
  // compared.
  const Reach card{.vram_bytes = vram_.size()};
  const auto has_tables = [&](const Reach& r, const AddressSpace& space, uint64_t va) {
    const uint64_t place = space.directory + 8 * (va >> space.geometry.span_shift());
    return inside(place, 8, r.vram_bytes) && vram_.read64(r.vram_base + place) != 0;
  };
  // Of a guest's entries what is refused is absent; in a shadow whatever is present counts, wherever it
  // leads.
  const auto permitted = [](const Reach& r, uint64_t raw) { return allowed(r, raw, 4096) != 0; };
  const auto present = [](const Reach&, uint64_t raw) { return fermi::Pte{raw}.present(); };
  const uint64_t step = std::min(guest.geometry.span(), shadow.geometry.span());
  for (uint64_t region = 0; region <= guest.limit && region <= fermi::kVaMask; region += step) {
    const bool absent = !has_tables(card, shadow, region);
    if (absent && (may_lack || !has_tables(reach, guest, region))) continue;
    for (uint64_t va = region; va < region + step && va <= guest.limit; va += 4096) {
      ++entries_compared_;
      uint64_t guest_page = 4096, shadow_page = 4096;
      const uint64_t guest_raw = entry_at(reach, guest, va, permitted, &guest_page);
      const uint64_t want = allowed(reach, guest_raw, guest_page);
      const uint64_t raw = entry_at(card, shadow, va, present, &shadow_page);
      const uint64_t got = fermi::Pte{raw}.present() ? raw : 0;
      const uint64_t want_address = fermi::Pte{want}.address() + (va & (guest_page - 1));
      const uint64_t got_address = fermi::Pte{got}.address() + (va & (shadow_page - 1));
      const auto rest = [](uint64_t entry) { return fermi::with_address_field(entry, 4, 0); };
      if ((want == 0) != (got == 0) ||
          (want != 0 && (want_address != got_address || rest(want) != rest(got)))) {
        return OracleViolation{va, want, got};
      }
    }
  }
  return std::nullopt;
}

Oracle::Verified Oracle::state_of(const AddressSpace& shadow) const {
  Verified state;
  const uint32_t entries = shadow.geometry.directory_entries();
  if (!inside(shadow.directory, 8 * uint64_t{entries}, vram_.size())) return state;
  state.shadow_directory = versions(shadow.directory, 8 * uint64_t{entries});
  for (uint32_t index = 0; index < entries && index * shadow.geometry.span() <= shadow.limit; ++index) {
    const fermi::Pde pde{vram_.read64(shadow.directory + 8 * uint64_t{index})};
    const uint64_t reach = shadow.limit - index * shadow.geometry.span();
    if (pde.raw != 0) state.entries[index].shadow = shadow_tables(shadow.geometry, pde, reach).print;
  }
  return state;
}

std::optional<OracleViolation> Oracle::check_other_geometry(const Reach& reach, const AddressSpace& guest,
                                                            const AddressSpace& shadow, Verified& known,
                                                            uint64_t epoch, bool may_lack) {
  const auto violation = check_page_by_page(reach, guest, shadow, may_lack);
  Verified now = state_of(shadow);
  now.complete = true;
  now.epoch = epoch;
  now.limit = guest.limit;
  now.large_shift = guest.geometry.large_shift;
  const bool uncommitted = known.complete && known.epoch == now.epoch &&
                           known.shadow_directory == now.shadow_directory && known.entries == now.entries;
  if (violation && uncommitted) return std::nullopt;
  known = violation ? Verified{} : std::move(now);
  return violation;
}

std::optional<OracleViolation> Oracle::check(const Reach& reach, const AddressSpace& guest,
                                             const AddressSpace& shadow, bool may_lack) {
  const uint64_t epoch = all_flushes_[reach.vram_base] + flushes_[{reach.vram_base, guest.directory}];
  Verified& known = verified_[{reach.vram_base, guest.directory, shadow.directory}];
  if (known.limit != guest.limit || known.large_shift != guest.geometry.large_shift) known = {};
  if (guest.geometry != shadow.geometry)
    return check_other_geometry(reach, guest, shadow, known, epoch, may_lack);
  const fermi::Geometry& geometry = guest.geometry;
  // No further than addresses may go.
  const auto entries = static_cast<uint32_t>(
      std::min<uint64_t>(geometry.directory_entries(), (guest.limit >> geometry.span_shift()) + 1));
  const uint64_t directory_bytes = 8 * uint64_t{entries};
  const bool guest_readable = guest.directory_aperture == Aperture::kVram &&
                              inside(guest.directory, directory_bytes, reach.vram_bytes);
  const std::byte* guest_directory =
      guest_readable ? vram_.view(reach.vram_base + guest.directory, directory_bytes).data() : nullptr;
  if (shadow.directory_aperture != Aperture::kVram ||
      !inside(shadow.directory, directory_bytes, vram_.size())) {
    return OracleViolation{0, 0, shadow.directory};
  }
  const std::byte* shadow_directory = vram_.view(shadow.directory, directory_bytes).data();

  Verified now{
      .complete = true,
      .epoch = epoch,
      .limit = guest.limit,
      .large_shift = geometry.large_shift,
      .guest_directory = guest_readable ? versions(reach.vram_base + guest.directory, directory_bytes) : 0,
      .shadow_directory = versions(shadow.directory, directory_bytes),
      .entries = {}};
  const bool directory_known = known.complete && known.guest_directory == now.guest_directory &&
                               known.shadow_directory == now.shadow_directory;
  // Nothing was committed since the shadow was found right.
  const bool uncommitted =
      known.complete && known.epoch == epoch && known.shadow_directory == now.shadow_directory;

  const auto check_entry = [&](uint32_t index) -> std::optional<OracleViolation> {
    const fermi::Pde guest_pde{guest_directory != nullptr ? entry(guest_directory, index) : 0};
    const fermi::Pde shadow_pde{entry(shadow_directory, index)};
    if (shadow_pde.raw == 0 && (may_lack || guest_pde.raw == 0)) return std::nullopt;
    const Tables guest_t = guest_tables(reach, geometry, guest_pde);
    const Tables shadow_t = shadow_tables(geometry, shadow_pde, guest.limit - index * geometry.span());
    const Compared print{guest_t.print, shadow_t.print};
    const auto before = known.entries.find(index);
    const Compared old = before != known.entries.end() ? before->second : Compared{};
    if (before != known.entries.end() && old == print) {
      now.entries[index] = print;
      return std::nullopt;
    }
    const auto violation = compare(reach, geometry, index * geometry.span(), guest.limit, guest_t, shadow_t);
    if (violation && uncommitted && old.shadow == print.shadow) {
      now.entries[index] = old;  // still to be compared once it is committed
      return std::nullopt;
    }
    now.entries[index] = print;
    return violation;
  };

  std::optional<OracleViolation> violation;
  if (directory_known) {
    for (const auto& [index, print] : known.entries) {
      violation = check_entry(index);
      if (violation) break;
    }
  } else {
    for (uint32_t index = 0; index < entries && !violation; ++index) violation = check_entry(index);
  }
  known = violation ? Verified{} : std::move(now);
  return violation;
}

void Oracle::flushed(const Reach& reach, std::optional<uint64_t> directory) {
  if (directory) {
    ++flushes_[{reach.vram_base, *directory}];
  } else {
    ++all_flushes_[reach.vram_base];
  }
}

}  // namespace gpuvm
