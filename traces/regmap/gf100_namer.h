// Our own register map behind the naming interface.
#pragma once

#include "traces/regmap/gf100.h"
#include "traces/regmap/namer.h"

namespace gpuvm {

class Gf100Namer : public RegisterNamer {
 public:
  RegisterHit find(uint64_t bar0_offset) const override;
  void decode(const RegisterHit& hit, uint64_t value, std::string* out) const override;
};

}  // namespace gpuvm
