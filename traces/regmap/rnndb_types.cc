#include "traces/regmap/rnndb_types.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

namespace gpuvm::rnn {
namespace {

constexpr int kMaxDepth = 16;             // of fields in fields
constexpr size_t kMaxDecodeSteps = 4096;  // fields that one value is taken apart into

struct PlainType {
  std::string_view name;
  TypeKind kind;
};
constexpr std::array kPlainTypes = std::to_array<PlainType>({
    {"hex", TypeKind::kHex},
    {"uint", TypeKind::kUint},
    {"int", TypeKind::kInt},
    {"float", TypeKind::kFloat},
    {"boolean", TypeKind::kBoolean},
    {"fixed", TypeKind::kFixed},
    {"ufixed", TypeKind::kUfixed},
});

// As printf's %#x: zero has no 0x.
void append_hex(uint64_t value, std::string* out) {
  if (value == 0) {
    out->push_back('0');
    return;
  }
  fmt::format_to(std::back_inserter(*out), "0x{:x}", value);
}

uint64_t mask_of(unsigned bits) {
  return bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
}

// Two's complement of `bits` bits.
int64_t signed_of(uint64_t value, unsigned bits) {
  if (bits == 0 || bits >= 64) return static_cast<int64_t>(value);
  const uint64_t sign = uint64_t{1} << (bits - 1);
  return static_cast<int64_t>(((value & mask_of(bits)) ^ sign) - sign);
}

double half_of(uint64_t value) {
  const auto exponent = static_cast<int>(value >> 10 & 31);
  const auto fraction = static_cast<double>(value & 1023);
  const double sign = (value >> 15 & 1) != 0 ? -1 : 1;
  if (exponent == 31) return fraction == 0 ? sign * HUGE_VAL : std::nan("");
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
}

}  // namespace

TypeTable::TypeTable(const Database& database, const Choice& choice, Budget& budget)
    : database_(&database), choice_(&choice), budget_(&budget) {
  types_.emplace_back();  // 0: hex
  bodies_.emplace_back();
}

VariantScope TypeTable::scope_of(const Scope& scope) const {
  std::string problem;
  return VariantScope().child(*database_, scope, *budget_, &problem);
}

void TypeTable::fill_enum(uint32_t body, const std::vector<Value>& values, const VariantScope& scope) {
  std::vector<std::pair<uint64_t, std::string>> resolved;
  std::string problem;
  for (const Value& value : values) {
    if (!budget_->spend(sizeof resolved[0] + value.name.size())) break;
    if (!value.value || !scope.child(*database_, value.scope, *budget_, &problem).alive(*choice_)) continue;
    resolved.emplace_back(*value.value, value.name);
  }
  // The first name of a value counts.
  std::ranges::stable_sort(resolved, {}, [](auto& v) { return v.first; });
  const auto rest = std::ranges::unique(resolved, {}, [](auto& v) { return v.first; });
  resolved.erase(rest.begin(), rest.end());
  bodies_[body].values = std::move(resolved);
}

uint32_t TypeTable::enum_body(const std::vector<Value>& values, const VariantScope& scope) {
  bodies_.emplace_back();
  const auto body = static_cast<uint32_t>(bodies_.size() - 1);
  fill_enum(body, values, scope);
  return body;
}

void TypeTable::fill_bitset(uint32_t body, const std::vector<Bitfield>& fields, const VariantScope& scope,
                            int depth) {
  std::vector<ResolvedField> resolved;
  std::string problem;
  for (const Bitfield& field : fields) {
    if (!budget_->spend(sizeof resolved[0] + field.name.size())) break;
    const VariantScope own = scope.child(*database_, field.scope, *budget_, &problem);
    if (!own.alive(*choice_)) continue;
    resolved.push_back(
        {field.name, field.low, field.high, add(field.spec, field.high - field.low + 1, own, depth + 1)});
  }
  bodies_[body].fields = std::move(resolved);
}

uint32_t TypeTable::bitset_body(const std::vector<Bitfield>& fields, const VariantScope& scope, int depth) {
  bodies_.emplace_back();
  const auto body = static_cast<uint32_t>(bodies_.size() - 1);
  fill_bitset(body, fields, scope, depth);
  return body;
}

uint32_t TypeTable::add(const TypeSpec& spec, unsigned bits, const VariantScope& scope, int depth) {
  ResolvedType type{.shr = spec.shr, .add = spec.add, .radix = spec.radix};
  if (depth > kMaxDepth || !budget_->spend(sizeof type + sizeof(TypeBody))) return 0;
  const auto use_named = [&](const std::string& key, TypeKind kind, auto fill) {
    type.kind = kind;
    const auto [entry, fresh] = named_.try_emplace(key, 0);
    if (fresh) {
      // Known before it is filled: a bitset may hold fields of its own type.
      bodies_.emplace_back();
      entry->second = static_cast<uint32_t>(bodies_.size() - 1);
      fill(entry->second);
    }
    type.body = named_[key];
  };
  const std::string& name = spec.type;
  if (const auto found = database_->enums.find(name); !name.empty() && found != database_->enums.end()) {
    if (found->second.is_inline) {
      type.kind = TypeKind::kEnum;
      type.body = enum_body(found->second.values, scope);
    } else {
      use_named("e:" + name, TypeKind::kEnum,
                [&](uint32_t body) { fill_enum(body, found->second.values, scope_of(found->second.scope)); });
    }
  } else if (const auto bitset = database_->bitsets.find(name);
             !name.empty() && bitset != database_->bitsets.end()) {
    if (bitset->second.is_inline) {
      type.kind = TypeKind::kBitset;
      type.body = bitset_body(bitset->second.bitfields, scope, depth);
    } else {
      use_named("b:" + name, TypeKind::kBitset, [&](uint32_t body) {
        fill_bitset(body, bitset->second.bitfields, scope_of(bitset->second.scope), depth);
      });
    }
  } else if (const auto special = database_->spectypes.find(name);
             !name.empty() && special != database_->spectypes.end()) {
    // The named type's own shift comes after this one's.
    // Known before it is resolved, as hex: what holds itself ends there.
    const auto [entry, fresh] = named_.try_emplace((bits == 1 ? "t:" : "s:") + name, 0);
    if (fresh) entry->second = add(special->second, bits, VariantScope(), depth + 1);
    const ResolvedType copy = types_[entry->second];
    type.kind = copy.kind;
    type.body = copy.body;
    type.shr = std::min<uint64_t>(63, type.shr + copy.shr);
    type.add += copy.add;
    if (type.radix == 0) type.radix = copy.radix;
  } else if (const auto plain = std::find_if(kPlainTypes.begin(), kPlainTypes.end(),
                                             [&](auto& p) { return p.name == name; });
             plain != kPlainTypes.end()) {
    type.kind = plain->kind;
  } else if (name == "enum" || (name.empty() && spec.bitfields.empty() && !spec.values.empty())) {
    type.kind = TypeKind::kEnum;
    type.body = enum_body(spec.values, scope);
  } else if (name == "bitfield" || name == "bitset" || (name.empty() && !spec.bitfields.empty())) {
    type.kind = TypeKind::kBitset;
    type.body = bitset_body(spec.bitfields, scope, depth);
  } else if (name.empty()) {
    type.kind = bits == 1 ? TypeKind::kBoolean : TypeKind::kHex;
  } else {
    ++unknown_[name];
  }
  if (type.kind == TypeKind::kHex && type.shr == 0 && type.add == 0) return 0;
  types_.push_back(type);
  return static_cast<uint32_t>(types_.size() - 1);
}

void TypeTable::decode_bitset(const TypeBody& body, uint64_t value, int depth, Decoding& to) const {
  std::string* const out = to.out;
  uint64_t covered = 0;
  bool first = true;
  const auto separate = [&] {
    *out += first ? "{ " : " | ";
    first = false;
  };
  for (const ResolvedField& field : body.fields) {
    if (to.full()) return;
    --to.steps;
    covered |= field.mask();
    const uint64_t bits = (value & field.mask()) >> field.low;
    const bool flag = types_[field.type].kind == TypeKind::kBoolean;
    if (flag && bits == 0) continue;
    separate();
    *out += field.name;
    if (flag && bits == 1) continue;
    *out += " = ";
    decode(field.type, bits, field.high - field.low + 1, depth + 1, to);
    if (to.full()) return;
  }
  if ((value & ~covered) != 0) {
    separate();
    append_hex(value & ~covered, out);
  }
  *out += first ? "{ 0 }" : " }";
}

void TypeTable::decode(uint32_t type, uint64_t value, unsigned bits, std::string* out) const {
  Decoding to{.out = out, .end = out->size() + kMaxDecoded, .steps = kMaxDecodeSteps};
  decode(type, value, bits, 0, to);
  if (!to.full()) return;
  out->resize(std::min(out->size(), to.end));
  *out += " ...";
}

void TypeTable::decode(uint32_t index, uint64_t raw, unsigned bits, int depth, Decoding& to) const {
  std::string* const out = to.out;
  const ResolvedType& type = types_[index];
  const uint64_t value = (raw << type.shr) + type.add;
  const auto fixed = [&](double number) { fmt::format_to(std::back_inserter(*out), "{:f}", number); };
  switch (type.kind) {
    case TypeKind::kEnum: {
      const auto& values = bodies_[type.body].values;
      const auto found = std::lower_bound(values.begin(), values.end(), value,
                                          [](auto& v, uint64_t n) { return v.first < n; });
      if (found == values.end() || found->first != value) break;
      *out += found->second;
      return;
    }
    case TypeKind::kBitset:
      if (depth > kMaxDepth) break;
      decode_bitset(bodies_[type.body], value, depth, to);
      return;
    case TypeKind::kUint:
      fmt::format_to(std::back_inserter(*out), "{}", value);
      return;
    case TypeKind::kInt:
      fmt::format_to(std::back_inserter(*out), "{}", signed_of(value, bits));
      return;
    case TypeKind::kBoolean:
      if (value > 1) break;
      *out += value == 1 ? "TRUE" : "FALSE";
      return;
    case TypeKind::kFixed:
      fixed(std::ldexp(static_cast<double>(signed_of(value, bits)), -static_cast<int>(type.radix)));
      return;
    case TypeKind::kUfixed:
      fixed(std::ldexp(static_cast<double>(value), -static_cast<int>(type.radix)));
      return;
    case TypeKind::kFloat:
      if (bits == 64) return fixed(std::bit_cast<double>(value));
      if (bits == 32) return fixed(std::bit_cast<float>(static_cast<uint32_t>(value)));
      if (bits == 16) return fixed(half_of(value));
      break;
    case TypeKind::kHex:
      break;
  }
  append_hex(value, out);
}

}  // namespace gpuvm::rnn
