#include "traces/regmap/rnndb.h"

#include <algorithm>
#include <array>
#include <set>

#include "traces/regmap/chips.h"
#include "traces/regmap/rnndb_types.h"

namespace gpuvm {
namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxCandidates = 4 << 20;  // in all tables
constexpr uint64_t kForever = ~uint64_t{0};
constexpr uint64_t kMaxTries = 256;  // of overlapping copies of a stripe at one address
constexpr size_t kMaxSteps = 20000;  // of one look-up, all levels together
constexpr size_t kMaxName = 1024;    // characters of a name that was put together

uint64_t add_capped(uint64_t a, uint64_t b) {
  return a > kForever - b ? kForever : a + b;
}
uint64_t multiply_capped(uint64_t a, uint64_t b) {
  return b != 0 && a > kForever / b ? kForever : a * b;
}

// The addresses [first, end) that something may claim.
struct Extent {
  uint64_t first = kForever;
  uint64_t end = 0;
  bool empty() const { return first >= end; }
  bool holds(uint64_t address) const { return address >= first && (address < end || end == kForever); }
};

struct Node {
  rnn::ElementKind kind = rnn::ElementKind::kRegister;
  std::string name;
  uint64_t offset = 0;
  uint64_t length = 1;
  uint64_t stride = 0;
  unsigned bits = 0;      // registers
  uint64_t span = 0;      // registers: addresses of one element
  uint32_t type = 0;      // registers
  uint32_t children = 0;  // others: their table
  Extent inside;          // stripes: what one copy's children claim, from the copy's start
  Extent extent;          // from the parent's start
};

// The elements of one level: addresses cut at every beginning and end, and for each piece who claims it, in
// document order.
struct Table {
  std::vector<uint64_t> starts;      // of the pieces, sorted
  std::vector<uint32_t> candidates;  // node numbers, all pieces' one after the other
  std::vector<uint32_t> ends;        // per piece: end in `candidates`
};

struct Lookup {
  RegisterHit* hit;
  size_t steps = 0;
};

// An index that a stripe without a name hands down, to be printed after its child's name.
struct Indices {
  std::array<uint64_t, kMaxDepth> values{};
  size_t count = 0;
};

void append_hex(uint64_t value, std::string* out) {
  if (value == 0) {
    *out += '0';
    return;
  }
  fmt::format_to(std::back_inserter(*out), "0x{:x}", value);
}

void append_index(uint64_t index, std::string* out) {
  *out += '[';
  append_hex(index, out);
  *out += ']';
}

}  // namespace

struct RnndbNamer::Impl {
  Impl(const rnn::Database& database_in, rnn::Choice choice_in, uint64_t unit_in)
      : database(&database_in),
        choice(std::move(choice_in)),
        types(database_in, choice, budget),
        unit(unit_in) {}

  // --- Resolving.

  Status spend(uint64_t units) {
    if (budget.spend(units)) return Ok{};
    return error(
        "the register database unfolds to more than can be held; it is not envytools', or it is damaged");
  }

  void add_problem(const std::string& text) {
    if (problems.size() < rnn::Database::kMaxProblems)
      problems.push_back(text.substr(0, rnn::Database::kMaxProblemText));
  }

  Result<uint32_t> resolve(const std::vector<rnn::Element>& elements, const rnn::VariantScope& scope,
                           int depth, Extent* extent) {
    std::vector<uint32_t> alive;
    for (const rnn::Element& element : elements) {
      GPUVM_TRY_STATUS(spend(sizeof(Node) + element.name.size()));
      std::string problem;
      const rnn::VariantScope own = scope.child(*database, element.scope, budget, &problem);
      if (!problem.empty()) add_problem(fmt::format("{}: {}", element.name, problem));
      if (!own.alive(choice)) continue;
      GPUVM_TRY(const std::optional<Node> node, resolve_element(element, own, depth));
      if (!node || node->extent.empty()) continue;
      extent->first = std::min(extent->first, node->extent.first);
      extent->end = std::max(extent->end, node->extent.end);
      alive.push_back(static_cast<uint32_t>(nodes.size()));
      nodes.push_back(std::move(*node));
    }
    return add_table(alive);
  }

  Result<std::optional<Node>> resolve_element(const rnn::Element& element, const rnn::VariantScope& scope,
                                              int depth) {
    Node node{.kind = element.kind,
              .name = element.name,
              .offset = element.offset,
              .length = element.length,
              .stride = element.stride,
              .bits = element.width,
              .inside = {},
              .extent = {}};
    if (element.kind == rnn::ElementKind::kRegister) {
      node.span = element.width / unit;
      if (node.span == 0) return std::optional<Node>();  // narrower than the domain's unit
      if (node.stride == 0 && node.length != 1) node.stride = node.span;
      node.type = types.add(element.spec, element.width, scope);
      node.extent = repeated(node, {0, node.span});
      return std::optional<Node>(std::move(node));
    }
    if (depth >= kMaxDepth)
      return error("{}: the register database nests more than {} deep", element.name, kMaxDepth);
    const std::vector<rnn::Element>* children = &element.children;
    if (element.kind == rnn::ElementKind::kUseGroup) {
      const auto group = database->groups.find(element.name);
      if (group == database->groups.end()) {
        add_problem(fmt::format("use-group \"{}\": no such group", element.name));
        return std::optional<Node>();
      }
      children = &group->second;
      node = {.kind = rnn::ElementKind::kStripe, .name = {}, .inside = {}, .extent = {}};
    }
    GPUVM_TRY(node.children, resolve(*children, scope, depth + 1, &node.inside));
    // An array owns all of its range, a stripe what its children claim.
    node.extent =
        repeated(node, node.kind == rnn::ElementKind::kArray ? Extent{0, node.stride} : node.inside);
    return std::optional<Node>(std::move(node));
  }

  static Extent repeated(const Node& node, const Extent& one) {
    if (one.empty()) return {};
    const uint64_t last =
        node.length == 0 ? (node.stride == 0 ? 0 : kForever) : multiply_capped(node.length - 1, node.stride);
    return {add_capped(node.offset, one.first), add_capped(add_capped(node.offset, last), one.end)};
  }

  Result<uint32_t> add_table(const std::vector<uint32_t>& alive) {
    struct Edge {
      uint64_t address;
      bool begin;
      uint32_t node;
    };
    std::vector<Edge> edges;
    for (const uint32_t node : alive) {
      edges.push_back({nodes[node].extent.first, true, node});
      if (nodes[node].extent.end != kForever) edges.push_back({nodes[node].extent.end, false, node});
    }
    std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.address < b.address; });
    GPUVM_TRY_STATUS(spend(edges.size() * sizeof(Edge)));
    Table table;
    std::set<uint32_t> active;  // node numbers grow in document order
    for (size_t i = 0; i < edges.size();) {
      const uint64_t address = edges[i].address;
      for (; i < edges.size() && edges[i].address == address; ++i) {
        if (edges[i].begin) {
          active.insert(edges[i].node);
        } else {
          active.erase(edges[i].node);
        }
      }
      candidate_count += active.size();
      if (candidate_count > kMaxCandidates)
        return error("the register database has too many overlapping elements");
      table.starts.push_back(address);
      table.candidates.insert(table.candidates.end(), active.begin(), active.end());
      table.ends.push_back(static_cast<uint32_t>(table.candidates.size()));
    }
    tables.push_back(std::move(table));
    return static_cast<uint32_t>(tables.size() - 1);
  }

  // --- Looking up.

  bool match(uint32_t table_number, uint64_t address, const Indices& indices, int depth, Lookup* look) const {
    const Table& table = tables[table_number];
    const auto after = std::upper_bound(table.starts.begin(), table.starts.end(), address);
    if (after == table.starts.begin() || depth > kMaxDepth) return false;
    const auto piece = static_cast<size_t>(after - table.starts.begin() - 1);
    const uint32_t begin = piece == 0 ? 0 : table.ends[piece - 1];
    for (uint32_t i = begin; i < table.ends[piece]; ++i) {
      if (match_node(nodes[table.candidates[i]], address, indices, depth, look)) return true;
    }
    return false;
  }

  bool match_node(const Node& node, uint64_t address, const Indices& indices, int depth, Lookup* look) const {
    if (++look->steps > kMaxSteps || look->hit->name.size() > kMaxName) return false;
    switch (node.kind) {
      case rnn::ElementKind::kRegister:
        return match_register(node, address, indices, look->hit);
      case rnn::ElementKind::kArray:
        return match_array(node, address, indices, depth, look);
      default:
        return match_stripe(node, address, indices, depth, look);
    }
  }

  static void append_name(const Node& node, const Indices& indices, uint64_t index, std::string* out) {
    if (!out->empty() && !node.name.empty()) *out += '.';
    *out += node.name;
    for (size_t i = 0; i < indices.count; ++i) append_index(indices.values[i], out);
    if (node.length != 1) append_index(index, out);
  }

  static bool match_register(const Node& node, uint64_t address, const Indices& indices, RegisterHit* hit) {
    const uint64_t distance = address - node.offset;
    const uint64_t index = node.stride == 0 ? 0 : distance / node.stride;
    const uint64_t rest = node.stride == 0 ? distance : distance % node.stride;
    if (address < node.offset || rest >= node.span || (node.length != 0 && index >= node.length))
      return false;
    append_name(node, indices, index, &hit->name);
    if (rest != 0) {
      hit->name += '+';
      append_hex(rest, &hit->name);
    }
    hit->type = node.type;
    hit->bits = node.bits;
    hit->exact = rest == 0;
    return true;
  }

  bool match_array(const Node& node, uint64_t address, const Indices& indices, int depth,
                   Lookup* look) const {
    if (address < node.offset) return false;
    const uint64_t index = (address - node.offset) / node.stride;
    const uint64_t rest = (address - node.offset) % node.stride;
    if (node.length != 0 && index >= node.length) return false;
    append_name(node, indices, index, &look->hit->name);
    if (match(node.children, rest, {}, depth + 1, look)) return true;
    // The array owns the address even where none of its registers is; later elements never get it.
    look->hit->name += '+';
    append_hex(rest, &look->hit->name);
    look->hit->bits = 0;
    return true;
  }

  bool match_stripe(const Node& node, uint64_t address, const Indices& indices, int depth,
                    Lookup* look) const {
    if (address < node.offset || node.inside.empty()) return false;
    const uint64_t distance = address - node.offset;
    // Only these copies reach the address; the first that holds it wins.
    uint64_t first = 0, last = 0;
    if (node.stride != 0) {
      if (distance < node.inside.first) return false;
      last = (distance - node.inside.first) / node.stride;
      if (node.inside.end != kForever && distance >= node.inside.end) {
        first = (distance - node.inside.end) / node.stride + 1;
      }
      if (node.length != 0) last = std::min(last, node.length - 1);
    }
    for (uint64_t index = first; index <= last && index - first < kMaxTries; ++index) {
      const uint64_t rest = distance - node.stride * index;
      if (!node.inside.holds(rest)) continue;
      const size_t length = look->hit->name.size();
      Indices handed_down;
      if (node.name.empty()) {
        handed_down = indices;
        if (node.length != 1 && handed_down.count < handed_down.values.size()) {
          handed_down.values[handed_down.count++] = index;
        }
      } else {
        append_name(node, indices, index, &look->hit->name);
      }
      if (match(node.children, rest, handed_down, depth + 1, look)) return true;
      look->hit->name.resize(length);
    }
    return false;
  }

  const rnn::Database* database;  // while resolving only
  rnn::Choice choice;
  rnn::Budget budget;
  rnn::TypeTable types;
  uint64_t unit;
  std::string variant;
  std::vector<std::string> problems;
  std::vector<Node> nodes;
  std::vector<Table> tables;
  size_t candidate_count = 0;
  uint32_t root = 0;
};

namespace {

// The position of a chip in the enum "chipset", whose order is that of architectures.
std::optional<size_t> chip_position(const rnn::Enum& chips, uint32_t chip) {
  uint64_t newest = 0;
  for (size_t i = 0; i < chips.values.size(); ++i) {
    const rnn::Value& value = chips.values[i];
    if (value.value == chip || (!value.value && value.name == chip_name(chip))) return i;
    newest = std::max(newest, value.value.value_or(0));
  }
  if (chip > newest) return chips.values.size();
  return std::nullopt;
}

}  // namespace

RnndbNamer::RnndbNamer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RnndbNamer::~RnndbNamer() = default;

Result<std::unique_ptr<RnndbNamer>> RnndbNamer::create(const rnn::Database& database,
                                                       std::optional<uint32_t> chip,
                                                       const std::string& domain) {
  const auto found = database.domains.find(domain);
  if (found == database.domains.end()) return error("the register database has no domain {}", domain);
  rnn::Choice choice;
  std::string variant;
  if (const auto chips = database.enums.find("chipset"); chip && chips != database.enums.end()) {
    if (const std::optional<size_t> position = chip_position(chips->second, *chip)) {
      choice["chipset"] = *position;
      if (*position < chips->second.values.size()) variant = chips->second.values[*position].name;
    }
  }
  auto impl = std::make_unique<Impl>(database, std::move(choice), found->second.width);
  impl->variant = variant;
  std::string problem;
  const rnn::VariantScope scope =
      rnn::VariantScope().child(database, found->second.scope, impl->budget, &problem);
  Extent extent;
  GPUVM_TRY(impl->root, impl->resolve(found->second.elements, scope, 0, &extent));
  // Types that went over it are hex; names alone would say less than they seem to.
  GPUVM_TRY_STATUS(impl->spend(0));
  for (const auto& [name, uses] : impl->types.unknown_types()) {
    impl->add_problem(fmt::format("type \"{}\" is not known, {} uses are shown in hex", name, uses));
  }
  impl->types.seal();
  impl->database = nullptr;
  return std::unique_ptr<RnndbNamer>(new RnndbNamer(std::move(impl)));
}

RegisterHit RnndbNamer::find(uint64_t bar0_offset) const {
  RegisterHit hit;
  Lookup look{.hit = &hit};
  if (!impl_->match(impl_->root, bar0_offset, {}, 0, &look)) return {};
  return hit;
}

void RnndbNamer::decode(const RegisterHit& hit, uint64_t value, std::string* out) const {
  impl_->types.decode(hit.type, value, hit.bits, out);
}

const std::string& RnndbNamer::variant() const {
  return impl_->variant;
}
const std::vector<std::string>& RnndbNamer::problems() const {
  return impl_->problems;
}

}  // namespace gpuvm
