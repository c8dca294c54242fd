// Vector instructions of which a mask decides which lanes touch memory, and gathers and scatters.
#include "tracer/process/agent/emulate.h"
#include "tracer/process/agent/kernel.h"
#include "tracer/process/agent/raw.h"

namespace gpuvm::agent {
namespace {

constexpr unsigned kRdi = 7;
using trace_channel::kLanes;

uint64_t low_bits(unsigned count) {
  return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
}

// The upper bit of each element of a vector.
uint64_t sign_mask(const Frame& frame, unsigned reg, unsigned element, unsigned lanes) {
  uint8_t data[64];
  frame.read_vector(reg, data);
  uint64_t mask = 0;
  for (unsigned n = 0; n < lanes; ++n) mask |= uint64_t{data[(n + 1) * element - 1] >> 7 & 1u} << n;
  return mask;
}

bool vex_masked(const Instruction& i) {
  return i.map == kVex0F38;
}

unsigned element_bytes(const Plan& p) {
  if (!vex_masked(p.instruction)) return p.operand.element;
  if (p.instruction.opcode >= 0x8c) return p.instruction.w ? 8 : 4;
  return (p.instruction.opcode & 1) != 0 ? 8 : 4;
}

uint64_t active_lanes(const Access& a, unsigned element, unsigned lanes) {
  const Instruction& i = a.plan.instruction;
  if (vex_masked(i)) return sign_mask(a.frame, i.vvvv, element, lanes);
  return i.mask == 0 ? low_bits(lanes) : a.frame.mask_register(i.mask) & low_bits(lanes);
}

int64_t signed_index(const uint8_t* at, unsigned bytes) {
  if (bytes == 8) {
    int64_t value = 0;
    copy_bytes(&value, at, 8);
    return value;
  }
  int32_t value = 0;
  copy_bytes(&value, at, 4);
  return value;
}

}  // namespace

Outcome emulate_lanes(Access* a) {
  const Plan& p = a->plan;
  const unsigned element = element_bytes(p);
  const unsigned lanes = p.operand.bytes / element;
  const uint64_t active = active_lanes(*a, element, lanes);
  const bool packed = p.way == Way::kPacked;
  const uint64_t places = packed ? low_bits(static_cast<unsigned>(__builtin_popcountll(active))) : active;
  const uint64_t address = effective_address(p, a->frame);
  Buffer buffer;
  zero_bytes(buffer.bytes, sizeof buffer.bytes);
  uint8_t* data = buffer.at(address);
  const bool write = p.operand.direction == kWrite;
  if (write && !run_on_buffer(a, data)) return Outcome::kFault;
  for (unsigned n = 0; n < lanes; ++n) {
    if ((places >> n & 1) == 0) continue;
    const uint64_t lane = address + n * element;
    if (!(write ? a->store(lane, data + n * element, element, kLanes)
                : a->load(lane, data + n * element, element, kLanes))) {
      return Outcome::kFault;
    }
  }
  if (!write && !run_on_buffer(a, data)) return Outcome::kFault;
  commit(a);
  return Outcome::kDone;
}

// Lane by lane, lowest first, as the processor may do it; after a fault the mask shows what is still to do.
Outcome emulate_gather(Access* a) {
  const Plan& p = a->plan;
  const Instruction& i = p.instruction;
  const bool evex = is_evex(i.map);
  const bool scatter = p.way == Way::kScatter;
  const unsigned element = p.operand.bytes;
  const unsigned index_bytes = (i.opcode & 1) != 0 ? 8 : 4;
  const unsigned lanes = i.vector_bytes() / (element > index_bytes ? element : index_bytes);
  const unsigned index_reg = (i.sib >> 3 & 7u) | (i.x ? 8u : 0u) | (evex && i.v_high ? 16u : 0u);
  const unsigned data_reg = i.reg();
  uint8_t index[64], data[64];
  a->frame.read_vector(index_reg, index);
  a->frame.read_vector(data_reg, data);
  uint64_t active =
      evex ? a->frame.mask_register(i.mask) & low_bits(lanes) : sign_mask(a->frame, i.vvvv, element, lanes);
  const uint64_t base = effective_address(p, a->frame);
  const unsigned data_bytes = lanes * element;

  const auto write_back = [&](bool done) {
    if (!scatter) a->frame.write_vector(data_reg, data, data_bytes < 16 && !done ? 16 : data_bytes);
    if (evex) return a->frame.set_mask_register(i.mask, active);
    uint8_t mask[64] = {};
    for (unsigned n = 0; n < lanes; ++n) {
      if ((active >> n & 1) != 0) mask[(n + 1) * element - 1] = 0x80;
    }
    a->frame.write_vector(i.vvvv, mask, data_bytes);
  };
  for (unsigned n = 0; n < lanes; ++n) {
    if ((active >> n & 1) == 0) continue;
    uint64_t lane =
        base + static_cast<uint64_t>(signed_index(index + n * index_bytes, index_bytes) << (i.sib >> 6));
    if (i.address32) lane &= 0xffffffff;
    uint8_t* value = data + n * element;
    if (!(scatter ? a->store(lane, value, element, kLanes) : a->load(lane, value, element, kLanes))) {
      write_back(false);
      return Outcome::kFault;
    }
    active &= ~(uint64_t{1} << n);
  }
  write_back(true);
  return Outcome::kDone;
}

Outcome emulate_masked_bytes(Access* a) {
  const Instruction& i = a->plan.instruction;
  uint8_t data[64];
  a->frame.read_vector(i.reg(), data);
  const uint64_t active = sign_mask(a->frame, i.rm() | (i.b ? 8u : 0u), 1, 16);
  uint64_t address = a->frame.gpr(kRdi);
  if (i.address32) address &= 0xffffffff;
  address += segment_base(a->plan);
  for (unsigned n = 0; n < 16; ++n) {
    if ((active >> n & 1) != 0 && !a->store(address + n, data + n, 1, kLanes)) return Outcome::kFault;
  }
  return Outcome::kDone;
}

}  // namespace gpuvm::agent
