// A table of names as a namer, above another one that answers where the table says nothing.
#pragma once

#include <memory>
#include <vector>

#include "traces/regmap/name_table.h"
#include "traces/regmap/namer.h"
#include "traces/regmap/rnndb.h"

namespace gpuvm {

class TableNamer : public RegisterNamer {
 public:
  // `base` may be null; it names BAR0 only. Errors: the table's elements overlap in too many ways.
  static Result<std::unique_ptr<TableNamer>> create(NameTable table, std::unique_ptr<RegisterNamer> base);

  RegisterHit find(uint64_t bar0_offset) const override {
    return find_at({.space = 0, .offset = bar0_offset});
  }
  RegisterHit find_at(const RegisterPlace& place) const override;
  void decode(const RegisterHit& hit, uint64_t value, std::string* out) const override;
  bool beyond_bar0() const override { return true; }
  std::span<const BankWindow> windows() const override { return table_.windows; }

 private:
  TableNamer(NameTable table, std::unique_ptr<RegisterNamer> base)
      : table_(std::move(table)), base_(std::move(base)) {}

  NameTable table_;
  std::unique_ptr<RegisterNamer> base_;
  struct Space {
    RegisterSpace space;
    std::unique_ptr<RnndbNamer> names;
  };
  std::vector<Space> spaces_;  // RegisterHit::map is the place here + 1
};

}  // namespace gpuvm
