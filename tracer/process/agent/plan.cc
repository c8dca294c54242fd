#include "tracer/process/agent/plan.h"

#include <asm/prctl.h>
#include <sys/syscall.h>

#include "tracer/process/agent/kernel.h"
#include "tracer/process/agent/raw.h"
#include "tracer/process/agent/recorder.h"
#include "tracer/process/agent/thread_base.h"
#include "tracer/process/agent/thunk.h"

namespace gpuvm::agent {
namespace {

constexpr size_t kPlans = 32768;  // a power of two; three quarters are used
constexpr uint8_t kRsi = 6, kRdi = 7, kRbx = 3, kRbp = 5, kRsp = 4;

struct Cache {
  Plan plans[kPlans];
  std::atomic<uint32_t> used;
  Plan spare;
  std::atomic<uint32_t> spare_lock;
  const uint8_t* compare[4];
};
constinit Cache cache{};

bool gpr_only_0f(uint8_t op) {
  return (op >= 0x40 && op <= 0x4f) || (op >= 0x90 && op <= 0x9f) || (op >= 0xa3 && op <= 0xa5) ||
         (op >= 0xab && op <= 0xad) || (op >= 0xaf && op <= 0xc1) || op == 0xc3 || op == 0xc7;
}

bool needs_vector(const Instruction& i) {
  switch (i.map) {
    case kMapOneByte:
      return i.opcode >= 0xd8 && i.opcode <= 0xdf;
    case kMap0F:
      return !gpr_only_0f(i.opcode);
    case kMap0F38:
      return i.opcode < 0xf0;
    case kVex0F38:
      return i.opcode < 0xf2;
    case kVex0F3A:
      return i.opcode != 0xf0;
    default:
      return true;
  }
}

// Conversions of a scalar to a general register.
bool converts_to_gpr(const Instruction& i) {
  const bool scalar = i.map == kMap0F ? i.rep || i.repne : i.pp >= 2;
  const bool map = i.map == kMap0F || i.map == kVex0F || i.map == kEvex0F || i.map == kEvexMap5;
  return map && scalar &&
         (i.opcode == 0x2c || i.opcode == 0x2d || (is_evex(i.map) && (i.opcode & 0xfe) == 0x78));
}
bool reg_is_gpr(const Instruction& i) {
  return !needs_vector(i) || converts_to_gpr(i);
}

bool high_byte_register(const Instruction& i) {
  if (i.has_rex || i.map >= kVex0F) return false;
  if (i.map == kMap0F) return i.opcode == 0xb0 || i.opcode == 0xc0;
  return i.map == kMapOneByte && ((i.opcode < 0x40 && (i.opcode & 1) == 0) || i.opcode == 0x84 ||
                                  i.opcode == 0x86 || i.opcode == 0x88 || i.opcode == 0x8a);
}

// ModRM.reg is part of the opcode, no register.
bool reg_is_opcode(const Instruction& i) {
  switch (i.map) {
    case kMapOneByte:
      return (i.opcode >= 0x80 && i.opcode <= 0x83) || i.opcode == 0x8f ||
             (i.opcode >= 0xc0 && i.opcode <= 0xc7) || (i.opcode >= 0xd0 && i.opcode <= 0xdf) ||
             i.opcode >= 0xf6 || i.opcode == 0x8c || i.opcode == 0x8e;
    case kMap0F:
      return i.opcode == 0xae || i.opcode == 0xba || i.opcode == 0xc7 || i.opcode < 0x02 || i.opcode == 0x18;
    case kVex0F38:
      return i.opcode == 0xf3;
    case kVex0F:
      return i.opcode == 0xae;
    default:
      return false;
  }
}

bool uses_vvvv_gpr(const Instruction& i) {
  return i.map == kVex0F38 && i.opcode >= 0xf2 && i.opcode <= 0xf7;
}

// The registers that take the place of the buffer's address and of rsp, which a thunk cannot use.
void choose_registers(Plan* p) {
  const Instruction& i = p->instruction;
  constexpr uint8_t kCandidates[] = {kRsi, kRdi, kRbx, kRbp};
  const int reg = !reg_is_opcode(i) && reg_is_gpr(i) ? static_cast<int>(i.reg() & 15) : -1;
  const int vvvv = uses_vvvv_gpr(i) ? i.vvvv : -1;
  uint32_t taken = 0;
  if (reg >= 0) taken |= 1u << reg;
  if (vvvv >= 0) taken |= 1u << vvvv;
  const auto pick = [&]() -> uint8_t {
    for (const uint8_t c : kCandidates) {
      if ((taken >> c & 1) == 0) {
        taken |= 1u << c;
        return c;
      }
    }
    return kRsi;
  };
  // cmpxchg8b/16b use rbx by themselves, which rsi, the first choice, is not. rbp as base would need a
  // displacement.
  p->base = pick();
  const bool rsp_reg = reg == kRsp && !high_byte_register(i);
  p->reg_instead = static_cast<int8_t>(rsp_reg ? pick() : -1);
  p->vvvv_instead = static_cast<int8_t>(vvvv == kRsp ? pick() : -1);
}

// The instruction with [base] as its operand; its length.
size_t encode(const Plan& p, uint8_t* out) {
  const Instruction& i = p.instruction;
  size_t n = 0;
  const unsigned reg = p.reg_instead >= 0 ? static_cast<unsigned>(p.reg_instead) : (i.modrm >> 3 & 7u);
  if (is_vex(i.map) || is_evex(i.map)) {
    const size_t prefix = static_cast<size_t>(i.opcode_at - i.prefix_at);
    copy_bytes(out, p.bytes + i.prefix_at, prefix);
    if (out[0] != 0xc5) out[1] |= 0x60;  // X and B: none
    if (p.reg_instead >= 0) out[1] |= 0x80;
    if (p.vvvv_instead >= 0) {
      uint8_t& byte = out[out[0] == 0xc5 ? 1 : 2];
      byte = static_cast<uint8_t>((byte & ~0x78) | (~p.vvvv_instead & 15) << 3);
    }
    n = prefix;
  } else {
    if (i.operand16) out[n++] = 0x66;
    if (i.rep) out[n++] = 0xf3;
    if (i.repne) out[n++] = 0xf2;
    if (i.has_rex) {
      out[n++] = static_cast<uint8_t>(0x40 | (i.w ? 8 : 0) | (i.r && p.reg_instead < 0 ? 4 : 0));
    }
    if (i.map != kMapOneByte) out[n++] = 0x0f;
    if (i.map == kMap0F38) out[n++] = 0x38;
    if (i.map == kMap0F3A) out[n++] = 0x3a;
  }
  out[n++] = i.opcode;
  out[n++] = static_cast<uint8_t>(reg << 3 | p.base);
  copy_bytes(out + n, p.bytes + i.immediate_at, i.immediate_bytes);
  return n + i.immediate_bytes;
}

bool is_string(const Instruction& i) {
  return i.map == kMapOneByte &&
         ((i.opcode >= 0xa4 && i.opcode <= 0xa7) || (i.opcode >= 0xaa && i.opcode <= 0xaf));
}

Way way_of_group5(const Instruction& i) {
  switch (i.modrm >> 3 & 7) {
    case 0:
    case 1:
      return Way::kBounce;
    case 2:
      return Way::kCall;
    case 4:
      return Way::kJump;
    case 6:
      return Way::kPush;
    default:
      return Way::kRefuse;
  }
}

Way way_of_vector(const Instruction& i, const MemoryOperand& operand) {
  const bool evex = is_evex(i.map);
  if (operand.vsib) {
    if (i.opcode >= 0x90 && i.opcode <= 0x93) return Way::kGather;
    return i.opcode >= 0xa0 && i.opcode <= 0xa3 ? Way::kScatter : Way::kRefuse;
  }
  if (i.map == kVex0F38) {
    if ((i.opcode >= 0x2c && i.opcode <= 0x2f) || i.opcode == 0x8c || i.opcode == 0x8e) return Way::kLanes;
    return i.opcode == 0x49 || i.opcode == 0x4b ? Way::kRefuse : Way::kBounce;  // AMX
  }
  if (!evex) return Way::kBounce;
  if (i.map == kEvex0F38 && i.pp == 1 &&
      (i.opcode == 0x62 || i.opcode == 0x63 || (i.opcode >= 0x88 && i.opcode <= 0x8b))) {
    return Way::kPacked;
  }
  if (i.mask == 0) return Way::kBounce;
  const bool move = i.map == kEvex0F && (i.opcode == 0x10 || i.opcode == 0x11 || i.opcode == 0x28 ||
                                         i.opcode == 0x29 || i.opcode == 0x6f || i.opcode == 0x7f);
  const bool narrow = i.map == kEvex0F38 && i.pp == 2 && operand.direction == kWrite;
  const bool half_move = i.map == kEvexMap5 && (i.opcode == 0x10 || i.opcode == 0x11);  // vmovsh
  return move || narrow || half_move ? Way::kLanes : Way::kBounce;
}

Way way_of(const Plan& p) {
  const Instruction& i = p.instruction;
  if (i.map == kMapOneByte) {
    if (is_string(i)) return Way::kString;
    if (i.opcode == 0xd7) return Way::kTranslate;
    if (i.opcode == 0x8f) return Way::kPop;
    if (i.opcode == 0xff) return way_of_group5(i);
  }
  if (i.map == kMap0F && i.opcode == 0xf7 && i.mod() == 3)
    return i.operand16 ? Way::kMaskedBytes : Way::kRefuse;
  if (i.map == kVex0F && i.opcode == 0xf7 && i.mod() == 3) return Way::kMaskedBytes;
  if (i.map == kMap0F38 && i.opcode == 0xf8)
    return i.operand16 && !i.rep && !i.repne ? Way::kMove64 : Way::kRefuse;
  if (p.operand.direction == kNone) return Way::kRefuse;
  if (i.map == kMap0F) {
    const unsigned reg = i.modrm >> 3 & 7;
    if (i.opcode == 0xae && !i.rep && (reg == 7 || (i.operand16 && reg == 6))) return Way::kFlush;
    if (i.opcode == 0xae && reg != 2 && reg != 3) return Way::kRefuse;  // fxsave, xsave and their kin
    if (i.opcode == 0xc7 && reg != 1) return Way::kRefuse;
    if (i.opcode <= 0x03) return Way::kRefuse;
    if (i.opcode == 0xa3 || i.opcode == 0xab || i.opcode == 0xb3 || i.opcode == 0xbb) return Way::kBitString;
  }
  if (i.map >= kVex0F) return way_of_vector(i, p.operand);
  return Way::kBounce;
}

// mov between the accumulator and an address in the instruction: as if it had a ModRM byte.
void rewrite_absolute_move(Instruction* i) {
  i->opcode = static_cast<uint8_t>(i->opcode < 0xa2 ? 0x8a + (i->opcode & 1) : 0x88 + (i->opcode & 1));
  i->has_modrm = true;
  i->modrm = 0x05;
  i->immediate_bytes = 0;
}

bool build(uint64_t rip, const uint8_t* bytes, size_t available, Plan* p, bool reuse) {
  Instruction& i = p->instruction;
  const bool decoded = decode_instruction(bytes, available, &i);
  if (!decoded) i.length = static_cast<uint8_t>(available);
  copy_bytes(p->bytes, bytes, i.length);
  p->absolute = i.map == kMapOneByte && i.opcode >= 0xa0 && i.opcode <= 0xa3;
  if (p->absolute) rewrite_absolute_move(&i);
  p->operand = MemoryOperand{};
  const bool known = find_memory_operand(i, &p->operand);
  p->vector = needs_vector(i);
  p->atomic = i.lock || (i.map == kMapOneByte && (i.opcode == 0x86 || i.opcode == 0x87));
  p->way = decoded && (known || !i.memory_form()) ? way_of(*p) : Way::kRefuse;
  if (p->operand.bytes > 512) p->way = Way::kRefuse;
  const bool bounces =
      p->way == Way::kBounce || p->way == Way::kLanes || p->way == Way::kPacked || p->way == Way::kBitString;
  if (bounces) {
    choose_registers(p);
    uint8_t code[kMaxInstructionBytes + 4];
    const size_t length = encode(*p, code);
    if (reuse) {
      rebuild_thunk(p->thunk, code, length, p->vector);
    } else {
      p->thunk = build_thunk(code, length, p->vector);
    }
    if (p->thunk == nullptr) return false;
  }
  p->rip.store(rip, std::memory_order_release);
  return true;
}

// The record that ties an instruction to a file, from /proc/self/maps: dl_iterate_phdr takes locks.
void record_site(uint64_t rip);

}  // namespace

uint64_t segment_base(const Plan& plan) {
  if (plan.instruction.segment == 0x64) {
    uint64_t base = program_base();
    if (base == 0) asm("mov %%fs:0, %0" : "=r"(base));
    return base;
  }
  if (plan.instruction.segment == 0x65) {
    uint64_t base = 0;
    kernel_call(SYS_arch_prctl, ARCH_GET_GS, as_long(&base));
    return base;
  }
  return 0;
}

uint64_t effective_address(const Plan& plan, const Frame& frame) {
  const Instruction& i = plan.instruction;
  uint64_t address = 0;
  if (plan.absolute) {
    copy_bytes(&address, plan.bytes + i.immediate_at, i.address32 ? 4 : 8);
    return segment_base(plan) + address;
  }
  address = static_cast<uint64_t>(static_cast<int64_t>(i.offset) *
                                  static_cast<int64_t>(displacement_scale(i, plan.operand)));
  if (i.has_sib) {
    const unsigned base = (i.sib & 7u) | (i.b ? 8u : 0u);
    const unsigned index = (i.sib >> 3 & 7u) | (i.x ? 8u : 0u);
    if ((i.sib & 7) != 5 || i.mod() != 0) address += frame.gpr(base);
    if (index != 4 && !plan.operand.vsib) address += frame.gpr(index) << (i.sib >> 6);
  } else if (i.mod() == 0 && i.rm() == 5) {
    address += frame.rip() + i.length;
  } else {
    address += frame.gpr(i.rm() | (i.b ? 8u : 0u));
  }
  if (i.address32) address &= 0xffffffff;
  return segment_base(plan) + address;
}

const uint8_t* compare_thunk(unsigned log2_width) {
  return cache.compare[log2_width];
}

bool init_plans() {
  constexpr uint8_t kCompare[4][3] = {
      {0x3a, 0x06, 0x90}, {0x66, 0x3b, 0x06}, {0x3b, 0x06, 0x90}, {0x48, 0x3b, 0x06}};
  for (unsigned n = 0; n < 4; ++n) cache.compare[n] = build_thunk(kCompare[n], 3, false);
  constexpr uint8_t kNop[] = {0x90};
  cache.spare.thunk = build_thunk(kNop, 1, false);
  return cache.spare.thunk != nullptr;
}

void release_plan() {
  cache.spare_lock.store(0, std::memory_order_release);
}

const Plan* plan_at(uint64_t rip, bool* shared) {
  *shared = false;
  uint8_t bytes[kMaxInstructionBytes];
  size_t available = kMaxInstructionBytes;
  if (!raw_copy(bytes, reinterpret_cast<const void*>(rip), available)) {
    available = 4096 - rip % 4096;  // the page's end is the code's end
    if (available > kMaxInstructionBytes || !raw_copy(bytes, reinterpret_cast<const void*>(rip), available))
      return nullptr;
  }
  const size_t start = (rip * 0x9e3779b97f4a7c15u) >> 49;
  static_assert(kPlans == 1u << 15);
  for (size_t n = 0; n < 64; ++n) {
    Plan& p = cache.plans[(start + n) % kPlans];
    uint64_t at = p.rip.load(std::memory_order_acquire);
    // Code may have been replaced since: an unloaded library, a program's own compiler.
    if (at == rip && p.instruction.length <= available && same_bytes(p.bytes, bytes, p.instruction.length))
      return &p;
    if (at != 0) continue;
    constexpr uint64_t kTaken = 1;  // no instruction is there
    if (!p.rip.compare_exchange_strong(at, kTaken, std::memory_order_acquire)) continue;
    if (cache.used.fetch_add(1, std::memory_order_relaxed) >= kPlans / 4 * 3 ||
        !build(rip, bytes, available, &p, false)) {
      break;  // the entry stays taken: there is no room for code
    }
    record_site(rip);
    return &p;
  }
  uint32_t free = 0;
  while (!cache.spare_lock.compare_exchange_weak(free, 1, std::memory_order_acquire)) {
    free = 0;
    kernel_call(SYS_sched_yield);
  }
  *shared = true;
  build(rip, bytes, available, &cache.spare, true);
  record_site(rip);
  return &cache.spare;
}

namespace {

// "55d0c0000000-55d0c0002000 r-xp 00001000 fe:00 123   /usr/bin/x"
bool parse_hex(const char** at, const char* end, uint64_t* out) {
  *out = 0;
  const char* start = *at;
  for (; *at < end; ++*at) {
    const char c = **at;
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) break;
    *out = *out << 4 | static_cast<uint64_t>(digit);
  }
  return *at != start;
}

bool site_in_line(const char* line, const char* end, uint64_t rip, Record* record) {
  uint64_t from = 0, to = 0, offset = 0;
  if (!parse_hex(&line, end, &from) || *line != '-') return false;
  ++line;
  if (!parse_hex(&line, end, &to) || rip < from || rip >= to) return false;
  while (line < end && *line == ' ') ++line;
  line += 5;  // "r-xp "
  if (line >= end || !parse_hex(&line, end, &offset)) return false;
  const char* path = line;
  while (path < end && *path != '/' && *path != '[') ++path;
  record->offset = rip - from + offset;
  record->bytes = static_cast<uint32_t>(end - path);
  record_now(*record, path, record->bytes);
  return true;
}

void record_site(uint64_t rip) {
  Record record;
  record.type = RecordType::kSite;
  record.pc = rip;
  const long fd = kernel_call(SYS_open, as_long("/proc/self/maps"), 0 /* O_RDONLY */);
  if (fd >= 0) {
    char text[4096];
    size_t have = 0;
    bool found = false;
    for (long n = 0; !found && (n = kernel_call(SYS_read, fd, as_long(text + have),
                                                static_cast<long>(sizeof text - have))) > 0;) {
      have += static_cast<size_t>(n);
      size_t start = 0;
      for (size_t i = 0; i < have && !found; ++i) {
        if (text[i] != '\n') continue;
        found = site_in_line(text + start, text + i, rip, &record);
        start = i + 1;
      }
      if (start == 0 && have == sizeof text) break;  // no path is that long
      for (size_t i = start; i < have; ++i) text[i - start] = text[i];
      have -= start;
    }
    kernel_call(SYS_close, fd);
    if (found) return;
  }
  record_now(record, nullptr, 0);
}

}  // namespace

}  // namespace gpuvm::agent
