// The map itself: what static_assert does not prove of it.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include <fmt/format.h>

#include "traces/regmap/gf100_fields.h"

namespace gpuvm::gf100 {
namespace {

uint32_t mask_of(const Field& f) {
  return static_cast<uint32_t>(((uint64_t{2} << (f.high - f.low)) - 1) << f.low);
}

struct Name {
  char letters[32] = {};
  consteval Name(const char* text) {
    for (size_t i = 0; text[i] != '\0'; ++i) letters[i] = text[i];
  }
};
template <Name kName>
concept OfPfifoIntr = requires {
  typename std::bool_constant<field(Reg::kPfifoIntr, kName.letters).low == 0>;
};
static_assert(OfPfifoIntr<"VM_FAULT">);
static_assert(!OfPfifoIntr<"VM_FAULTS">, "a field that the map does not name must not compile");
static_assert(!OfPfifoIntr<"">, "nor one without a name");

TEST(RegisterMap, FieldsByName) {
  constexpr Field kFault = field(Reg::kPfifoIntr, "VM_FAULT");
  EXPECT_EQ(kFault.mask(), 0x10000000u);
  EXPECT_TRUE(kFault.any(0x30000000));
  EXPECT_FALSE(kFault.any(0xefffffff));
  constexpr Field kAddress = field(Reg::kPffbVmPd, "ADDRESS");
  EXPECT_EQ(kAddress.mask(), 0xfffffff0u);
  EXPECT_EQ(kAddress.get(0x12345672), 0x1234567u);
  EXPECT_EQ(kAddress.put(0xf1234567), 0x12345670u);
  EXPECT_EQ((Field{"", 0, 31}.mask()), ~0u);
}

TEST(RegisterMap, EveryElementHasANameOfItsOwn) {
  std::set<std::string> names;
  for (const Register& r : registers()) {
    // Windows are named by place; a few elements of each are enough.
    const uint32_t step = r.access == Access::kWindow || r.count > 256 ? std::max(1u, r.count / 5) : 1;
    for (uint32_t i = 0; i < r.count; i += step) {
      const std::string name = name_of(r.offset + i * r.stride);
      EXPECT_FALSE(name.empty()) << std::hex << r.offset;
      EXPECT_TRUE(names.insert(name).second) << name << " twice";
    }
  }
}

TEST(RegisterMap, IndexFindsEveryElementAndNothingElse) {
  const RegisterIndex& index = RegisterIndex::shared();
  std::vector<bool> claimed(kMappedBytes / 4);
  const auto all = registers();
  for (uint16_t n = 0; n < all.size(); ++n) {
    for (uint32_t i = 0; i < all[n].count; ++i) {
      const uint32_t offset = all[n].offset + i * all[n].stride;
      claimed[offset / 4] = true;
      const Element element = index.find(offset);
      ASSERT_EQ(element.reg, n) << all[n].name << " " << i;
      ASSERT_EQ(element.index, i) << all[n].name;
      ASSERT_EQ(index.find(offset + 3).index, i);  // a byte of it
    }
  }
  for (uint32_t offset = 0; offset < kMappedBytes; offset += 4) {
    if (claimed[offset / 4]) continue;
    ASSERT_FALSE(index.find(offset).known()) << std::hex << offset;
  }
  for (uint32_t offset : {kMappedBytes, kBar0Bytes, 0xfffffffcu}) EXPECT_FALSE(index.find(offset).known());
}

TEST(RegisterMap, FieldsAreApartAndNamedApart) {
  for (const Register& r : registers()) {
    uint32_t used = 0;
    std::set<std::string_view> names;
    for (const Field& f : r.fields) {
      if (f.name.empty()) continue;
      EXPECT_LE(f.low, f.high) << r.name;
      EXPECT_LE(f.high, 31) << r.name;
      EXPECT_EQ(used & mask_of(f), 0u) << r.name << "." << f.name;
      used |= mask_of(f);
      EXPECT_TRUE(names.insert(f.name).second) << r.name << "." << f.name;
    }
  }
}

TEST(RegisterMap, DecodeNamesEveryFieldAndLosesNoBit) {
  for (const Register& r : registers()) {
    uint32_t named = 0;
    for (const Field& f : r.fields) {
      if (f.name.empty()) continue;
      named |= mask_of(f);
      EXPECT_NE(decode(r.offset, mask_of(f)).find(f.name), std::string::npos) << r.name;
    }
    if (named == 0) {
      EXPECT_EQ(decode(r.offset, 0x12345678), "0x12345678");
    } else if (named != ~0u) {
      EXPECT_NE(decode(r.offset, ~0u).find(fmt::format("0x{:x}", ~named)), std::string::npos) << r.name;
    }
  }
  EXPECT_EQ(decode(0xfffffc, 7), "0x7");
}

TEST(RegisterMap, ExclusionsHaveReasonsAndReasonsExclude) {
  for (const Register& r : registers()) {
    EXPECT_EQ(r.exclude.skip != 0, !r.exclude.reason.empty()) << r.name;
  }
}

TEST(RegisterMap, ResetValuesFitTheirAccess) {
  for (const Register& r : registers()) {
    if (r.access != Access::kPending && r.access != Access::kCommand) continue;
    EXPECT_EQ(r.reset, 0u) << r.name;
  }
}

TEST(RegisterMap, AddressesLieInRegistersThatKeepThem) {
  for (const Register& r : registers()) {
    if (r.holds == Holds::kNothing) continue;
    EXPECT_TRUE(r.access == Access::kStorage || r.access == Access::kReadOnly) << r.name;
    EXPECT_EQ(r.volatility, Volatility::kStable) << r.name;
  }
}

}  // namespace
}  // namespace gpuvm::gf100
