// Loads, stores and atomic operations on global, shared, local and constant memory.
#include <algorithm>
#include <bit>

#include "emulator/shader/executor.h"
#include "emulator/shader/executors.h"
#include "emulator/shader/float_math.h"
#include "emulator/shader/global_access.h"

namespace gpuvm::shader {
namespace {

constexpr uint64_t kWindowBytes = uint64_t{1} << 24;

// Bits 7:5 of loads and stores.
struct Width {
  uint8_t bytes;
  bool is_signed;
};
constexpr Width kWidths[8] = {{1, false}, {1, true},  {2, false},  {2, true},
                              {4, false}, {8, false}, {16, false}, {0, false}};

void set_element(Executor& e, unsigned destination, unsigned lane, const Element& element,
                 const Width& width) {
  if (width.bytes < 4) {
    uint32_t value = element[0] & ((1u << (8 * width.bytes)) - 1);
    const unsigned unused = 32 - 8 * width.bytes;
    if (width.is_signed) value = static_cast<uint32_t>(static_cast<int32_t>(value << unused) >> unused);
    e.warp().set_lane(destination, lane, value);
    return;
  }
  for (unsigned n = 0; n < width.bytes / 4u; ++n) e.warp().set_lane(destination + n, lane, element[n]);
}
Element element_of(const Executor& e, unsigned source, unsigned lane, unsigned bytes) {
  Element element{};
  for (unsigned n = 0; n < std::max(bytes / 4u, 1u); ++n) {
    element[n] = e.warp().reg(std::min(source + n, kZeroRegister))[lane];
  }
  return element;
}

// The address register plus an offset, for every lane.
Addresses addresses(const Executor& e, const Instruction& i, int64_t offset, bool wide) {
  const Lanes& low = e.warp().reg(i.a);
  Addresses out;
  for (unsigned l = 0; l < kLanes; ++l) out[l] = low[l];
  if (wide) {
    const Lanes& high = e.pair_high(i.a);
    for (unsigned l = 0; l < kLanes; ++l) out[l] |= uint64_t{high[l]} << 32;
  }
  const uint64_t mask = wide ? ~uint64_t{0} : 0xffffffff;
  for (unsigned l = 0; l < kLanes; ++l) out[l] = (out[l] + static_cast<uint64_t>(offset)) & mask;
  return out;
}
bool is_wide(const Instruction& i) {
  return bit(i.word, 58);
}
int64_t offset32(const Instruction& i) {
  return static_cast<int32_t>(bits(i.word, 26, 32));
}
int64_t offset24(const Instruction& i) {
  return static_cast<int32_t>(bits(i.word, 26, 24) << 8) >> 8;
}

// Memory of the block, or of its threads.
enum class Space { kShared, kLocal };

// nullptr: outside.
std::byte* place(Executor& e, Space space, unsigned lane, uint64_t address, unsigned bytes) {
  Block& block = *e.block;
  const uint64_t size = space == Space::kShared ? block.shared.size() : e.launch.local_bytes;
  if (address > size || size - address < bytes) return nullptr;
  if (space == Space::kShared) return block.shared.data() + address;
  return block.local.data() + (uint64_t{e.warp_index} * kLanes + lane) * e.launch.local_bytes + address;
}

bool check_alignment(Executor& e, uint64_t address, unsigned bytes) {
  if (address % bytes == 0) return true;
  e.fail(Trap::Kind::kMisaligned, address);
  return false;
}

void load_near(Executor& e, Space space, unsigned lane, uint64_t address, unsigned destination,
               const Width& width) {
  if (!check_alignment(e, address, width.bytes)) return;
  const std::byte* from = place(e, space, lane, address, width.bytes);
  if (from == nullptr) return e.fail(Trap::Kind::kMemory, address);
  Element element{};
  std::memcpy(element.data(), from, width.bytes);
  set_element(e, destination, lane, element, width);
}
void store_near(Executor& e, Space space, unsigned lane, uint64_t address, const Element& element,
                const Width& width) {
  if (!check_alignment(e, address, width.bytes)) return;
  std::byte* to = place(e, space, lane, address, width.bytes);
  if (to == nullptr) return e.fail(Trap::Kind::kMemory, address, true);
  std::memcpy(to, element.data(), width.bytes);
}

bool in_window(uint64_t address, uint32_t window) {
  return address >= window && address - window < kWindowBytes;
}
// Lanes whose global address is in one of the windows onto near memory.
template <typename Access>
uint32_t take_windows(Executor& e, uint32_t mask, const Addresses& addresses, Access access) {
  uint32_t far = mask;
  for (unsigned l = 0; l < kLanes; ++l) {
    if (((mask >> l) & 1) == 0) continue;
    for (const Space space : {Space::kShared, Space::kLocal}) {
      const uint32_t window = space == Space::kShared ? e.launch.shared_window : e.launch.local_window;
      if (!in_window(addresses[l], window)) continue;
      far &= ~(1u << l);
      access(space, l, addresses[l] - window);
      break;
    }
  }
  return far;
}

bool legal(Executor& e, const Instruction& i, const Width& width) {
  // A vector in registers starts at a multiple of its size.
  const unsigned count = std::max(width.bytes / 4u, 1u);
  const bool ok = width.bytes != 0 && (i.destination == kZeroRegister || i.destination % count == 0);
  if (!ok) e.fail(Trap::Kind::kIllegalInstruction);
  return ok;
}

void near(Executor& e, const Instruction& i, uint32_t mask, Space space, bool is_store) {
  const Width width = kWidths[bits(i.word, 5, 3)];
  if (!legal(e, i, width)) return;
  const Addresses at = addresses(e, i, offset24(i), false);
  for (unsigned l = 0; l < kLanes && !e.trap; ++l) {
    if (((mask >> l) & 1) == 0) continue;
    if (is_store) {
      store_near(e, space, l, at[l], element_of(e, i.destination, l, width.bytes), width);
    } else {
      load_near(e, space, l, at[l], i.destination, width);
    }
  }
}

enum class Atomic : uint8_t {
  kAdd,
  kMin,
  kMax,
  kIncrement,
  kDecrement,
  kAnd,
  kOr,
  kXor,
  kExchange,
  kCompare
};
enum class AtomicType : uint8_t { kU32, kS32, kU64, kF32 };

uint64_t apply(Atomic operation, AtomicType type, uint64_t old, uint64_t value, uint64_t replacement) {
  const auto signed_less = [](uint64_t x, uint64_t y) {
    return static_cast<int32_t>(x) < static_cast<int32_t>(y);
  };
  const bool less = type == AtomicType::kS32 ? signed_less(value, old) : value < old;
  switch (operation) {
    case Atomic::kAdd:
      if (type == AtomicType::kF32) {
        const float sum = as_float(static_cast<uint32_t>(old)) + as_float(static_cast<uint32_t>(value));
        return canonical(as_bits(sum));
      }
      return old + value;
    case Atomic::kMin:
      return less ? value : old;
    case Atomic::kMax:
      return less ? old : value;
    case Atomic::kIncrement:
      return old >= value ? 0 : old + 1;
    case Atomic::kDecrement:
      return old == 0 || old > value ? value : old - 1;
    case Atomic::kAnd:
      return old & value;
    case Atomic::kOr:
      return old | value;
    case Atomic::kXor:
      return old ^ value;
    case Atomic::kExchange:
      return value;
    case Atomic::kCompare:
      return old == value ? replacement : old;
  }
  return old;
}

struct AtomicForm {
  Atomic operation;
  AtomicType type;
};
std::optional<AtomicForm> atomic_form(const Instruction& i) {
  const uint32_t operation = bits(i.word, 5, 4), group = bits(i.word, 59, 3);
  const bool bit9 = bit(i.word, 9);
  if (operation > 9) return std::nullopt;
  const auto which = static_cast<Atomic>(operation);
  if (group == 2 && !bit9) return AtomicForm{which, AtomicType::kU32};
  if (group == 2) return AtomicForm{which, AtomicType::kU64};
  if (group == 3 && bit9) return AtomicForm{which, AtomicType::kS32};
  if (group == 5 && bit9 && which == Atomic::kAdd) return AtomicForm{which, AtomicType::kF32};
  return std::nullopt;
}

void atomic(Executor& e, const Instruction& i, uint32_t mask, int64_t offset, unsigned destination,
            unsigned third) {
  const auto form = atomic_form(i);
  if (!form) return e.fail(Trap::Kind::kIllegalInstruction);
  const unsigned bytes = form->type == AtomicType::kU64 ? 8 : 4;
  const Addresses at = addresses(e, i, offset, is_wide(i));
  for (unsigned l = 0; l < kLanes && !e.trap; ++l) {
    if (((mask >> l) & 1) == 0) continue;
    const auto operand = [&](unsigned index) {
      const Element element = element_of(e, index, l, bytes);
      return element[0] | (bytes == 8 ? uint64_t{element[1]} << 32 : 0);
    };
    const uint64_t value = operand(i.destination);
    const uint64_t replacement = form->operation == Atomic::kCompare ? operand(third) : 0;
    uint64_t old = 0;
    const auto update = [&](std::byte* memory) {
      std::memcpy(&old, memory, bytes);
      const uint64_t result = apply(form->operation, form->type, old, value, replacement);
      std::memcpy(memory, &result, bytes);
    };
    if (!check_alignment(e, at[l], bytes)) return;
    const uint32_t far = take_windows(e, 1u << l, at, [&](Space space, unsigned lane, uint64_t address) {
      std::byte* memory = place(e, space, lane, address, bytes);
      memory != nullptr ? update(memory) : e.fail(Trap::Kind::kMemory, address, true);
    });
    if (far != 0) {
      std::array<std::byte, 8> memory{};
      const auto span = std::span(memory).first(bytes);
      ++e.counters.lines;
      if (!e.memory.read(at[l], span)) return e.fail(Trap::Kind::kMemory, at[l]);
      update(memory.data());
      if (!e.memory.write(at[l], span)) return e.fail(Trap::Kind::kMemory, at[l], true);
      e.counters.bytes_read += bytes;
      e.counters.bytes_written += bytes;
    }
    if (e.trap) return;
    e.warp().set_lane(destination, l, static_cast<uint32_t>(old));
    if (bytes == 8 && destination < kZeroRegister) {
      e.warp().set_lane(destination + 1, l, static_cast<uint32_t>(old >> 32));
    }
  }
}

}  // namespace

void execute_ld(Executor& e, const Instruction& i, uint32_t mask) {
  const Width width = kWidths[bits(i.word, 5, 3)];
  if (!legal(e, i, width)) return;
  const Addresses at = addresses(e, i, offset32(i), is_wide(i));
  const uint32_t far = take_windows(e, mask, at, [&](Space space, unsigned lane, uint64_t address) {
    load_near(e, space, lane, address, i.destination, width);
  });
  if (width.bytes == 4 && !e.trap) {
    Lanes out{};
    load_words(e, far, at, out);
    if (!e.trap) e.warp().set(i.destination, out, far);
    return;
  }
  load_elements(e, far, at, width.bytes, [&](unsigned lane, const Element& element) {
    set_element(e, i.destination, lane, element, width);
  });
}

void execute_st(Executor& e, const Instruction& i, uint32_t mask) {
  const Width width = kWidths[bits(i.word, 5, 3)];
  if (!legal(e, i, width)) return;
  const Addresses at = addresses(e, i, offset32(i), is_wide(i));
  const uint32_t far = take_windows(e, mask, at, [&](Space space, unsigned lane, uint64_t address) {
    store_near(e, space, lane, address, element_of(e, i.destination, lane, width.bytes), width);
  });
  store_elements(e, far, at, width.bytes,
                 [&](unsigned lane) { return element_of(e, i.destination, lane, width.bytes); });
}

void execute_ldl(Executor& e, const Instruction& i, uint32_t mask) {
  near(e, i, mask, Space::kLocal, false);
}
void execute_lds(Executor& e, const Instruction& i, uint32_t mask) {
  near(e, i, mask, Space::kShared, false);
}
void execute_stl(Executor& e, const Instruction& i, uint32_t mask) {
  near(e, i, mask, Space::kLocal, true);
}
void execute_sts(Executor& e, const Instruction& i, uint32_t mask) {
  near(e, i, mask, Space::kShared, true);
}

void execute_lds_lock(Executor& e, const Instruction& i, uint32_t mask) {
  // One lane gets the lock of a word; the predicate tells which.
  const Addresses at = addresses(e, i, offset24(i), false);
  uint32_t got = 0;
  for (unsigned l = 0; l < kLanes && !e.trap; ++l) {
    if (((mask >> l) & 1) == 0) continue;
    load_near(e, Space::kShared, l, at[l], i.destination, {4, false});
    if (e.trap) return;
    if (e.block->locked[at[l] / 4]) continue;
    e.block->locked[at[l] / 4] = true;
    got |= 1u << l;
  }
  e.warp().set_predicate(bits(i.word, 50, 3), got, mask);
}

void execute_sts_unlock(Executor& e, const Instruction& i, uint32_t mask) {
  const Addresses at = addresses(e, i, offset24(i), false);
  for (unsigned l = 0; l < kLanes && !e.trap; ++l) {
    if (((mask >> l) & 1) == 0) continue;
    store_near(e, Space::kShared, l, at[l], element_of(e, i.destination, l, 4), {4, false});
    if (!e.trap) e.block->locked[at[l] / 4] = false;
  }
}

void execute_ldc(Executor& e, const Instruction& i, uint32_t mask) {
  const Width width = kWidths[bits(i.word, 5, 3)];
  if (!legal(e, i, width)) return;
  const unsigned mode = bits(i.word, 8, 2);
  const uint32_t offset = bits(i.word, 26, 16);
  const unsigned bank = bits(i.word, 42, 4);
  const Lanes& index = e.warp().reg(i.a);
  for (unsigned l = 0; l < kLanes && !e.trap; ++l) {
    if (((mask >> l) & 1) == 0) continue;
    // Segmented modes take the bank from the register's upper half.
    const bool segmented = mode >= 2;
    const unsigned from = segmented ? bank + (index[l] >> 16) : bank;
    const uint32_t address = (index[l] + offset) & 0xffff;
    Element element{};
    if (from < kConstantBanks) {
      if (!check_alignment(e, address, width.bytes)) return;
      for (unsigned n = 0; n < std::max(width.bytes / 4u, 1u); ++n) {
        const auto value = e.constants.read(from, address + 4 * n);
        if (!value) return e.fail(Trap::Kind::kMemory, e.launch.constants[from].address + address);
        element[n] = *value;
      }
      element[0] >>= width.bytes < 4 ? 8 * (address % 4) : 0;
    }
    set_element(e, i.destination, l, element, width);
  }
}

void execute_atom(Executor& e, const Instruction& i, uint32_t mask) {
  const uint32_t field = bits(i.word, 26, 17) | bits(i.word, 55, 3) << 17;
  const int64_t offset = static_cast<int32_t>(field << 12) >> 12;
  atomic(e, i, mask, offset, bits(i.word, 43, 6), bits(i.word, 49, 6));
}

void execute_red(Executor& e, const Instruction& i, uint32_t mask) {
  atomic(e, i, mask, offset32(i), kZeroRegister, kZeroRegister);
}

}  // namespace gpuvm::shader
