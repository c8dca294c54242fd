#include "traces/format/time_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "traces/core/result.h"

namespace gpuvm::format {
namespace {

constexpr float kSplitCostBits = 200;  // what a further table and node take in the file, about

// n log2 n, which is most of what entropies are made of.
class NLogN {
 public:
  NLogN() {
    for (uint32_t n = 1; n < kSmall; ++n) small_[n] = compute(n);
  }
  float operator()(uint32_t n) const { return n < kSmall ? small_[n] : compute(n); }

 private:
  static constexpr uint32_t kSmall = 2048;
  static float compute(uint32_t n) { return static_cast<float>(n) * std::log2(static_cast<float>(n)); }
  std::array<float, kSmall> small_{};
};

const NLogN kNLogN;

// Bits for the symbols of `histogram` under their own probabilities.
template <typename Histogram>
float entropy_bits(const Histogram& histogram) {
  uint32_t total = 0;
  float bits = 0;
  for (uint32_t count : histogram) {
    total += count;
    bits -= kNLogN(count);
  }
  return bits + kNLogN(total);
}

template <typename Histogram>
void add_to(Histogram& sum, const Histogram& more) {
  for (size_t s = 0; s < sum.size(); ++s) sum[s] += more[s];
}

// Levels of about equal weight.
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

}  // namespace

void TimeModel::store(Buffer& out) const {
  for (unsigned l = 0; l + 1 < kTimeLevels; ++l) {
    append_varint(out,
                  static_cast<uint64_t>(std::upper_bound(level.begin(), level.end(), l) - level.begin()));
  }
  for (const Node& node : nodes) {
    out.push_back(node.threshold == 0 ? uint8_t{0}
                                      : static_cast<uint8_t>(node.feature << 3 | node.threshold));
  }
  store_frequencies(out, codes);
}

bool TimeModel::load(ByteReader& in) {
  size_t symbol = 0;
  for (unsigned l = 0; l < kTimeLevels; ++l) {
    uint64_t end = l + 1 < kTimeLevels ? in.varint() : kTimeSymbols;
    if (end < symbol || end > kTimeSymbols) return false;
    for (; symbol < end; ++symbol) level[symbol] = static_cast<uint8_t>(l);
  }
  nodes.clear();
  std::vector<size_t> open;  // inner nodes whose second child is still to come
  uint8_t tables = 0;
  for (bool complete = false; !complete;) {
    uint8_t byte = in.u8();
    if (!in.ok() || nodes.size() >= 2 * kMaxTimeTables) return false;
    Node node{.feature = static_cast<uint8_t>(byte >> 3), .threshold = static_cast<uint8_t>(byte & 7)};
    if (byte != 0) {
      if (node.threshold == 0 || node.feature >= kTimeFeatures) return false;
      open.push_back(nodes.size());
      nodes.push_back(node);
      continue;
    }
    if (tables >= kMaxTimeTables) return false;
    node.table = tables++;
    nodes.push_back(node);
    if (open.empty()) {
      complete = true;
    } else {
      nodes[open.back()].other = static_cast<uint8_t>(nodes.size());
      open.pop_back();
    }
  }
  frequencies.resize(tables);
  return load_frequencies(in, frequencies) && in.ok();
}

void TimeModeller::count(std::span<const uint8_t> symbols, std::span<const uint8_t> classes,
                         size_t lane_length, const TimeModel& model, const RansCounts& counts) {
  std::array<uint8_t, kTimeSymbols> order, rank;
  std::iota(order.begin(), order.end(), uint8_t{0});
  std::sort(order.begin(), order.end(),
            [&](uint8_t a, uint8_t b) { return counts[a] != counts[b] ? counts[a] > counts[b] : a < b; });
  for (size_t r = 0; r < order.size(); ++r)
    rank[order[r]] = static_cast<uint8_t>(std::min<size_t>(r, kRanks - 1));

  row_of_.resize(kTimeSituations, 0);
  row_situations_.clear();
  histograms_.clear();
  event_rows_.resize(symbols.size());
  unsigned history = 0, class_before = 0;
  for (size_t i = 0, lane_end = 0; i < symbols.size(); ++i) {
    if (i == lane_end) {
      history = 0;
      lane_end += lane_length;
    }
    unsigned where = situation(class_before, classes[i], history);
    class_before = classes[i];
    uint32_t& row = row_of_[where];
    if (row == 0) {
      row_situations_.push_back(where);
      histograms_.emplace_back();
      row = static_cast<uint32_t>(histograms_.size());
    }
    event_rows_[i] = row - 1;
    ++histograms_[row - 1][rank[symbols[i]]];
    history = next_history(history, model.level[symbols[i]]);
  }
  for (uint32_t where : row_situations_) row_of_[where] = 0;
}

void TimeModeller::find_split(Leaf& leaf) const {
  leaf.gain = 0;
  if (leaf.rows.size() < 2) return;
  std::array<std::array<Histogram, 8>, kTimeFeatures> by_value{};
  for (uint32_t row : leaf.rows) {
    for (unsigned f = 0; f < kTimeFeatures; ++f)
      add_to(by_value[f][feature_of(row_situations_[row], f)], histograms_[row]);
  }
  Histogram all{};
  for (const Histogram& part : by_value[0]) add_to(all, part);
  float whole = entropy_bits(all);
  if (whole < kSplitCostBits) return;
  for (unsigned f = 0; f < kTimeFeatures; ++f) {
    Histogram low{}, high = all;
    for (unsigned threshold = 1; threshold < 8; ++threshold) {
      const Histogram& moved = by_value[f][threshold - 1];
      if (std::all_of(moved.begin(), moved.end(), [](uint32_t c) { return c == 0; })) continue;
      for (size_t s = 0; s < kRanks; ++s) low[s] += moved[s], high[s] -= moved[s];
      float gain = whole - entropy_bits(low) - entropy_bits(high);
      if (gain > leaf.gain) {
        leaf.gain = gain;
        leaf.feature = static_cast<uint8_t>(f);
        leaf.threshold = static_cast<uint8_t>(threshold);
      }
    }
  }
}

void TimeModeller::grow(unsigned max_tables) {
  leaves_.clear();
  leaves_.emplace_back();
  leaves_[0].rows.resize(histograms_.size());
  std::iota(leaves_[0].rows.begin(), leaves_[0].rows.end(), 0u);
  find_split(leaves_[0]);
  for (unsigned tables = 1; tables < max_tables; ++tables) {
    size_t best = 0;
    for (size_t l = 0; l < leaves_.size(); ++l) {
      if (leaves_[l].low < 0 && (leaves_[best].low >= 0 || leaves_[l].gain > leaves_[best].gain)) best = l;
    }
    if (leaves_[best].low >= 0 || leaves_[best].gain < kSplitCostBits) return;
    Leaf low, high;
    for (uint32_t row : leaves_[best].rows) {
      bool below = feature_of(row_situations_[row], leaves_[best].feature) < leaves_[best].threshold;
      (below ? low : high).rows.push_back(row);
    }
    find_split(low);
    find_split(high);
    leaves_[best].low = static_cast<int>(leaves_.size());
    leaves_.push_back(std::move(low));
    leaves_[best].high = static_cast<int>(leaves_.size());
    leaves_.push_back(std::move(high));
  }
}

void TimeModeller::write_tree(size_t leaf, TimeModel& model) {
  const Leaf& from = leaves_[leaf];
  if (from.low < 0) {
    auto table = static_cast<uint8_t>(model.frequencies.size());
    for (uint32_t row : from.rows) row_tables_[row] = table;
    model.nodes.push_back({.table = table});
    model.frequencies.emplace_back();
    return;
  }
  size_t at = model.nodes.size();
  model.nodes.push_back({.feature = from.feature, .threshold = from.threshold});
  write_tree(static_cast<size_t>(from.low), model);
  model.nodes[at].other = static_cast<uint8_t>(model.nodes.size());
  write_tree(static_cast<size_t>(from.high), model);
}

TimeModel TimeModeller::fit(std::span<const uint8_t> symbols, std::span<const uint8_t> classes,
                            size_t lane_length, unsigned max_tables, std::vector<uint8_t>& tables) {
  TimeModel model;
  RansCounts counts;
  choose_levels(symbols, model, counts);
  count(symbols, classes, lane_length, model, counts);
  grow(max_tables);
  row_tables_.resize(histograms_.size());
  write_tree(0, model);

  tables.resize(symbols.size());
  for (size_t i = 0; i < symbols.size(); ++i) {
    uint8_t table = row_tables_[event_rows_[i]];
    tables[i] = table;
    ++model.frequencies[table][symbols[i]];
  }
  for (RansCounts& table : model.frequencies) {
    model.codes.push_back(codes_of(table));
    table = frequencies_of(model.codes.back());
  }
  return model;
}

}  // namespace gpuvm::format
