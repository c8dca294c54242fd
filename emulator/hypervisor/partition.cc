#include "emulator/hypervisor/partition.h"

namespace gpuvm {

EntryRules::EntryRules(const Partition& partition, unsigned page_shift)
    : strict_(partition.strict()), view_(partition.view()) {
  const uint64_t frames = uint64_t{1} << (page_shift - fermi::kSmallShift);
  rules_[0] = {(view_.vram_bytes >> 12) - frames, (view_.vram_base >> 12) << 4};
  rules_[2] = rules_[3] = {(view_.ram_bytes >> 12) - frames, (view_.bus_base >> 12) << 4};
}

uint64_t EntryRules::translate(std::span<const uint64_t> raw, std::span<uint64_t> out,
                               uint64_t& lookups) const {
  uint64_t targets = 0;
  uint64_t present = 0;
  for (const uint64_t r : raw) targets |= r;
  if (strict_ && (targets >> 33 & 3) == 0) {
    const Rule rule = rules_[0];
    for (size_t i = 0; i < raw.size(); ++i) {
      out[i] = apply(rule, raw[i]);
      present += out[i] & 1;
    }
    return present;
  }
  for (size_t i = 0; i < raw.size(); ++i) {
    out[i] = translate(raw[i], lookups);
    present += out[i] & 1;
  }
  return present;
}

// spec/gpuvm-mechanisms.md 4.2: only the first 4 KiB of a VRAM page is checked, a frame of system memory that
// cannot be looked up becomes frame 0 and stays present, target 1 passes as it is (S5).
uint64_t EntryRules::reference(uint64_t raw, uint64_t& lookups) const {
  const fermi::Pte pte{raw};
  if (!pte.present()) return raw;
  switch (pte.aperture()) {
    case Aperture::kVram: {
      const uint64_t out = fermi::with_address_field(raw, 4, pte.address() + view_.vram_base);
      return pte.address() < view_.vram_bytes ? out : out & ~uint64_t{1};
    }
    case Aperture::kSystem:
    case Aperture::kSystemNoSnoop:
      ++lookups;
      return fermi::with_address_field(raw, 4,
                                       pte.address() < view_.ram_bytes ? view_.bus_base + pte.address() : 0);
    case Aperture::kInvalid:
      break;
  }
  return raw;
}

}  // namespace gpuvm
