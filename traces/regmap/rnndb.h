// envytools' register database as a namer: resolved once for one chip into sorted tables, in which document
// order decides between elements that claim the same address.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "traces/regmap/namer.h"
#include "traces/regmap/rnndb_model.h"

namespace gpuvm {

class RnndbNamer : public RegisterNamer {
 public:
  // `chip`: number in PMC.BOOT_0, e.g. 0x0c0; without one every variant counts as a match. A chip newer than
  // the database gets what its open ranges ("GF119-") say. Errors: no such domain, or more overlapping
  // elements than can be held.
  static Result<std::unique_ptr<RnndbNamer>> create(const rnn::Database& database,
                                                    std::optional<uint32_t> chip,
                                                    const std::string& domain = "NV_MMIO");
  ~RnndbNamer() override;

  RegisterHit find(uint64_t bar0_offset) const override;
  void decode(const RegisterHit& hit, uint64_t value, std::string* out) const override;

  // The chip's name in the database, empty if none was chosen or it is newer than all.
  const std::string& variant() const;
  // Places in the database that were left out for this chip ("variants of no known enum"), at most 100.
  const std::vector<std::string>& problems() const;

 private:
  struct Impl;
  explicit RnndbNamer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gpuvm
