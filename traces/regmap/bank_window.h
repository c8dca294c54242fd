// Windows whose target another register chooses: a bank selector in configuration space (the backplane
// windows of Broadcom's cards), or in a BAR (a PRAMIN window, an index and data pair).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "traces/program_access.h"

namespace gpuvm {

// Where registers are: a BAR (0-6), the bus outside every BAR (kNoBar), configuration space, or what windows
// lead to, which is numbered from kFirstWindowSpace on.
using RegisterSpace = uint16_t;
inline constexpr RegisterSpace kConfigRegisters = 0x100;
inline constexpr RegisterSpace kFirstWindowSpace = 0x101;

struct RegisterPlace {
  RegisterSpace space = 0;
  uint64_t offset = 0;
  bool bank_known = true;  // false: `offset` is the window's own, since nothing told where it leads
};

struct BankWindow {
  RegisterSpace from = 0;  // accesses to [first, last] there ...
  uint64_t first = 0;
  uint64_t last = 0;
  RegisterSpace space = 0;  // ... go to this space, to the selected base + (offset - first)
  RegisterSpace selector_space = 0;
  uint64_t selector = 0;  // 4 bytes
  uint32_t mask = ~0u;
  unsigned shift = 0;  // base = (selector & mask) << shift
};

// Follows the selectors of a trace. Windows do not lead into windows.
class BankState {
 public:
  explicit BankState(std::span<const BankWindow> windows) : windows_(windows), selected_(windows.size()) {}

  bool empty() const { return windows_.empty(); }
  // Every event, in order: what is written to a selector, or read from it, tells where its window leads.
  // `payload`: a program's access has its bytes there; plain events need none.
  void observe(const Event& event, Bytes payload = {}) {
    if (!windows_.empty()) for_each_plain(event, payload, [this](const Event& plain) { follow(plain); });
  }
  // Of an access, to a BAR or to configuration space.
  RegisterPlace place_of(const Event& access) const;

 private:
  struct Selected {
    uint32_t word = 0;
    uint32_t known = 0;  // mask of its known bits
  };
  void follow(const Event& event);

  std::span<const BankWindow> windows_;
  std::vector<Selected> selected_;  // beside windows_
};

}  // namespace gpuvm
