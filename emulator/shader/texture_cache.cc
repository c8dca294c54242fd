#include "emulator/shader/texture_cache.h"

#include <algorithm>

namespace gpuvm::shader {
namespace {

template <size_t N>
std::optional<uint32_t> bound(const std::array<TextureUnits::Binding, N>& bindings, unsigned index) {
  if (index >= N || !bindings[index].bound) return std::nullopt;
  return bindings[index].index;
}

}  // namespace

std::optional<TextureHeader> TextureCache::read(uint64_t table, uint32_t index, uint32_t last) {
  if (index > last) return std::nullopt;
  TextureHeader header{};
  std::span<std::byte> bytes = std::as_writable_bytes(std::span(header));
  // The table may begin anywhere: a header is then in two lines.
  for (uint64_t va = table + uint64_t{index} * kTextureHeaderBytes; !bytes.empty();) {
    const uint64_t part =
        std::min<uint64_t>(bytes.size(), GlobalMemory::kLineBytes - va % GlobalMemory::kLineBytes);
    if (!memory_.read(va, bytes.first(part))) {
      fault_ = va;
      return std::nullopt;
    }
    va += part;
    bytes = bytes.subspan(part);
  }
  return header;
}

const Texture* TextureCache::texture(unsigned binding) {
  const auto index = bound(units_.texture_bindings, binding);
  if (!index || fault_) return nullptr;
  auto at = textures_.find(*index);
  if (at == textures_.end()) {
    const auto header = read(units_.headers, *index, units_.last_header);
    if (!header) return nullptr;
    if (textures_.size() >= kMaxHeaders) textures_.clear();
    at = textures_.emplace(*index, decode_texture(*header)).first;
  }
  return &at->second;
}

const Sampler* TextureCache::sampler(unsigned binding) {
  const auto index = bound(units_.sampler_bindings, binding);
  if (!index || fault_) return &none_;
  auto at = samplers_.find(*index);
  if (at == samplers_.end()) {
    const auto header = read(units_.samplers, *index, units_.last_sampler);
    if (!header) return &none_;
    if (samplers_.size() >= kMaxHeaders) samplers_.clear();
    at = samplers_.emplace(*index, decode_sampler(*header)).first;
  }
  return &at->second;
}

}  // namespace gpuvm::shader
