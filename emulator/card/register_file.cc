#include "emulator/card/register_file.h"

#include <algorithm>

#include <xxhash.h>

#include "traces/event.h"

namespace gpuvm {
namespace {

constexpr uint32_t kPageWords = 1024;
// A hostile guest can touch every word; the list of unknown ones stays readable.
constexpr size_t kMaxUnknown = 65536;

// Offsets come from guests and traces: any 64-bit number.
bool mapped(uint64_t offset, unsigned width) {
  return offset < gf100::kMappedBytes && width <= gf100::kMappedBytes - offset;
}

}  // namespace

RegisterFile::RegisterFile()
    : index_(gf100::RegisterIndex::shared()),
      words_(gf100::kMappedBytes / 4),
      is_touched_(gf100::kMappedBytes / 4 / kPageWords) {
  for (const Register& reg : gf100::registers()) {
    if (reg.reset == 0) continue;
    for (uint32_t i = 0; i < reg.count; ++i) reset_[reg.offset + i * reg.stride] = reg.reset;
  }
  reset();
}

void RegisterFile::set_reset(gf100::Reg reg, unsigned index, uint32_t value) {
  reset_[gf100::offset_of(reg, index)] = value;
  poke(reg, index, value);
}

void RegisterFile::reset() {
  for (uint32_t page : touched_) std::fill_n(&words_[size_t{page} * kPageWords], kPageWords, 0);
  for (const auto& [offset, value] : reset_) store(offset, value);
}

void RegisterFile::store(uint32_t offset, uint32_t value) {
  const uint32_t page = offset / 4 / kPageWords;
  if (!is_touched_[page]) {
    is_touched_[page] = true;
    touched_.push_back(page);
  }
  words_[offset / 4] = value;
}

void RegisterFile::count_unknown(uint32_t offset, bool write) {
  if (unknown_.size() >= kMaxUnknown && !unknown_.contains(offset)) return;
  Unknown& u = unknown_[offset];
  ++(write ? u.writes : u.reads);
}

uint32_t RegisterFile::read_word(uint32_t offset) {
  const uint16_t reg = index_.find_register(offset);
  if (reg == gf100::kNoRegister) {
    count_unknown(offset, false);
    return words_[offset / 4];
  }
  const Register& r = gf100::registers()[reg];
  if (const ReadHook& hook = read_hooks_[reg]) return hook((offset - r.offset) / r.stride);
  if (r.access == Access::kCommand) return 0;
  return words_[offset / 4];
}

void RegisterFile::write_word(uint32_t offset, uint32_t value) {
  const uint16_t reg = index_.find_register(offset);
  if (reg == gf100::kNoRegister) {
    count_unknown(offset, true);
    store(offset, value);
    return;
  }
  const uint32_t before = words_[offset / 4];
  write_register(reg, offset, value);
  if (const WrittenHook& hook = written_hooks_[reg]) {
    const Register& r = gf100::registers()[reg];
    hook({.index = (offset - r.offset) / r.stride, .value = value, .before = before});
  }
}

void RegisterFile::write_register(uint16_t reg, uint32_t offset, uint32_t value) {
  const Register& r = gf100::registers()[reg];
  if (const WriteHook& hook = write_hooks_[reg]) {
    hook((offset - r.offset) / r.stride, value);
    return;
  }
  switch (r.access) {
    case Access::kStorage:
    case Access::kWindow:
      store(offset, value);
      break;
    case Access::kPending:
      store(offset, words_[offset / 4] & ~value);
      break;
    case Access::kReadOnly:
    case Access::kCommand:
      break;
  }
}

bool RegisterFile::clears_by_one(uint32_t offset) const {
  const uint16_t reg = index_.find_register(offset);
  return reg != gf100::kNoRegister && gf100::registers()[reg].access == Access::kPending;
}

uint64_t RegisterFile::read(uint64_t offset, unsigned width) {
  if (!mapped(offset, width)) return width_mask(width);
  if (width == 4 && offset % 4 == 0) return read_word(static_cast<uint32_t>(offset));
  uint64_t value = 0;
  for (unsigned done = 0; done < width;) {
    const unsigned shift = static_cast<unsigned>(offset + done) % 4;
    const unsigned bytes = std::min(width - done, 4 - shift);
    const uint64_t word = read_word(static_cast<uint32_t>(offset + done) & ~3u);
    value |= ((word >> (8 * shift)) & width_mask(bytes)) << (8 * done);
    done += bytes;
  }
  return value;
}

void RegisterFile::write(uint64_t offset, unsigned width, uint64_t value) {
  if (!mapped(offset, width)) return;
  if (width == 4 && offset % 4 == 0)
    return write_word(static_cast<uint32_t>(offset), static_cast<uint32_t>(value));
  for (unsigned done = 0; done < width;) {
    const unsigned shift = static_cast<unsigned>(offset + done) % 4;
    const unsigned bytes = std::min(width - done, 4 - shift);
    const auto at = static_cast<uint32_t>(offset + done) & ~3u;
    const auto mask = static_cast<uint32_t>(width_mask(bytes) << (8 * shift));
    const auto bits = static_cast<uint32_t>((value >> (8 * done)) << (8 * shift)) & mask;
    // A bit that writing 1 clears must not be written back with the bytes that the guest left alone.
    write_word(at, clears_by_one(at) ? bits : (words_[at / 4] & ~mask) | bits);
    done += bytes;
  }
}

uint64_t RegisterFile::digest() const {
  uint64_t sum = 0;
  for (uint32_t page : touched_) {
    for (uint32_t i = 0; i < kPageWords; ++i) {
      const uint32_t offset = (page * kPageWords + i) * 4;
      const uint32_t word = words_[offset / 4];
      if (word == 0) continue;
      const uint16_t reg = index_.find_register(offset);
      if (reg != gf100::kNoRegister) {
        const Register& r = gf100::registers()[reg];
        if (r.volatility != Volatility::kStable) continue;
        if (r.access != Access::kStorage && r.access != Access::kWindow) continue;
      }
      const uint32_t pair[2] = {offset, word};
      sum += XXH3_64bits(pair, sizeof pair);
    }
  }
  return sum;
}

}  // namespace gpuvm
