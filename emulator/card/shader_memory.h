// The channel's address space as shaders use it: with the translations of a turn kept.
#pragma once

#include <array>
#include <optional>

#include "emulator/card/engine.h"
#include "emulator/shader/launch.h"

namespace gpuvm {

class ShaderMemory : public shader::GlobalMemory {
 public:
  // A turn begins: page tables may have changed since the last one.
  void set_turn(MethodContext& context) {
    context_ = &context;
    for (Entry& entry : entries_) entry.bytes = 0;
  }
  bool read(uint64_t va, std::span<std::byte> out) override;
  bool write(uint64_t va, std::span<const std::byte> in) override;
  // What the first access that failed ran into.
  const std::optional<MmuFault>& fault() const { return fault_; }

 private:
  // A small page's part of a translation.
  struct Entry {
    uint64_t page = 0, bytes = 0;  // virtual; no bytes: empty
    Aperture aperture = Aperture::kInvalid;
    bool read_only = false;
    uint64_t address = 0;
  };
  static constexpr uint64_t kPage = 4096;

  const Entry* find(uint64_t va, bool write);
  bool fail(const MmuFault& fault) {
    if (!fault_) fault_ = fault;
    return false;
  }

  MethodContext* context_ = nullptr;
  std::array<Entry, 256> entries_{};
  std::optional<MmuFault> fault_;
};

}  // namespace gpuvm
