#include "traces/regmap/bank_window.h"

#include <algorithm>

namespace gpuvm {
namespace {

RegisterSpace space_of(const Event& access) {
  return is_config(access.kind) ? kConfigRegisters : access.space;
}

}  // namespace

void BankState::follow(const Event& event) {
  if (event.kind == EventKind::kReset) {
    std::ranges::fill(selected_, Selected{});
    return;
  }
  if (!is_mmio(event.kind) && !is_config(event.kind)) return;
  const RegisterSpace space = space_of(event);
  for (size_t i = 0; i < windows_.size(); ++i) {
    const BankWindow& window = windows_[i];
    if (window.selector_space != space || event.address >= window.selector + 4 ||
        window.selector >= event.address + event.width)
      continue;
    Selected& now = selected_[i];
    for (unsigned byte = 0; byte < 4; ++byte) {
      const uint64_t at = window.selector + byte;
      if (at < event.address || at >= event.address + event.width) continue;
      const uint32_t mask = 0xffu << (8 * byte);
      const uint64_t place = at - event.address;  // a trace may hold any width, a value eight bytes
      const auto value = static_cast<uint32_t>(place < 8 ? event.value >> (8 * place) & 0xff : 0);
      const bool told = (event.flags & kFlagValueUnknown) == 0;
      now.word = (now.word & ~mask) | value << (8 * byte);
      now.known = told ? now.known | mask : now.known & ~mask;
    }
  }
}

RegisterPlace BankState::place_of(const Event& access) const {
  const RegisterSpace space = space_of(access);
  for (size_t i = 0; i < windows_.size(); ++i) {
    const BankWindow& window = windows_[i];
    if (window.from != space || access.address < window.first || access.address > window.last) continue;
    const uint64_t inside = access.address - window.first;
    const Selected& now = selected_[i];
    if ((window.mask & ~now.known) != 0)
      return {.space = window.space, .offset = inside, .bank_known = false};
    return {.space = window.space,
            .offset = (static_cast<uint64_t>(now.word & window.mask) << window.shift) + inside};
  }
  return {.space = space, .offset = access.address};
}

}  // namespace gpuvm
