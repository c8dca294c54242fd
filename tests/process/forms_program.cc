// Runs every instruction form of forms.inc on ordinary memory and on the memory that is to be traced, and
// compares registers, flags, vector state, memory and faults. Exit status 1 if one differs. argv[1], argv[2]:
// only these forms.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "tests/process/machine_state.h"

using namespace gpuvm::test;

#define STRINGIFY(x) #x
#define FORM_AT(n, text, need) FORM_AT2(n, text)
// The code, and its address at the end of a table.
#define FORM_AT2(n, text)                                                                                \
  asm(".text\ngpuvm_form_" STRINGIFY(n) ":\n" text                                                       \
                                        "\njmp gpuvm_form_exit\n.pushsection .data.gpuvm_forms,\"aw\"\n" \
                                        ".quad gpuvm_form_" STRINGIFY(n) "\n.popsection\n");
asm(".pushsection .data.gpuvm_forms,\"aw\"\n.balign 8\n.globl "
    "gpuvm_form_table\ngpuvm_form_table:\n.popsection\n");
#define FORM(text) FORM_AT(__COUNTER__, text, 0)
#define FORM_AVX(text) FORM_AT(__COUNTER__, text, 1)
#define FORM_512(text) FORM_AT(__COUNTER__, text, 2)
#include "tests/process/forms.inc"
#undef FORM
#undef FORM_AVX
#undef FORM_512
constexpr int kForms = __COUNTER__;

struct Form {
  const char* text;
  int need;
};
#define FORM(text) {text, 0},
#define FORM_AVX(text) {text, 1},
#define FORM_512(text) {text, 2},
constexpr Form kTexts[] = {
#include "tests/process/forms.inc"
};
static_assert(sizeof kTexts / sizeof *kTexts == kForms);

extern "C" const void* const gpuvm_form_table[];

namespace {

constexpr size_t kBytes = 16384;

// The content of the memory is set and read through the file, which is not traced.
struct Memory {
  explicit Memory(const char* name) : fd(memfd_create(name, 0)) {
    if (fd < 0 || ftruncate(fd, kBytes) != 0) std::abort();
    void* mapped = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) std::abort();
    at = static_cast<uint8_t*>(mapped);
  }
  void set(const uint8_t* content) const {
    if (pwrite(fd, content, kBytes, 0) != static_cast<ssize_t>(kBytes)) std::abort();
  }
  void get(uint8_t* content) const {
    if (pread(fd, content, kBytes, 0) != static_cast<ssize_t>(kBytes)) std::abort();
  }
  int fd;
  uint8_t* at;
};

void place(MachineState* state, uint8_t* memory, size_t at) {
  state->gpr[6] = reinterpret_cast<uint64_t>(memory + at);         // rsi
  state->gpr[7] = reinterpret_cast<uint64_t>(memory + at + 2048);  // rdi
  state->gpr[3] = 3;                                               // rbx: an index
  state->gpr[1] = 9;                                               // rcx: a count
  state->gpr[8] = reinterpret_cast<uint64_t>(memory + at);         // r8: for addresses with REX.B
  state->gpr[9] = 0xfffffffffffffff5;                              // r9: a negative bit number
}

}  // namespace

int main(int argc, char** argv) {
  const Memory plain("gpuvm-plain"), traced("gpuvm-bar");
  install_fault_handlers();
  int ran = 0, skipped = 0, different = 0;
  for (int form = 0; form < kForms; ++form) {
    if (argc > 1 && (form < std::atoi(argv[1]) || form > std::atoi(argv[argc > 2 ? 2 : 1]))) continue;
    if ((kTexts[form].need == 1 && !has_avx()) || (kTexts[form].need == 2 && !has_avx512())) {
      ++skipped;
      continue;
    }
    ++ran;
    for (const size_t at : {size_t{4096}, size_t{4096 + 64 + 5}, size_t{8192 - 3}}) {
      static MachineState a, b;
      static uint8_t content[kBytes], result_a[kBytes], result_b[kBytes];
      uint64_t seed = static_cast<uint64_t>(form) * 77 + at;
      for (uint8_t& byte : content) byte = static_cast<uint8_t>(next_random(&seed));
      plain.set(content);
      traced.set(content);
      randomize(&a, &seed);
      std::memcpy(&b, &a, sizeof a);
      place(&a, plain.at, at);
      place(&b, traced.at, at);
      Fault fault_a, fault_b;
      run_machine_code(gpuvm_form_table[form], &a, plain.at, &fault_a);
      run_machine_code(gpuvm_form_table[form], &b, traced.at, &fault_b);
      plain.get(result_a);
      traced.get(result_b);
      std::string why = fault_difference(fault_a, fault_b);
      if (why.empty() && fault_a.signal == 0) why = difference(a, plain.at, b, traced.at);
      for (size_t i = 0; i < kBytes && why.empty(); ++i) {
        if (result_a[i] != result_b[i]) why = "memory byte " + std::to_string(i);
      }
      if (why.empty()) continue;
      std::printf("form %d at %zu: %s: %s\n", form, at, kTexts[form].text, why.c_str());
      ++different;
      break;
    }
  }
  std::printf("%d forms, %d different, %d skipped: this processor lacks what they need\n", ran, different,
              skipped);
  return different == 0 ? 0 : 1;
}
