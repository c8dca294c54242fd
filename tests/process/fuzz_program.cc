// Random instructions with a memory operand, in sequences of up to four, on ordinary memory and on the memory
// that is to be traced: registers, flags, vector state, memory and faults must be the same. fuzz SEED
// INSTRUCTIONS; exit status 1 if one differs, with its bytes.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "tests/process/machine_state.h"
#include "tracer/process/decode/instruction.h"

using namespace gpuvm;
using namespace gpuvm::test;

namespace {

constexpr size_t kBytes = 16384;
constexpr size_t kGuard = 1 << 20;  // around it: what a changed pointer may reach is nothing
constexpr size_t kMiddle = 8192 - 1024;

struct Memory {
  explicit Memory(const char* name) : fd(memfd_create(name, 0)) {
    if (fd < 0 || ftruncate(fd, kBytes) != 0) std::abort();
  }
  void set(const uint8_t* content) const {
    if (pwrite(fd, content, kBytes, 0) != static_cast<ssize_t>(kBytes)) std::abort();
  }
  void get(uint8_t* content) const {
    if (pread(fd, content, kBytes, 0) != static_cast<ssize_t>(kBytes)) std::abort();
  }
  void map(void* where) {
    void* mapped =
        mmap(where, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED | (where != nullptr ? MAP_FIXED : 0), fd, 0);
    if (mapped == MAP_FAILED) std::abort();
    at = static_cast<uint8_t*>(mapped);
  }
  int fd;
  uint8_t* at = nullptr;
};

class Generator {
 public:
  explicit Generator(uint64_t seed) : seed_(seed) {}
  uint64_t random() { return next_random(&seed_); }
  uint64_t* seed() { return &seed_; }

  // Appends one instruction.
  size_t instruction(uint8_t* out) {
    for (;;) {
      const size_t bytes = candidate(out);
      Instruction i;
      MemoryOperand operand;
      if (decode_instruction(out, bytes, &i) && i.opcode_at == opcode_at_ &&
          find_memory_operand(i, &operand) && suits(i, operand))
        return i.length;
    }
  }

 private:
  bool one_in(unsigned n) { return random() % n == 0; }

  size_t candidate(uint8_t* out) {
    size_t n = 0;
    const uint64_t kind = random() % 8;  // legacy, VEX, EVEX
    const bool r8 = one_in(4), sib = one_in(3);
    const auto byte = [&] { return static_cast<uint8_t>(random()); };
    if (kind < 5) {
      if (one_in(4)) out[n++] = 0x66;
      if (one_in(8)) out[n++] = one_in(2) ? 0xf2 : 0xf3;
      if (one_in(6)) out[n++] = 0xf0;
      if (r8 || one_in(2)) out[n++] = static_cast<uint8_t>(0x40 | (random() & 0xc) | (r8 ? 1 : 0));
      const uint64_t map = random() % 5;
      if (map >= 1) out[n++] = 0x0f;
      if (map == 3) out[n++] = 0x38;
      if (map == 4) out[n++] = 0x3a;
    } else if (kind == 5 || !has_avx512()) {
      out[n++] = 0xc4;
      out[n++] = static_cast<uint8_t>((random() & 0x80) | 0x40 | (r8 ? 0 : 0x20) | (1 + random() % 3));
      out[n++] = byte();
    } else {
      out[n++] = 0x62;
      out[n++] = static_cast<uint8_t>((random() & 0x90) | 0x40 | (r8 ? 0 : 0x20) | (1 + random() % 3));
      out[n++] = static_cast<uint8_t>(byte() | 4);
      out[n++] = static_cast<uint8_t>(byte() | 8);
    }
    opcode_at_ = n;  // a random opcode that is a prefix makes another instruction
    out[n++] = byte();
    const auto mod = static_cast<uint8_t>(random() % 3);
    const uint8_t base = r8 ? 0 : one_in(2) ? 6 : 7;
    out[n++] = static_cast<uint8_t>(mod << 6 | (random() & 0x38) | (sib ? 4 : base));
    if (sib) out[n++] = static_cast<uint8_t>((random() & 0xc0) | 3 << 3 | base);  // the index: rbx
    const auto offset = static_cast<int32_t>(random() % 1024) - 512;
    if (mod == 1) out[n++] = static_cast<uint8_t>(random() % 32 - 16);  // EVEX multiplies it
    if (mod == 2) {
      std::memcpy(out + n, &offset, 4);
      n += 4;
    }
    for (int immediate = 0; immediate < 4; ++immediate) out[n++] = byte();
    return n;
  }

  // Left out: what changes rsp, control flow or the way in which faults are raised, what the agent refuses,
  // and addresses that registers with random content make.
  static bool suits(const Instruction& i, const MemoryOperand& operand) {
    if (operand.direction == kNone || operand.vsib || operand.bytes > 64) return false;
    const unsigned reg = i.modrm >> 3 & 7;
    const bool group = i.map == kMapOneByte && ((i.opcode >= 0x80 && i.opcode <= 0x83) || i.opcode >= 0xc0);
    // Nor registers that make addresses: rsp, the index, and what points to the memory.
    const auto kept = [](unsigned r) { return r == 3 || r == 4 || (r >= 6 && r <= 8); };
    if (!group && kept(reg | (i.r ? 8u : 0u))) return false;
    if ((is_vex(i.map) || is_evex(i.map)) && kept(i.vvvv & 15u)) return false;
    switch (i.map) {
      case kMapOneByte:
        if (i.opcode == 0x8e || i.opcode == 0x8f || i.opcode == 0xff) return i.opcode == 0xff && reg < 2;
        if (i.opcode == 0xd9 && reg >= 4) return reg == 7;
        if (i.opcode == 0xdd && (reg == 4 || reg == 6)) return false;
        return true;
      case kMap0F:
        if (i.opcode <= 0x03 || i.opcode == 0xae) return false;
        if (i.opcode == 0xa3 || i.opcode == 0xab || i.opcode == 0xb3 || i.opcode == 0xbb)
          return i.operand16 && !i.w;
        return i.opcode != 0xc7 || reg == 1;
      case kMap0F38:
        return i.opcode != 0xf8;
      case kVex0F:
        return i.opcode != 0xae;
      case kVex0F38:
        return i.opcode != 0x49 && i.opcode != 0x4b;
      default:
        return true;
    }
  }

  uint64_t seed_;
  size_t opcode_at_ = 0;
};

void place(MachineState* state, uint8_t* memory, size_t at) {
  for (const int reg : {6, 8}) state->gpr[reg] = reinterpret_cast<uint64_t>(memory + at);
  state->gpr[7] = reinterpret_cast<uint64_t>(memory + at + 2048);
  state->gpr[3] = 3;
  state->gpr[1] = 9;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const uint64_t first = std::strtoull(argv[1], nullptr, 0), wanted = std::strtoull(argv[2], nullptr, 0);
  Memory plain("gpuvm-plain"), traced("gpuvm-bar");
  void* room =
      mmap(nullptr, kBytes + 2 * kGuard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED || page == MAP_FAILED) return 2;
  plain.map(static_cast<uint8_t*>(room) + kGuard);
  traced.map(nullptr);
  install_fault_handlers();
  auto* code = static_cast<uint8_t*>(page);
  uint64_t done = 0, faults = 0, different = 0;
  for (uint64_t sequence = first; done < wanted && different < 20; ++sequence) {
    Generator generator(sequence * 0x10001);
    size_t length = 0;
    const uint64_t count = 1 + generator.random() % 4;
    for (uint64_t n = 0; n < count; ++n) length += generator.instruction(code + length);
    const size_t shown = length;
    const uint8_t jump[] = {0xff, 0x25, 0, 0, 0, 0};
    std::memcpy(code + length, jump, sizeof jump);
    const void* exit = form_exit();
    std::memcpy(code + length + sizeof jump, &exit, 8);

    static MachineState a, b;
    static uint8_t content[kBytes], result_a[kBytes], result_b[kBytes];
    for (size_t at = 0; at < kBytes; at += 8) {
      const uint64_t word = generator.random();
      std::memcpy(content + at, &word, 8);
    }
    plain.set(content);
    traced.set(content);
    randomize(&a, generator.seed());
    std::memcpy(&b, &a, sizeof a);
    // Aligned, not aligned, over the edge of a page.
    const size_t places[] = {kMiddle, kMiddle + 37, 8192 - 3};
    const size_t at = places[generator.random() % 3];
    place(&a, plain.at, at);
    place(&b, traced.at, at);
    Fault fault_a, fault_b;
    run_machine_code(code, &a, plain.at, &fault_a);
    run_machine_code(code, &b, traced.at, &fault_b);
    plain.get(result_a);
    traced.get(result_b);
    done += count;
    faults += fault_a.signal != 0;
    std::string why = fault_difference(fault_a, fault_b);
    if (why.empty() && fault_a.signal == 0) why = difference(a, plain.at, b, traced.at);
    for (size_t byte = 0; byte < kBytes && why.empty(); ++byte) {
      if (result_a[byte] != result_b[byte]) why = "memory byte " + std::to_string(byte);
    }
    if (why.empty()) continue;
    ++different;
    std::printf("sequence %llu at %zu: %s:", static_cast<unsigned long long>(sequence), at, why.c_str());
    for (size_t byte = 0; byte < shown; ++byte) std::printf(" %02x", code[byte]);
    std::printf("\n");
  }
  std::printf("%llu instructions, %llu sequences ended in a fault, %llu different\n",
              static_cast<unsigned long long>(done), static_cast<unsigned long long>(faults),
              static_cast<unsigned long long>(different));
  return different == 0 ? 0 : 1;
}
