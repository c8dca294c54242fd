#include "traces/regmap/namer.h"

#include <fmt/format.h>

namespace gpuvm {
namespace {

constexpr size_t kSlots = 1 << 14;

}  // namespace

NamedAccess name_access(const RegisterNamer& namer, const RegisterPlace& place, unsigned width) {
  NamedAccess named;
  named.full = width != 0;
  for (unsigned byte = 0; byte < width;) {
    RegisterPlace at = place;
    at.offset += byte;
    NamedAccess::Part part{.hit = namer.find_at(at), .shift = 8 * byte};
    const unsigned bytes = part.hit.bits / 8;
    const bool whole = part.hit.exact && bytes != 0 && byte + bytes <= width;
    if (!part.hit.name.empty()) {
      if (!named.name.empty()) named.name += ',';
      named.name += part.hit.name;
    }
    if (!whole) named.full = false;
    named.parts.push_back(std::move(part));
    // An access into a register or a block: its one name says all there is to say.
    if (!whole) break;
    byte += bytes;
  }
  return named;
}

AccessNamer::AccessNamer(const RegisterNamer& namer)
    : namer_(namer), beyond_bar0_(namer.beyond_bar0()), banks_(namer.windows()), slots_(kSlots) {}

AccessNamer::Slot& AccessNamer::slot_of(const Event& access) {
  RegisterPlace place{.space = access.space, .offset = access.address};
  if (!is_mmio(access.kind) || access.space != 0) {
    const bool config = is_config(access.kind);
    if (!beyond_bar0_ || (!is_mmio(access.kind) && !config)) return none_;
  }
  if (beyond_bar0_) place = banks_.place_of(access);
  const uint32_t key = place.space * 32u + (place.bank_known ? 16u : 0) + (access.width & 15u);
  const uint64_t hash = (place.offset >> 2 ^ uint64_t{place.space} << 40) * 0x9e3779b97f4a7c15u;
  Slot& slot = slots_[(hash >> 40 ^ place.offset ^ access.width) % kSlots];
  if (slot.key != key || slot.offset != place.offset) {
    slot.key = key;
    slot.offset = place.offset;
    slot.named = name_access(namer_, place, access.width);
    slot.decoded = false;
  }
  return slot;
}

const NamedAccess& AccessNamer::name(const Event& access) {
  return slot_of(access).named;
}

std::string_view AccessNamer::decode(const Event& access) {
  Slot& slot = slot_of(access);
  if (!slot.named.full || (access.flags & kFlagValueUnknown) != 0) return {};
  const uint64_t value = access.value & width_mask(access.width);
  if (slot.decoded && slot.value == value) return slot.text;
  slot.text.clear();
  for (const NamedAccess::Part& part : slot.named.parts) {
    if (!slot.text.empty()) slot.text += ", ";
    namer_.decode(part.hit, (part.shift < 64 ? value >> part.shift : 0) & width_mask(part.hit.bits / 8),
                  &slot.text);
  }
  slot.value = value;
  slot.decoded = true;
  return slot.text;
}

}  // namespace gpuvm
