#include "tracer/process/agent/emulate.h"

#include <sys/syscall.h>

#include "tracer/process/agent/kernel.h"
#include "tracer/process/agent/raw.h"
#include "tracer/process/agent/regions.h"
#include "tracer/process/agent/thunk.h"

namespace gpuvm::agent {
namespace {

constexpr unsigned kRcx = 1, kRsp = 4, kRdi = 7, kRbx = 3;

// Where an XSAVE image goes that nobody wants. Its header starts as zeros.
alignas(64) __thread uint8_t scratch_state[kScratchState] __attribute__((tls_model("initial-exec")));

void load_registers(const Access& a, void* buffer) {
  ThreadState& t = thread_state;
  for (unsigned r = 0; r < 16; ++r) t.gpr[r] = a.frame.gpr(r);
  t.flags = a.frame.flags();
  const Plan& p = a.plan;
  if (p.reg_instead >= 0) t.gpr[p.reg_instead] = a.frame.gpr(kRsp);
  if (p.vvvv_instead >= 0) t.gpr[p.vvvv_instead] = a.frame.gpr(kRsp);
  t.gpr[p.base] = reinterpret_cast<uint64_t>(buffer);
  if (p.way == Way::kBitString)
    t.gpr[p.reg_instead >= 0 ? p.reg_instead : p.instruction.reg() & 15] &= 8u * p.operand.bytes - 1u;
  if (p.vector) {
    t.xsave_in = t.xsave_out = reinterpret_cast<uint64_t>(a.frame.xsave());
    t.xsave_mask = a.frame.xsave_mask();
  }
}

bool thunk_failed(Access* a) {
  a->fault_signal = thread_state.nested.si_signo;
  a->fault_code = thread_state.nested.si_code;
  a->fault_address = thread_state.nested.si_signo == SIGSEGV ? 0 : a->pc;
  return false;
}

// Does it fault for its alignment? Asked before the memory is touched, of operands that may be held to one.
bool misaligned(Access* a, Buffer* buffer, uint64_t address) {
  const MemoryOperand& operand = a->plan.operand;
  if (operand.bytes < 16 || address % operand.bytes == 0) return false;
  load_registers(*a, buffer->at(address));
  thread_state.xsave_out = reinterpret_cast<uint64_t>(scratch_state);
  if (run_thunk(a->plan.thunk, a->plan.vector) || thread_state.nested.si_signo != SIGSEGV) return false;
  thunk_failed(a);
  return true;
}

Outcome bounce(Access* a) {
  const Plan& p = a->plan;
  const size_t bytes = p.operand.bytes;
  uint64_t address = effective_address(p, a->frame);
  if (p.way == Way::kBitString) {
    const unsigned bits = 8 * static_cast<unsigned>(bytes);
    auto number = static_cast<int64_t>(a->frame.gpr(p.instruction.reg()));
    if (bits == 32) number = static_cast<int32_t>(number);
    if (bits == 16) number = static_cast<int16_t>(number);
    address += static_cast<uint64_t>((number >> (bits == 64   ? 6
                                                 : bits == 32 ? 5
                                                              : 4)) *
                                     static_cast<int64_t>(bytes));
  }
  Buffer buffer;
  if (p.vector && misaligned(a, &buffer, address)) return Outcome::kFault;
  uint8_t* data = buffer.at(address);
  if (p.operand.direction == kRead) {
    if (!a->load(address, data, bytes) || !run_on_buffer(a, data)) return Outcome::kFault;
    commit(a);
    return Outcome::kDone;
  }
  if (p.operand.direction == kWrite) {
    if (!run_on_buffer(a, data) || !a->store(address, data, bytes)) return Outcome::kFault;
    commit(a);
    return Outcome::kDone;
  }
  uint8_t old[512];
  const bool swap = p.atomic && bytes <= 16 && find_region(address) != nullptr &&
                    run_length(address, bytes) == bytes && (bytes & (bytes - 1)) == 0;
  for (;;) {
    if (!a->peek(address, old, bytes)) return Outcome::kFault;
    copy_bytes(data, old, bytes);
    if (!run_on_buffer(a, data)) return Outcome::kFault;
    if (!swap) {
      if (!a->update(address, old, data, bytes, p.atomic ? trace_channel::kAtomic : uint8_t{0}))
        return Outcome::kFault;
      break;
    }
    bool swapped = false;
    if (!a->compare_exchange(address, old, data, bytes, &swapped)) return Outcome::kFault;
    if (swapped) break;
  }
  commit(a);
  return Outcome::kDone;
}

// push and pop of memory, call and jmp through it. The stack is ordinary memory.
Outcome through_stack(Access* a) {
  const Plan& p = a->plan;
  const Instruction& i = p.instruction;
  const size_t bytes = i.operand16 && !i.w ? 2 : 8;
  uint64_t value = 0;
  uint64_t stack = a->frame.gpr(kRsp);
  const uint64_t next = a->frame.rip() + i.length;
  if (p.way == Way::kPop) {
    if (!a->load(stack, &value, bytes)) return Outcome::kFault;
    a->frame.set_gpr(kRsp, stack + bytes);  // an address by rsp is that after the pop
    if (!a->store(effective_address(p, a->frame), &value, bytes)) {
      a->frame.set_gpr(kRsp, stack);
      return Outcome::kFault;
    }
    a->frame.set_rip(next);
    return Outcome::kDone;
  }
  if (bytes == 2 && p.way != Way::kPush) return Outcome::kRefused;
  if (!a->load(effective_address(p, a->frame), &value, bytes)) return Outcome::kFault;
  if (p.way == Way::kJump) {
    a->frame.set_rip(value);
    return Outcome::kDone;
  }
  const uint64_t pushed = p.way == Way::kCall ? next : value;
  stack -= bytes;
  if (!a->store(stack, &pushed, bytes)) return Outcome::kFault;
  a->frame.set_gpr(kRsp, stack);
  a->frame.set_rip(p.way == Way::kCall ? value : next);
  return Outcome::kDone;
}

Outcome translate(Access* a) {
  uint64_t address = a->frame.gpr(kRbx) + (a->frame.gpr(0) & 0xff);
  if (a->plan.instruction.address32) address &= 0xffffffff;
  uint8_t value = 0;
  if (!a->load(address + segment_base(a->plan), &value, 1)) return Outcome::kFault;
  a->frame.set_gpr(0, (a->frame.gpr(0) & ~uint64_t{0xff}) | value);
  return Outcome::kDone;
}

Outcome move64(Access* a) {
  alignas(64) uint8_t data[64];
  const uint64_t to = a->frame.gpr(a->plan.instruction.reg());
  if (to % 64 != 0) {
    a->fault_signal = SIGSEGV, a->fault_code = SI_KERNEL, a->fault_address = 0;
    return Outcome::kFault;
  }
  return a->load(effective_address(a->plan, a->frame), data, 64) && a->store(to, data, 64) ? Outcome::kDone
                                                                                           : Outcome::kFault;
}

Outcome flush(Access* a) {
  const uint64_t address = effective_address(a->plan, a->frame);
  const Region* region = find_region(address);
  if (region == nullptr) return Outcome::kRefused;
  const Instruction& i = a->plan.instruction;
  const int kind = !i.operand16 ? 0 : (i.modrm >> 3 & 7) == 7 ? 1 : 2;
  raw_flush(region->real(address), kind);
  return Outcome::kDone;
}

}  // namespace

bool run_on_buffer(Access* a, void* buffer) {
  load_registers(*a, buffer);
  return run_thunk(a->plan.thunk, a->plan.vector) || thunk_failed(a);
}

void commit(Access* a) {
  ThreadState& t = thread_state;
  const Plan& p = a->plan;
  for (unsigned r = 0; r < 16; ++r) {
    const auto number = static_cast<int8_t>(r);
    if (r == kRsp || r == p.base || number == p.reg_instead || number == p.vvvv_instead) continue;
    if (p.way == Way::kBitString && r == (p.instruction.reg() & 15)) continue;
    a->frame.set_gpr(r, t.gpr[r]);
  }
  if (p.way != Way::kBitString && p.reg_instead >= 0) a->frame.set_gpr(kRsp, t.gpr[p.reg_instead]);
  if (p.vvvv_instead >= 0) a->frame.set_gpr(kRsp, t.gpr[p.vvvv_instead]);
  a->frame.set_status_flags(t.flags);
  // The x87 unit remembers where its last instruction was, and its operand.
  if (p.instruction.map == kMapOneByte && p.vector) {
    auto* last = reinterpret_cast<uint64_t*>(a->frame.xsave() + 8);
    if (thunk_recovery(last[0]) != 0) {
      last[0] = a->pc;
      last[1] = effective_address(p, a->frame);
    }
  }
}

Outcome emulate(Access* a) {
  const uint64_t next = a->frame.rip() + a->plan.instruction.length;
  Outcome outcome = Outcome::kRefused;
  switch (a->plan.way) {
    case Way::kRefuse:
      return Outcome::kRefused;
    case Way::kBounce:
    case Way::kBitString:
      outcome = bounce(a);
      break;
    case Way::kLanes:
    case Way::kPacked:
      outcome = emulate_lanes(a);
      break;
    case Way::kGather:
    case Way::kScatter:
      outcome = emulate_gather(a);
      break;
    case Way::kString:
      return emulate_string(a);
    case Way::kPush:
    case Way::kPop:
    case Way::kCall:
    case Way::kJump:
      return through_stack(a);
    case Way::kTranslate:
      outcome = translate(a);
      break;
    case Way::kMaskedBytes:
      outcome = emulate_masked_bytes(a);
      break;
    case Way::kMove64:
      outcome = move64(a);
      break;
    case Way::kFlush:
      outcome = flush(a);
      break;
  }
  if (outcome == Outcome::kDone) a->frame.set_rip(next);
  return outcome;
}

}  // namespace gpuvm::agent
