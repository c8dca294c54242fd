// The macro engine of the 3D and the compute class: small programs that a driver uploads and calls by a
// method, and that send methods themselves. Source: envytools docs, hw/graph/gf100/mme.
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <vector>

#include "emulator/card/engine.h"
#include "emulator/card/method_state.h"

namespace gpuvm {

// What the classes of a channel share: programs uploaded through one can be called through the other.
struct MacroMemory {
  static constexpr uint32_t kWords = 2048, kMacros = 128;

  std::array<uint32_t, kWords> code{};
  std::array<uint32_t, kMacros> start{};
  uint32_t code_position = 0, start_index = 0;
};

class MacroEngine {
 public:
  static constexpr uint32_t kCodePosition = 0x114, kCodeData = 0x118, kStartIndex = 0x11c, kStart = 0x120;
  static constexpr uint32_t kFirstCall = 0x3800;

  explicit MacroEngine(MacroMemory& memory) : memory_(memory) {}

  static bool takes(uint32_t method) {
    return method >= kFirstCall || (method >= kCodePosition && method <= kStart);
  }
  // An upload, the first word of a call, or a parameter of the call in progress. What the macro sends goes to
  // `object`; it reads from `state`.
  std::optional<MmuFault> method(EngineObject& object, const MethodState& state, MethodContext& context,
                                 uint32_t method, uint32_t value);

 private:
  // More in one call are an endless loop.
  static constexpr uint32_t kMaxSteps = 1 << 16;

  struct Send {
    uint32_t method, value;
  };
  std::optional<MmuFault> run(EngineObject& object, const MethodState& state, MethodContext& context);
  void start_over();
  uint32_t result_of(const MethodState& state, uint32_t word);
  uint32_t reg(unsigned index) const { return index == 0 ? 0 : registers_[index]; }
  void set(unsigned index, uint32_t value) {
    if (index != 0) registers_[index] = value;
  }
  void send(uint32_t value);

  MacroMemory& memory_;
  std::array<uint32_t, 8> registers_{};
  std::deque<uint32_t> parameters_;
  std::optional<Send> sending_;  // not taken yet, because the guest's time was up
  bool running_ = false;
  bool carry_ = false;
  bool ending_ = false;  // the next instruction is the last
  uint32_t pc_ = 0;
  std::optional<uint32_t> jump_;  // after the next instruction
  uint32_t address_ = 0;          // method, and in 17:12 what it moves on by
};

}  // namespace gpuvm
