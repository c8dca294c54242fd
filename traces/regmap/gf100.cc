#include "traces/regmap/gf100.h"

#include <algorithm>

#include <fmt/format.h>

#include "traces/core/result.h"
#include "traces/export/text.h"
#include "traces/regmap/gf100_fields.h"

namespace gpuvm::gf100 {
namespace {

constexpr bool sorted() {
  for (size_t i = 1; i < std::size(kRegisters); ++i) {
    if (kRegisters[i - 1].offset >= kRegisters[i].offset) return false;
  }
  return true;
}
static_assert(sorted(), "gf100_registers.inc: not in order of offset, or an offset is declared twice");

constexpr bool well_formed(const Register& reg) {
  if (reg.name.empty() || reg.offset % 4 != 0 || reg.stride % 4 != 0) return false;
  if (reg.count == 0 || reg.stride == 0 || reg.end() > kMappedBytes) return false;
  for (const Field& field : reg.fields) {
    if (!field.name.empty() && (field.low > field.high || field.high > 31)) return false;
  }
  return true;
}
static_assert(std::ranges::all_of(kRegisters, well_formed),
              "gf100_registers.inc: a declaration is malformed");

// Two arrays may interleave only with one stride and different places in it.
constexpr bool disjoint(const Register& a, const Register& b) {
  if (a.end() <= b.offset || b.end() <= a.offset) return true;
  const uint32_t stride = std::min(a.stride, b.stride);
  if (a.stride % stride != 0 || b.stride % stride != 0) return false;
  return a.offset % stride != b.offset % stride;
}
constexpr bool no_overlap() {
  for (size_t i = 0; i < std::size(kRegisters); ++i) {
    for (size_t j = i + 1; j < std::size(kRegisters); ++j) {
      if (!disjoint(kRegisters[i], kRegisters[j])) return false;
    }
  }
  return true;
}
// Code that handles the pointers of one register handles those of all (emulator/mmu/fermi.h).
constexpr bool points_alike(const Register& reg) {
  if (reg.holds != Holds::kInstancePage) return true;
  for (const Field& own : reg.fields) {
    for (const Field& common : {field(Reg::kPfifoChan, "INST"), field(Reg::kPfifoChan, "TARGET"),
                                field(Reg::kPfifoChan, "VALID")}) {
      const bool same_place = own.low == common.low && own.high == common.high;
      const bool enable = own.name == "ENABLE" && common.name == "VALID";  // as the BARs' pointers call it
      if ((own.name == common.name || enable) && !same_place) return false;
    }
  }
  return true;
}
static_assert(std::ranges::all_of(kRegisters, points_alike),
              "gf100_registers.inc: an instance pointer of another layout");
constexpr const Register& kPramin = kRegisters[static_cast<size_t>(Reg::kPramin)];
static_assert(kPramin.end() - kPramin.offset == kPraminBytes);
static_assert(no_overlap(), "gf100_registers.inc: two declarations claim one word");

}  // namespace

std::span<const Register> registers() {
  return kRegisters;
}

const Register& describe(Reg reg) {
  return kRegisters[static_cast<size_t>(reg)];
}

uint32_t offset_of(Reg reg, unsigned index) {
  const Register& r = describe(reg);
  GPUVM_CHECK(index < r.count);
  return r.offset + index * r.stride;
}

RegisterIndex::RegisterIndex() : pages_(kMappedBytes >> 12, kUniform | kNoRegister) {
  constexpr uint32_t kPageWords = 1024;
  for (size_t i = 0; i < std::size(kRegisters); ++i) {
    const Register& r = kRegisters[i];
    for (uint32_t n = 0; n < r.count;) {
      const uint32_t offset = r.offset + n * r.stride;
      uint32_t& page = pages_[offset >> 12];
      // Pages of one register (windows) need no words of their own.
      if (r.stride == 4 && (offset & 0xfff) == 0 && r.count - n >= kPageWords) {
        page = kUniform | static_cast<uint32_t>(i);
        n += kPageWords;
        continue;
      }
      if (page & kUniform) {
        page = static_cast<uint32_t>(words_.size());
        words_.resize(words_.size() + kPageWords, kNoRegister);
      }
      words_[page + ((offset & 0xfff) >> 2)] = static_cast<uint16_t>(i);
      ++n;
    }
  }
}

const RegisterIndex& RegisterIndex::shared() {
  static const RegisterIndex index;
  return index;
}

Element RegisterIndex::find(uint32_t offset) const {
  const uint16_t reg = find_register(offset);
  if (reg == kNoRegister) return {};
  const Register& r = kRegisters[reg];
  return {reg, ((offset & ~3u) - r.offset) / r.stride};
}

std::string name_of(uint32_t offset) {
  const Element element = RegisterIndex::shared().find(offset);
  if (!element.known()) return {};
  const Register& reg = kRegisters[element.reg];
  // "[]" in a name is where the index goes: PFIFO.CHAN_TABLE[].CHAN
  const size_t brackets = reg.name.find("[]");
  if (brackets != std::string_view::npos) {
    return fmt::format("{}[{}]{}", reg.name.substr(0, brackets), element.index,
                       reg.name.substr(brackets + 2));
  }
  if (reg.count == 1) return std::string(reg.name);
  if (reg.access == Access::kWindow) return fmt::format("{}+0x{:x}", reg.name, element.index * 4);
  return fmt::format("{}[{}]", reg.name, element.index);
}

std::string decode(uint32_t offset, uint32_t value) {
  const Element element = RegisterIndex::shared().find(offset);
  std::string text;
  uint32_t rest = value;
  if (element.known()) {
    for (const Field& f : kRegisters[element.reg].fields) {
      if (f.name.empty()) continue;
      const uint32_t bits = f.get(value);
      rest &= ~f.mask();
      const bool flag = f.low == f.high;
      if (flag && bits == 0) continue;
      text += text.empty() ? "{ " : " | ";
      text += f.name;
      if (flag) continue;
      text += " = ";
      append_hex(bits, 1, &text);
    }
  }
  if (text.empty()) {
    append_hex(value, 1, &text);
    return text;
  }
  if (rest != 0) {
    text += " | ";
    append_hex(rest, 1, &text);
  }
  text += " }";
  return text;
}

}  // namespace gpuvm::gf100
