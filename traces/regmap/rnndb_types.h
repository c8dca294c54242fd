// Values of rnndb types, resolved for one chip.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "traces/regmap/rnndb_model.h"
#include "traces/regmap/rnndb_variants.h"

namespace gpuvm::rnn {

enum class TypeKind : uint8_t { kHex, kUint, kInt, kFloat, kBoolean, kFixed, kUfixed, kEnum, kBitset };

struct ResolvedField {
  std::string name;
  unsigned low = 0;
  unsigned high = 0;
  uint32_t type = 0;
  uint64_t mask() const {
    return (high - low == 63 ? ~uint64_t{0} : (uint64_t{1} << (high - low + 1)) - 1) << low;
  }
};

struct ResolvedType {
  TypeKind kind = TypeKind::kHex;
  uint64_t shr = 0;
  uint64_t add = 0;
  uint64_t radix = 0;
  uint32_t body = 0;  // enum, bitset: index into the table's bodies
};

struct TypeBody {
  std::vector<std::pair<uint64_t, std::string>> values;
  std::vector<ResolvedField> fields;
};

class TypeTable {
 public:
  // `budget`: pays for what types unfold to; once it is overdrawn, types are plain hex.
  TypeTable(const Database& database, const Choice& choice, Budget& budget);

  // The type of a register or field of `bits` bits; its number. 0 is plain hex.
  uint32_t add(const TypeSpec& spec, unsigned bits, const VariantScope& scope) {
    return add(spec, bits, scope, 0);
  }

  // Appends the meaning of `value`, which is `bits` wide; what is longer than kMaxDecoded ends in " ...".
  void decode(uint32_t type, uint64_t value, unsigned bits, std::string* out) const;
  static constexpr size_t kMaxDecoded = 2048;

  // Names of types that are not known; each once.
  const std::map<std::string, size_t>& unknown_types() const { return unknown_; }

  // Resolving needs the database; afterwards the table stands alone.
  void seal() {
    database_ = nullptr;
    choice_ = nullptr;
    budget_ = nullptr;
  }

 private:
  // A value that is being written out: how much more may come.
  struct Decoding {
    std::string* out;
    size_t end;    // most characters in `out`
    size_t steps;  // fields that may still be looked at
    bool full() const { return out->size() >= end || steps == 0; }
  };

  uint32_t add(const TypeSpec& spec, unsigned bits, const VariantScope& scope, int depth);
  VariantScope scope_of(const Scope& scope) const;  // of something that has a name of its own
  uint32_t enum_body(const std::vector<Value>& values, const VariantScope& scope);
  void fill_enum(uint32_t body, const std::vector<Value>& values, const VariantScope& scope);
  uint32_t bitset_body(const std::vector<Bitfield>& fields, const VariantScope& scope, int depth);
  void fill_bitset(uint32_t body, const std::vector<Bitfield>& fields, const VariantScope& scope, int depth);
  void decode(uint32_t type, uint64_t value, unsigned bits, int depth, Decoding& to) const;
  void decode_bitset(const TypeBody& body, uint64_t value, int depth, Decoding& to) const;

  const Database* database_;
  const Choice* choice_;
  Budget* budget_;
  std::vector<ResolvedType> types_;
  std::vector<TypeBody> bodies_;
  // Bodies of named enums ("e:NAME") and bitsets ("b:NAME"), types of named types ("s:NAME", of one bit
  // "t:NAME").
  std::map<std::string, uint32_t> named_;
  std::map<std::string, size_t> unknown_;
};

}  // namespace gpuvm::rnn
