#include "traces/format/time_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "traces/core/result.h"

namespace gpuvm::format {
namespace {

constexpr uint32_t kWorthTelling = 48;   // occurrences of a situation in the chunk
constexpr size_t kMostActive = 384;      // situations, the most frequent ones
constexpr unsigned kRounds = 3;          // of regrouping
constexpr float kTableCostBits = 180;    // what a further table takes in the file, about

using Histogram = std::array<uint32_t, 32>;
using Costs = std::array<float, 32>;

void choose_levels(std::span<const uint8_t> symbols, TimeModel& model, RansCounts& counts) {
  counts = {};
  for (uint8_t symbol : symbols) ++counts[symbol];
  uint64_t rest = symbols.size(), here = 0;
  unsigned level = 0;
  for (unsigned symbol = 0; symbol < kTimeSymbols; ++symbol) {
    model.level[symbol] = static_cast<uint8_t>(level);
    here += counts[symbol];
    if (level + 1 < kTimeLevels && here * (kTimeLevels - level) >= rest && here > 0) {
      rest -= here;
      here = 0;
      ++level;
    }
  }
}

// Bits that each symbol takes under the probabilities of `histogram`.
Costs costs_of(const Histogram& histogram) {
  float total = 0;
  for (uint32_t count : histogram) total += static_cast<float>(count) + 0.05f;
  Costs costs;
  for (size_t s = 0; s < costs.size(); ++s) costs[s] = std::log2(total / (static_cast<float>(histogram[s]) + 0.05f));
  return costs;
}

float cost(const Histogram& histogram, const Costs& costs) {
  float bits = 0;
  for (size_t s = 0; s < costs.size(); ++s) bits += static_cast<float>(histogram[s]) * costs[s];
  return bits;
}

}  // namespace

void TimeModel::store(Buffer& out) const {
  // Levels: where each one ends. Situations: runs of the same table.
  for (unsigned l = 0; l + 1 < kTimeLevels; ++l) {
    append_varint(out, static_cast<uint64_t>(std::upper_bound(level.begin(), level.end(), l) - level.begin()));
  }
  append_varint(out, frequencies.size());
  for (size_t at = 0; at < table_of.size();) {
    size_t run = 1;
    while (at + run < table_of.size() && table_of[at + run] == table_of[at]) ++run;
    out.push_back(table_of[at]);
    append_varint(out, run);
    at += run;
  }
  for (const RansCounts& table : frequencies) store_frequencies(out, table);
}

bool TimeModel::load(ByteReader& in) {
  size_t symbol = 0;
  for (unsigned l = 0; l < kTimeLevels; ++l) {
    uint64_t end = l + 1 < kTimeLevels ? in.varint() : kTimeSymbols;
    if (end < symbol || end > kTimeSymbols) return false;
    for (; symbol < end; ++symbol) level[symbol] = static_cast<uint8_t>(l);
  }
  uint64_t tables = in.varint();
  if (tables == 0 || tables > kMaxTimeTables) return false;
  for (size_t at = 0; at < table_of.size();) {
    uint8_t table = in.u8();
    uint64_t run = in.varint();
    if (!in.ok() || table >= tables || run == 0 || run > table_of.size() - at) return false;
    std::fill_n(table_of.begin() + static_cast<std::ptrdiff_t>(at), run, table);
    at += run;
  }
  frequencies.resize(tables);
  for (RansCounts& table : frequencies) {
    if (!load_frequencies(in, table)) return false;
  }
  return in.ok();
}

// Groups the active situations, so that those with like histograms share a table.
void TimeModeller::group(unsigned max_tables, TimeModel& model) {
  std::vector<Histogram> centres;
  std::vector<Costs> costs;
  std::vector<uint8_t> group_of(active_.size(), 0);
  Histogram all{};
  for (const Histogram& histogram : histograms_) {
    for (size_t s = 0; s < all.size(); ++s) all[s] += histogram[s];
  }
  centres.push_back(all);
  costs.push_back(costs_of(all));
  // The situation that its group serves worst gets a table of its own, as long as that pays.
  while (centres.size() < max_tables && centres.size() < active_.size()) {
    float most = kTableCostBits;
    size_t worst = active_.size();
    for (size_t a = 0; a < active_.size(); ++a) {
      float gain = cost(histograms_[a], costs[group_of[a]]) - cost(histograms_[a], costs_of(histograms_[a]));
      if (gain > most) most = gain, worst = a;
    }
    if (worst == active_.size()) break;
    centres.push_back(histograms_[worst]);
    costs.push_back(costs_of(histograms_[worst]));
    auto newest = static_cast<uint8_t>(centres.size() - 1);
    for (size_t a = 0; a < active_.size(); ++a) {
      if (cost(histograms_[a], costs[newest]) < cost(histograms_[a], costs[group_of[a]])) group_of[a] = newest;
    }
  }
  for (unsigned round = 0; round < kRounds; ++round) {
    std::fill(centres.begin(), centres.end(), Histogram{});
    for (size_t a = 0; a < active_.size(); ++a) {
      for (size_t s = 0; s < 32; ++s) centres[group_of[a]][s] += histograms_[a][s];
    }
    for (size_t c = 0; c < centres.size(); ++c) costs[c] = costs_of(centres[c]);
    for (size_t a = 0; a < active_.size(); ++a) {
      for (uint8_t c = 0; c < centres.size(); ++c) {
        if (cost(histograms_[a], costs[c]) < cost(histograms_[a], costs[group_of[a]])) group_of[a] = c;
      }
    }
  }
  model.frequencies.assign(centres.size(), RansCounts{});
  for (size_t a = 0; a < active_.size(); ++a) model.table_of[active_[a]] = group_of[a];
}

TimeModel TimeModeller::fit(std::span<const uint8_t> symbols, std::span<const uint8_t> classes, size_t lane_length,
                            unsigned max_tables, std::vector<uint8_t>& tables) {
  TimeModel model;
  RansCounts counts;
  choose_levels(symbols, model, counts);

  const size_t count = symbols.size();
  situations_.resize(count);
  situation_count_.assign(kTimeSituations, 0);
  unsigned history = 0;
  for (size_t i = 0; i < count; ++i) {
    if (i % lane_length == 0) history = 0;
    unsigned s = situation(i == 0 ? 0 : classes[i - 1], classes[i], history);
    situations_[i] = static_cast<uint16_t>(s);
    ++situation_count_[s];
    history = next_history(history, model.level[symbols[i]]);
  }

  active_.clear();
  for (unsigned s = 0; s < kTimeSituations; ++s) {
    if (situation_count_[s] >= kWorthTelling) active_.push_back(static_cast<uint16_t>(s));
  }
  std::sort(active_.begin(), active_.end(),
            [this](uint16_t a, uint16_t b) { return situation_count_[a] > situation_count_[b]; });
  if (active_.size() > kMostActive) active_.resize(kMostActive);

  // For grouping, the 31 most frequent symbols are told apart.
  std::array<uint8_t, kTimeSymbols> order, rank;
  std::iota(order.begin(), order.end(), uint8_t{0});
  std::stable_sort(order.begin(), order.end(), [&](uint8_t a, uint8_t b) { return counts[a] > counts[b]; });
  for (size_t r = 0; r < order.size(); ++r) rank[order[r]] = static_cast<uint8_t>(std::min<size_t>(r, 31));
  constexpr uint16_t kInactive = UINT16_MAX;
  std::vector<uint16_t> row_of(kTimeSituations, kInactive);
  for (size_t a = 0; a < active_.size(); ++a) row_of[active_[a]] = static_cast<uint16_t>(a);
  histograms_.assign(active_.size(), Histogram{});
  for (size_t i = 0; i < count; ++i) {
    uint16_t row = row_of[situations_[i]];
    if (row != kInactive) ++histograms_[row][rank[symbols[i]]];
  }
  group(max_tables, model);

  tables.resize(count);
  for (size_t i = 0; i < count; ++i) {
    uint8_t table = model.table_of[situations_[i]];
    tables[i] = table;
    ++model.frequencies[table][symbols[i]];
  }
  for (RansCounts& table : model.frequencies) {
    if (std::all_of(table.begin(), table.end(), [](uint32_t c) { return c == 0; })) table[0] = 1;
    normalise(table);
  }
  return model;
}

}  // namespace gpuvm::format
