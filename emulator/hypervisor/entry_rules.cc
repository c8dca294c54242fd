#include "emulator/hypervisor/entry_rules.h"

#include "emulator/hypervisor/table_block.h"

namespace gpuvm {
namespace {

constexpr unsigned kTargetShift = fermi::Pte::kTarget;  // 0 VRAM, 1 none, 2 and 3 system memory
constexpr unsigned kSystemShift = kTargetShift + 1;
// A rule adds its host's offset to the address field of an entry.
constexpr uint64_t in_address_field(uint64_t offset) {
  return (offset >> 12) << fermi::Pte::kAddress;
}

}  // namespace

EntryRules::EntryRules(const Partition& partition, unsigned page_shift)
    : checked_(!partition.holes().unchecked_entries), view_(partition.view()) {
  const uint64_t frames = uint64_t{1} << (page_shift - fermi::kSmallShift);
  rules_[0] = {(view_.vram_bytes >> 12) - frames, in_address_field(view_.vram_base)};
  rules_[2] = rules_[3] = {(view_.ram_bytes >> 12) - frames, in_address_field(view_.bus_base)};
}

// The loops have no branch, so that compilers make them take several entries at once.
bool EntryRules::block_holds(const std::byte* guest, const std::byte* shadow, uint64_t& lookups) const {
  if (!checked_) return false;
  const bool system = (entry_at(guest, 0) >> kSystemShift & 1) != 0;
  const Comparison all_alike = system ? compare_system(guest, shadow) : compare_vram(guest, shadow);
  const Comparison c = all_alike.alike ? all_alike : compare_any(guest, shadow);
  if (c.difference != 0) return false;
  lookups += c.lookups;
  return true;
}

EntryRules::Comparison EntryRules::compare_vram(const std::byte* guest, const std::byte* shadow) const {
  const Rule rule = rules_[0];
  uint64_t targets = 0;
  uint64_t difference = 0;
  for (uint32_t i = 0; i < kBlockEntries; ++i) {
    const uint64_t raw = entry_at(guest, i);
    targets |= raw;
    difference |= apply(rule, raw) ^ entry_at(shadow, i);
  }
  return {(targets >> kTargetShift & 3) == 0, difference, 0};
}

EntryRules::Comparison EntryRules::compare_system(const std::byte* guest, const std::byte* shadow) const {
  const Rule rule = rules_[2];
  uint64_t others = 0;
  uint64_t difference = 0;
  uint64_t present = 0;
  for (uint32_t i = 0; i < kBlockEntries; ++i) {
    const uint64_t raw = entry_at(guest, i);
    others |= raw & ~(raw >> kSystemShift);
    present += raw & 1;
    difference |= apply(rule, raw) ^ entry_at(shadow, i);
  }
  return {(others & 1) == 0, difference, present};
}

// The rule by arithmetic instead of by lookup: system memory has the upper target bit, and the lower one
// alone is no memory.
EntryRules::Comparison EntryRules::compare_any(const std::byte* guest, const std::byte* shadow) const {
  const Rule vram = rules_[0];
  const Rule system = rules_[2];
  uint64_t difference = 0;
  uint64_t lookups = 0;
  for (uint32_t i = 0; i < kBlockEntries; ++i) {
    const uint64_t raw = entry_at(guest, i);
    const uint64_t upper = raw >> kSystemShift & 1;
    const uint64_t lower = raw >> kTargetShift & 1;
    const uint64_t is_system = 0 - upper;
    const Rule rule{(vram.last_frame & ~is_system) | (system.last_frame & is_system),
                    (vram.add & ~is_system) | (system.add & is_system)};
    const uint64_t no_memory = 0 - (lower & ~upper);
    difference |= (apply(rule, raw) & ~no_memory) ^ entry_at(shadow, i);
    lookups += raw & upper;
  }
  return {true, difference, lookups};
}

// As GPUvm does it (docs/gpuvm.md): only the first 4 KiB of a VRAM page is checked, a frame of system memory
// that cannot be looked up becomes frame 0 and stays present, target 1 passes as it is (S5).
uint64_t EntryRules::reference(uint64_t raw, uint64_t& lookups) const {
  const fermi::Pte pte{raw};
  if (!pte.present()) return raw;
  switch (pte.aperture()) {
    case Aperture::kVram: {
      const fermi::Pte out = pte.with_address(pte.address() + view_.vram_base);
      return pte.address() < view_.vram_bytes ? out.raw : out.absent().raw;
    }
    case Aperture::kSystem:
    case Aperture::kSystemNoSnoop:
      ++lookups;
      return pte.with_address(pte.address() < view_.ram_bytes ? view_.bus_base + pte.address() : 0).raw;
    case Aperture::kInvalid:
      break;
  }
  return raw;
}

}  // namespace gpuvm
