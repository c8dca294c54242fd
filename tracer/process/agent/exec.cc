// execve with the agent in the new program's environment, whatever the environment was.
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "tracer/process/agent/calls.h"
#include "tracer/process/agent/kernel.h"
#include "tracer/process/agent/raw.h"
#include "tracer/process/agent/recorder.h"
#include "tracer/process/shared/program_kind.h"

namespace gpuvm::agent {
namespace {

constexpr size_t kMostText = 8192;
constexpr size_t kMostVariables = 65536;

struct Environment {
  char preload[kMostText];   // "LD_PRELOAD=..." with ours first
  char variable[kMostText];  // "GPUVM_TRACE=..."
  char agent[kMostText];     // our path alone
};
constinit Environment environment{};

bool has_name(const char* text, const char* name) {
  size_t n = 0;
  for (; name[n] != 0; ++n) {
    if (text[n] != name[n]) return false;
  }
  return text[n] == '=';
}

void append(char* out, size_t size, const char* text) {
  size_t n = text_length(out);
  for (; *text != 0 && n + 1 < size; ++text) out[n++] = *text;
  out[n] = 0;
}

// LD_PRELOAD of the program itself, with ours in front unless it is there already.
void merge_preload(const char* theirs, char* out, size_t size) {
  out[0] = 0;
  append(out, size, "LD_PRELOAD=");
  append(out, size, environment.agent);
  const char* value = theirs + 11;
  const size_t ours = text_length(environment.agent);
  if (text_length(value) >= ours && same_bytes(value, environment.agent, ours)) value += ours;
  while (*value == ':' || *value == ' ') ++value;
  if (*value != 0) append(out, size, ":");
  append(out, size, value);
}

ProgramKind kind_of_file(int directory, const char* path) {
  const long fd = kernel_call(SYS_openat, directory, as_long(path), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ProgramKind::kUnreadable;
  uint8_t head[4096];
  const long have = kernel_call(SYS_read, fd, as_long(head), sizeof head);
  kernel_call(SYS_close, fd);
  return have < 0 ? ProgramKind::kUnreadable : kind_of_program(head, static_cast<size_t>(have));
}

}  // namespace

void remember_environment(const char* preload, const char* variable) {
  environment.agent[0] = environment.preload[0] = environment.variable[0] = 0;
  append(environment.agent, sizeof environment.agent, preload);
  append(environment.preload, sizeof environment.preload, "LD_PRELOAD=");
  append(environment.preload, sizeof environment.preload, preload);
  append(environment.variable, sizeof environment.variable, trace_channel::kVariable);
  append(environment.variable, sizeof environment.variable, "=");
  append(environment.variable, sizeof environment.variable, variable);
  const size_t length = text_length(environment.variable);
  if (length != 0 && environment.variable[length - 1] != '+') {
    append(environment.variable, sizeof environment.variable, "+");
  }
}

long call_exec(Call* call) {
  const bool at = call->number == SYS_execveat;
  const unsigned first = at ? 1 : 0;
  const int directory = at ? call->fd(0) : AT_FDCWD;
  const auto* path = reinterpret_cast<const char*>(call->args[first]);
  char copy[4096];
  bool readable = false;
  for (size_t n = 0; n < sizeof copy; ++n) {
    if (!raw_copy(copy + n, path + n, 1)) break;
    if (copy[n] == 0) {
      readable = true;
      break;
    }
  }
  if (readable && copy[0] != 0) {
    const ProgramKind kind = kind_of_file(directory, copy);
    if (kind == ProgramKind::kStatic || kind == ProgramKind::kOtherMachine) {
      note("cannot trace ", copy,
           kind == ProgramKind::kStatic
               ? ", a static program that a traced one wants to run: refused; trace it by itself"
               : ", which is no 64-bit x86 program: refused");
      return -ENOEXEC;
    }
  }
  const auto* theirs = reinterpret_cast<const uint64_t*>(call->args[first + 2]);
  size_t count = 0;
  uint64_t entry = 0;
  while (theirs != nullptr && count < kMostVariables && raw_copy(&entry, theirs + count, 8) && entry != 0)
    ++count;
  const auto bytes = static_cast<long>((count + 3) * 8);
  const long list =
      kernel_call(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (list < 0 && list >= -4095) return -ENOMEM;
  auto* ours = reinterpret_cast<uint64_t*>(list);
  char merged[kMostText];
  const char* preload = environment.preload;
  size_t n = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto* text = reinterpret_cast<const char*>(theirs[i]);
    char name[16];
    if (raw_copy(name, text, sizeof name) || raw_copy(name, text, 12)) {
      if (has_name(name, trace_channel::kVariable)) continue;
      if (has_name(name, "LD_PRELOAD")) {
        merge_preload(text, merged, sizeof merged);
        preload = merged;
        continue;
      }
    }
    ours[n++] = theirs[i];
  }
  ours[n++] = reinterpret_cast<uint64_t>(preload);
  ours[n++] = reinterpret_cast<uint64_t>(environment.variable);
  ours[n] = 0;
  call->args[first + 2] = reinterpret_cast<uint64_t>(ours);
  const long result = reissue(call);
  kernel_call(SYS_munmap, list, bytes);
  return result;
}

}  // namespace gpuvm::agent
