#include "traces/regmap/rnndb_variants.h"

#include <algorithm>

namespace gpuvm::rnn {
namespace {

using Enums = std::map<std::string, Enum, std::less<>>;

std::optional<size_t> position_of(const Enum& values, std::string_view name) {
  const auto found = values.positions.find(name);
  return found == values.positions.end() ? std::nullopt : std::optional(found->second);
}

// Marks one item of a list: A, A-B, A:B, A-, A:, -B, :B. False if it names no value.
bool mark(const Enum& values, std::string_view item, Budget& budget, std::vector<bool>* flags) {
  const size_t split = item.find_first_of("-:");
  if (split == std::string_view::npos) {
    const std::optional<size_t> at = position_of(values, item);
    if (at) (*flags)[*at] = true;
    return at.has_value();
  }
  size_t first = 0;
  size_t end = flags->size();
  if (const std::string_view name = item.substr(0, split); !name.empty()) {
    const std::optional<size_t> at = position_of(values, name);
    if (!at) return false;
    first = *at;
  }
  if (const std::string_view name = item.substr(split + 1); !name.empty()) {
    const std::optional<size_t> at = position_of(values, name);
    if (!at) return false;
    end = *at + (item[split] == '-' ? 1 : 0);
  }
  if (first < end && budget.spend(end - first)) {
    std::fill(flags->begin() + static_cast<ptrdiff_t>(first), flags->begin() + static_cast<ptrdiff_t>(end),
              true);
  }
  return true;
}

}  // namespace

VariantScope VariantScope::child(const Database& database, const Scope& scope, Budget& budget,
                                 std::string* problem) const {
  VariantScope result = *this;
  if (scope.prefix == "none") {
    result.prefix_ = nullptr;
  } else if (!scope.prefix.empty()) {
    const Enums::const_iterator found = database.enums.find(scope.prefix);
    result.prefix_ = found == database.enums.end() ? nullptr : &found->first;
  }
  result.varset_ = scope.varset;
  if (result.varset_.empty() && result.prefix_ == nullptr) result.varset_ = varset_;
  if (scope.variants.empty()) return result;

  const std::string& name = !result.varset_.empty()     ? result.varset_
                            : result.prefix_ != nullptr ? *result.prefix_
                                                        : result.varset_;
  const Enums::const_iterator found = database.enums.find(name);
  if (found == database.enums.end()) {
    *problem = fmt::format("variants=\"{}\" of no known enum (\"{}\")", scope.variants, name);
    return result;
  }
  const Enum& values = found->second;
  if (!budget.spend(scope.variants.size() + 2 * values.values.size())) return result;
  Flags flags(values.values.size() + 1);
  for (size_t at = 0; at < scope.variants.size();) {
    const size_t end = std::min(scope.variants.find(' ', at), scope.variants.size());
    const std::string_view item(scope.variants.data() + at, end - at);
    if (!item.empty() && !mark(values, item, budget, &flags)) {
      *problem = fmt::format("\"{}\" in variants=\"{}\" is no value of {}", item, scope.variants, name);
    }
    at = end + 1;
  }
  const auto same =
      std::find_if(result.sets_.begin(), result.sets_.end(), [&](const Set& s) { return *s.name == name; });
  if (same != result.sets_.end()) {
    for (size_t i = 0; i < flags.size(); ++i) flags[i] = flags[i] && (*same->flags)[i];
  }
  if (std::find(flags.begin(), flags.end(), true) == flags.end()) result.dead_ = true;
  const auto shared = std::make_shared<const Flags>(std::move(flags));
  if (same == result.sets_.end()) {
    result.sets_.push_back({&found->first, shared});
  } else {
    same->flags = shared;
  }
  return result;
}

bool VariantScope::alive(const Choice& choice) const {
  if (dead_) return false;
  return std::all_of(sets_.begin(), sets_.end(), [&](const Set& set) {
    const auto chosen = choice.find(*set.name);
    return chosen == choice.end() || chosen->second >= set.flags->size() || (*set.flags)[chosen->second];
  });
}

}  // namespace gpuvm::rnn
