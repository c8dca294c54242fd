#include "traces/regmap/gf100_namer.h"

namespace gpuvm {

RegisterHit Gf100Namer::find(uint64_t bar0_offset) const {
  if (bar0_offset >= gf100::kMappedBytes) return {};
  const auto word = static_cast<uint32_t>(bar0_offset & ~uint64_t{3});
  std::string name = gf100::name_of(word);
  if (name.empty()) return {};
  return {.name = std::move(name), .type = word, .bits = 32, .exact = bar0_offset == word};
}

void Gf100Namer::decode(const RegisterHit& hit, uint64_t value, std::string* out) const {
  *out += gf100::decode(hit.type, static_cast<uint32_t>(value));
}

}  // namespace gpuvm
