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
  TypeTable(const Database& database, const Choice& choice);

  // The type of a register or field of `bits` bits; its number. 0 is plain hex.
  uint32_t add(const TypeSpec& spec, unsigned bits, const VariantScope& scope) {
    return add(spec, bits, scope, 0);
  }

  // Appends the meaning of `value`, which is `bits` wide.
  void decode(uint32_t type, uint64_t value, unsigned bits, std::string* out) const {
    decode(type, value, bits, 0, out);
  }

  // Names of types that are not known; each once.
  const std::map<std::string, size_t>& unknown_types() const { return unknown_; }

  // Resolving needs the database; afterwards the table stands alone.
  void seal() {
    database_ = nullptr;
    choice_ = nullptr;
  }

 private:
  uint32_t add(const TypeSpec& spec, unsigned bits, const VariantScope& scope, int depth);
  uint32_t enum_body(const std::vector<Value>& values, const VariantScope& scope);
  uint32_t bitset_body(const std::vector<Bitfield>& fields, const VariantScope& scope, int depth);
  void fill_bitset(uint32_t body, const std::vector<Bitfield>& fields, const VariantScope& scope, int depth);
  void decode(uint32_t type, uint64_t value, unsigned bits, int depth, std::string* out) const;
  void decode_bitset(const TypeBody& body, uint64_t value, int depth, std::string* out) const;

  const Database* database_;
  const Choice* choice_;
  std::vector<ResolvedType> types_;
  std::vector<TypeBody> bodies_;
  std::map<std::string, uint32_t> named_;  // bodies of named enums ("e:NAME") and bitsets ("b:NAME")
  std::map<std::string, size_t> unknown_;
};

}  // namespace gpuvm::rnn
