// Texture and sampler headers as a launch sees them: decoded when first used and kept until the next one, as
// the hardware keeps them until a driver flushes.
#pragma once

#include <optional>
#include <unordered_map>

#include "emulator/shader/launch.h"
#include "emulator/shader/texture.h"

namespace gpuvm::shader {

class TextureCache {
 public:
  TextureCache(const TextureUnits& units, GlobalMemory& memory) : units_(units), memory_(memory) {}

  // Of an instruction's number; nullptr: none is bound. Good until the next call.
  const Texture* texture(unsigned binding);
  // An unbound one does as a header of zeroes says.
  const Sampler* sampler(unsigned binding);
  // The address of a header that cannot be read.
  const std::optional<uint64_t>& fault() const { return fault_; }

 private:
  static constexpr size_t kMaxHeaders = 256;
  std::optional<TextureHeader> read(uint64_t table, uint32_t index, uint32_t last);

  const TextureUnits& units_;
  GlobalMemory& memory_;
  std::unordered_map<uint32_t, Texture> textures_;
  std::unordered_map<uint32_t, Sampler> samplers_;
  Sampler none_;
  std::optional<uint64_t> fault_;
};

}  // namespace gpuvm::shader
