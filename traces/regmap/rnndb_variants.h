// Variant sets of rnndb: which chips (or classes, or formats) something exists for.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "traces/regmap/rnndb_budget.h"
#include "traces/regmap/rnndb_model.h"

namespace gpuvm::rnn {

// What was chosen: per enum the position of a value in it; positions count from 0. The number of values
// itself stands for something newer than all of them, which open ranges reach.
using Choice = std::map<std::string, size_t, std::less<>>;

// The sets that hold at one place of the tree: its own and its ancestors'.
class VariantScope {
 public:
  // The scope of a child. `problem` takes one line if the variants make no sense (they then do not restrict).
  // Once `budget` is overdrawn, variants restrict no more.
  VariantScope child(const Database& database, const Scope& scope, Budget& budget,
                     std::string* problem) const;

  // An enum without a choice counts as a match, unless no variant is left at all.
  bool alive(const Choice& choice) const;

 private:
  using Flags = std::vector<bool>;  // one per value of an enum, and one for newer ones
  struct Set {
    const std::string* name;             // of the enum
    std::shared_ptr<const Flags> flags;  // shared with the scopes below
  };
  const std::string* prefix_ = nullptr;  // the active prefix's enum
  std::string varset_;
  std::vector<Set> sets_;
  bool dead_ = false;
};

}  // namespace gpuvm::rnn
