#include "tracer/process/agent/thunk.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include "tracer/process/agent/kernel.h"

namespace gpuvm::agent {
namespace {

constexpr size_t kAreaBytes = 2 << 20;
constexpr size_t kThunkBytes = 32;
constexpr uint8_t kRsp = 4;

struct Area {
  uint8_t* begin;
  const uint8_t* entry[2];  // plain, vector
  const uint8_t* exit[2];
  const uint8_t* failed;
  const uint8_t* first_thunk;
  std::atomic<uint32_t> used;
};
constinit Area area{};

struct Emitter {
  uint8_t* at;
  int64_t state;

  void bytes(std::initializer_list<uint8_t> list) {
    for (const uint8_t b : list) *at++ = b;
  }
  void word(int64_t value) {
    const auto v = static_cast<int32_t>(value);
    copy_bytes(at, &v, 4);
    at += 4;
  }
  // opcode reg, %fs:field
  void field(uint8_t opcode, unsigned reg, size_t offset, bool wide = true) {
    *at++ = 0x64;
    const auto rex = static_cast<uint8_t>((wide ? 0x48 : 0x40) | (reg >= 8 ? 4 : 0));
    *at++ = rex;
    *at++ = opcode;
    *at++ = static_cast<uint8_t>(0x04 | (reg & 7) << 3);
    *at++ = 0x25;
    word(state + static_cast<int64_t>(offset));
  }
  void load(unsigned reg, size_t offset) { field(0x8b, reg, offset); }
  void store(unsigned reg, size_t offset) { field(0x89, reg, offset); }
};

constexpr uint8_t kRax = 0, kRdx = 2, kRdi = 7;

void emit_entry(Emitter* e, bool vector) {
  e->bytes({0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57});  // push rbx rbp r12-r15
  e->store(kRsp, offsetof(ThreadState, saved_rsp));
  if (vector) {
    e->load(kRdi, offsetof(ThreadState, xsave_in));
    e->load(kRax, offsetof(ThreadState, xsave_mask));
    e->bytes({0x31, 0xd2, 0x48, 0x0f, 0xae, 0x2f});  // xor edx, edx; xrstor64 [rdi]
  }
  e->field(0xff, 6, offsetof(ThreadState, flags));  // push
  e->bytes({0x9d});                                 // popfq
  for (unsigned reg = 0; reg < 16; ++reg) {
    if (reg != kRsp) e->load(reg, offsetof(ThreadState, gpr) + 8 * reg);
  }
  e->field(0xff, 4, offsetof(ThreadState, thunk));  // jmp
}

void emit_return(Emitter* e, uint8_t result) {
  e->bytes({0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xb8, result, 0, 0, 0, 0xc3});
}

void emit_exit(Emitter* e, bool vector) {
  for (unsigned reg = 0; reg < 16; ++reg) {
    if (reg != kRsp) e->store(reg, offsetof(ThreadState, gpr) + 8 * reg);
  }
  e->load(kRsp, offsetof(ThreadState, saved_rsp));
  e->bytes({0x9c});                                 // pushfq
  e->field(0x8f, 0, offsetof(ThreadState, flags));  // pop
  e->bytes({0xfc});                                 // cld
  if (vector) {
    e->load(kRdi, offsetof(ThreadState, xsave_out));
    e->load(kRax, offsetof(ThreadState, xsave_mask));
    e->bytes({0x31, 0xd2, 0x48, 0x0f, 0xae, 0x27});  // xor edx, edx; xsave64 [rdi]
  }
  emit_return(e, 1);
}

void fill_thunk(uint8_t* at, const uint8_t* instruction, size_t bytes, bool vector) {
  copy_bytes(at, instruction, bytes);
  at[bytes] = 0xe9;
  const auto distance = static_cast<int32_t>(area.exit[vector ? 1 : 0] - (at + bytes + 5));
  copy_bytes(at + bytes + 1, &distance, 4);
}

}  // namespace

bool init_thunks(int64_t state_offset) {
  const long mapped = kernel_call(SYS_mmap, 0, kAreaBytes, PROT_READ | PROT_WRITE | PROT_EXEC,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped < 0) return false;
  area.begin = reinterpret_cast<uint8_t*>(mapped);
  Emitter e{area.begin, state_offset};
  for (int vector = 0; vector < 2; ++vector) {
    area.entry[vector] = e.at;
    emit_entry(&e, vector != 0);
    area.exit[vector] = e.at;
    emit_exit(&e, vector != 0);
  }
  area.failed = e.at;
  e.load(kRsp, offsetof(ThreadState, saved_rsp));
  e.bytes({0xfc});
  emit_return(&e, 0);
  area.first_thunk = area.begin + 1024;
  return e.at < area.first_thunk;
}

const uint8_t* build_thunk(const uint8_t* instruction, size_t bytes, bool vector) {
  const uint32_t index = area.used.fetch_add(1, std::memory_order_relaxed);
  if (1024 + (index + 1) * kThunkBytes > kAreaBytes) return nullptr;
  uint8_t* at = area.begin + 1024 + index * kThunkBytes;
  fill_thunk(at, instruction, bytes, vector);
  return at;
}

void rebuild_thunk(const uint8_t* thunk, const uint8_t* instruction, size_t bytes, bool vector) {
  fill_thunk(const_cast<uint8_t*>(thunk), instruction, bytes, vector);
}

bool run_thunk(const uint8_t* thunk, bool vector) {
  ThreadState& t = thread_state;
  t.thunk = reinterpret_cast<uint64_t>(thunk);
  t.flags = (t.flags & 0x40cd5) | 0x202;  // no single step inside the agent
  const uint8_t* entry = area.entry[vector ? 1 : 0];
  uint64_t result = 0;
  asm volatile("call *%[entry]"
               : "=a"(result)
               : [entry] "r"(entry)
               : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2",
                 "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
                 "xmm14", "xmm15");
  return result != 0;
}

uint64_t thunk_recovery(uint64_t rip) {
  const auto begin = reinterpret_cast<uint64_t>(area.begin);
  return begin != 0 && rip - begin < kAreaBytes ? reinterpret_cast<uint64_t>(area.failed) : 0;
}

}  // namespace gpuvm::agent
