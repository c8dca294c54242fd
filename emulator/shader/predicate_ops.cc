// Comparisons of integers, selections, predicates, moves and what a thread knows about itself.
#include <bit>

#include "emulator/shader/executor.h"
#include "emulator/shader/executors.h"

namespace gpuvm::shader {
namespace {

// The condition's bits: less, equal, greater.
uint32_t compare(Executor& e, const Instruction& i) {
  const Lanes &a = e.a(i), &b = e.b(i);
  const bool is_signed = bit(i.word, 5), extended = bit(i.word, 6);
  const uint32_t condition = bits(i.word, 55, 3);
  // The upper half of a 64-bit comparison: the flags are of the lower halves' difference.
  const Warp::Flags& flags = e.warp().flags();
  const uint32_t low_less = extended ? ~flags.carry : 0, low_equal = extended ? flags.zero : kAllLanes;
  const uint32_t flip = is_signed ? 1u << 31 : 0;
  uint32_t result = 0;
  for (unsigned l = 0; l < kLanes; ++l) {
    const uint32_t x = a[l] ^ flip, y = b[l] ^ flip;
    const bool same = x == y;
    const bool less = x < y || (same && ((low_less >> l) & 1) != 0);
    const bool equal = same && ((low_equal >> l) & 1) != 0;
    const bool greater = !less && !equal;
    const uint32_t holds = (uint32_t{less} & condition) | (uint32_t{equal} & condition >> 1) |
                           (uint32_t{greater} & condition >> 2);
    result |= (holds & 1) << l;
  }
  return result;
}

uint32_t last_predicate(Executor& e, const Instruction& i) {
  return e.warp().predicate(bits(i.word, 49, 3), bit(i.word, 52));
}

}  // namespace

void execute_iset(Executor& e, const Instruction& i, uint32_t mask) {
  const uint32_t holds = combine(bits(i.word, 53, 2), compare(e, i), last_predicate(e, i));
  const uint32_t yes = bit(i.word, 7) ? 0x3f800000 : ~0u;
  set_lanes(e, i.destination, mask, [&](unsigned l) { return (holds >> l) & 1 ? yes : 0; });
}

void execute_isetp(Executor& e, const Instruction& i, uint32_t mask) {
  const uint32_t compared = compare(e, i), last = last_predicate(e, i), operation = bits(i.word, 53, 2);
  e.warp().set_predicate(bits(i.word, 14, 3), combine(operation, ~compared, last), mask);
  e.warp().set_predicate(bits(i.word, 17, 3), combine(operation, compared, last), mask);
}

void execute_islct(Executor& e, const Instruction& i, uint32_t mask) {
  const Lanes &a = e.a(i), &b = e.b(i), &c = e.c(i);
  const bool is_signed = bit(i.word, 5);
  const uint32_t condition = bits(i.word, 55, 3);
  set_lanes(e, i.destination, mask, [&](unsigned l) {
    const bool less = is_signed && static_cast<int32_t>(c[l]) < 0, equal = c[l] == 0;
    const unsigned order = less ? 0 : equal ? 1 : 2;
    return (condition >> order) & 1 ? a[l] : b[l];
  });
}

void execute_psetp(Executor& e, const Instruction& i, uint32_t mask) {
  const uint32_t first = e.warp().predicate(bits(i.word, 20, 3), bit(i.word, 23));
  const uint32_t second = e.warp().predicate(bits(i.word, 26, 3), bit(i.word, 29));
  const uint32_t last = last_predicate(e, i), operation = bits(i.word, 53, 2);
  const uint32_t result = combine(bits(i.word, 30, 2), first, second);
  e.warp().set_predicate(bits(i.word, 14, 3), combine(operation, ~result, last), mask);
  e.warp().set_predicate(bits(i.word, 17, 3), combine(operation, result, last), mask);
}

void execute_pset(Executor& e, const Instruction& i, uint32_t mask) {
  const uint32_t first = e.warp().predicate(bits(i.word, 20, 3), bit(i.word, 23));
  const uint32_t second = e.warp().predicate(bits(i.word, 26, 3), bit(i.word, 29));
  const uint32_t result =
      combine(bits(i.word, 53, 2), combine(bits(i.word, 30, 2), first, second), last_predicate(e, i));
  const uint32_t yes = bit(i.word, 5) ? 0x3f800000 : ~0u;
  set_lanes(e, i.destination, mask, [&](unsigned l) { return (result >> l) & 1 ? yes : 0; });
}

void execute_sel(Executor& e, const Instruction& i, uint32_t mask) {
  const Lanes &a = e.a(i), &b = e.b(i);
  const uint32_t holds = last_predicate(e, i);
  set_lanes(e, i.destination, mask, [&](unsigned l) { return (holds >> l) & 1 ? a[l] : b[l]; });
}

void execute_mov(Executor& e, const Instruction& i, uint32_t mask) {
  // Bits 8:5 choose the threads of every quad that take part.
  e.warp().set(i.destination, e.b(i), mask & bits(i.word, 5, 4) * 0x11111111);
}

void execute_mov32i(Executor& e, const Instruction& i, uint32_t mask) {
  execute_mov(e, i, mask);
}

void execute_vote(Executor& e, const Instruction& i, uint32_t mask) {
  const uint32_t votes = e.warp().predicate(bits(i.word, 20, 3), bit(i.word, 23)) & mask;
  bool result = false;
  switch (bits(i.word, 5, 2)) {
    case 0:
      result = votes == mask;
      break;
    case 1:
      result = votes != 0;
      break;
    default:
      result = votes == 0 || votes == mask;
      break;
  }
  Lanes ballot;
  ballot.fill(votes);
  e.warp().set(i.destination, ballot, mask);
  e.warp().set_predicate(bits(i.word, 54, 3), result ? kAllLanes : 0, mask);
}

void execute_s2r(Executor& e, const Instruction& i, uint32_t mask) {
  const Dimensions &block = e.launch.block, &grid = e.launch.grid, &at = e.block->index;
  const uint32_t first = e.warp_index * kLanes;
  const auto thread = [&](unsigned lane, unsigned axis) -> uint32_t {
    const uint32_t n = first + lane;
    return axis == 0 ? n % block.x : axis == 1 ? n / block.x % block.y : n / block.x / block.y;
  };
  const auto per_lane = [&](auto value) { set_lanes(e, i.destination, mask, value); };
  const auto same = [&](uint32_t value) { per_lane([value](unsigned) { return value; }); };
  switch (const uint32_t which = bits(i.word, 26, 8)) {
    case 0x00:  // lane
      return per_lane([](unsigned l) { return l; });
    case 0x03:  // physical place: one core, one warp after the other
      return same(e.warp_index << 16);
    case 0x20:  // x, y and z together
      return per_lane([&](unsigned l) { return thread(l, 0) | thread(l, 1) << 16 | thread(l, 2) << 26; });
    case 0x21:
    case 0x22:
    case 0x23:
      return per_lane([&](unsigned l) { return thread(l, which - 0x21); });
    case 0x25:
      return same(at.x);
    case 0x26:
      return same(at.y);
    case 0x27:
      return same(at.z);
    case 0x29:
      return same(block.x);
    case 0x2a:
      return same(block.y);
    case 0x2b:
      return same(block.z);
    case 0x2c:
      return same(e.launch.grid_id);
    case 0x2d:
      return same(grid.x);
    case 0x2e:
      return same(grid.y);
    case 0x2f:
      return same(grid.z);
    case 0x30:
      return same(e.launch.shared_window);
    case 0x34:
      return same(e.launch.local_window);
    case 0x38:
      return per_lane([](unsigned l) { return 1u << l; });
    case 0x39:
      return per_lane([](unsigned l) { return (1u << l) - 1; });
    case 0x3a:
      return per_lane([](unsigned l) { return (1u << l) - 1 + (1u << l); });
    case 0x3b:
      return per_lane([](unsigned l) { return ~((1u << l) - 1 + (1u << l)); });
    case 0x3c:
      return per_lane([](unsigned l) { return ~((1u << l) - 1); });
    // The clock: instructions so far. Mesa's emitter loses the number's upper bits.
    case 0x10:
    case 0x50:
      return same(static_cast<uint32_t>(e.counters.warp_instructions));
    case 0x11:
    case 0x51:
      return same(static_cast<uint32_t>(e.counters.warp_instructions >> 32));
    default:
      return e.fail(Trap::Kind::kIllegalInstruction);
  }
}

void execute_nop(Executor&, const Instruction&, uint32_t) {}

}  // namespace gpuvm::shader
