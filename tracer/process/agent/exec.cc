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
#include "tracer/process/shared/static_program.h"

namespace gpuvm::agent {
namespace {

constexpr size_t kMostText = 8192;
constexpr size_t kMostVariables = 65536;

struct Environment {
  char preload[kMostText];   // "LD_PRELOAD=..." with ours first
  char variable[kMostText];  // "GPUVM_TRACE=..."
  char agent[kMostText];     // our path alone
  char host[kMostText];      // of the program that runs static ones
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

// `interpreter`: of a script, what runs it.
ProgramKind kind_of_file(int directory, const char* path, char* interpreter, size_t size) {
  const long fd = kernel_call(SYS_openat, directory, as_long(path), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ProgramKind::kUnreadable;
  uint8_t head[4096];
  const long have = kernel_call(SYS_read, fd, as_long(head), sizeof head);
  kernel_call(SYS_close, fd);
  if (have < 0) return ProgramKind::kUnreadable;
  const ProgramKind kind = kind_of_program(head, static_cast<size_t>(have));
  if (kind != ProgramKind::kScript) return kind;
  long at = 2;
  while (at < have && (head[at] == ' ' || head[at] == '\t')) ++at;
  size_t n = 0;
  for (; at < have && head[at] > ' ' && n + 1 < size; ++at) interpreter[n++] = static_cast<char>(head[at]);
  interpreter[n] = 0;
  return kind;
}

// HOST PATH ARGV...: the arguments of the program that runs a static one. nullptr: no memory.
uint64_t* host_arguments(const char* path, uint64_t theirs, long* bytes) {
  const auto* list = reinterpret_cast<const uint64_t*>(theirs);
  size_t count = 0;
  uint64_t entry = 0;
  while (list != nullptr && count < kMostVariables && raw_copy(&entry, list + count, 8) && entry != 0)
    ++count;
  *bytes = static_cast<long>((count + 4) * 8);
  const long at =
      kernel_call(SYS_mmap, 0, *bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at < 0 && at >= -4095) return nullptr;
  auto* out = reinterpret_cast<uint64_t*>(at);
  size_t n = 0;
  out[n++] = reinterpret_cast<uint64_t>(environment.host);
  out[n++] = reinterpret_cast<uint64_t>(path);
  if (count == 0) out[n++] = reinterpret_cast<uint64_t>(path);
  for (size_t i = 0; i < count; ++i) out[n++] = list[i];
  return out;
}

}  // namespace

void remember_environment(const char* preload, const char* variable) {
  environment.agent[0] = environment.preload[0] = environment.variable[0] = 0;
  append(environment.agent, sizeof environment.agent, preload);
  size_t folder = text_length(preload);
  while (folder != 0 && preload[folder - 1] != '/') --folder;
  environment.host[0] = 0;
  append(environment.host, sizeof environment.host, preload);
  environment.host[folder] = 0;
  append(environment.host, sizeof environment.host, trace_channel::kStaticHost);
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
  bool readable = false, is_static = false;
  for (size_t n = 0; n < sizeof copy; ++n) {
    if (!raw_copy(copy + n, path + n, 1)) break;
    if (copy[n] == 0) {
      readable = true;
      break;
    }
  }
  if (readable && copy[0] != 0) {
    char interpreter[256] = "", deeper[256];
    ProgramKind kind = kind_of_file(directory, copy, interpreter, sizeof interpreter);
    if (kind == ProgramKind::kScript &&
        kind_of_file(AT_FDCWD, interpreter, deeper, sizeof deeper) == ProgramKind::kStatic) {
      note("cannot trace ", copy, ", a script of a static program: refused; name that and the script");
      return -ENOEXEC;
    }
    is_static = kind == ProgramKind::kStatic;
    if (is_static && at && directory != AT_FDCWD && copy[0] != '/') {
      note("cannot trace ", copy, ", a static program that is named by a descriptor: refused");
      return -ENOEXEC;
    }
    if (is_static && kernel_call(SYS_faccessat, AT_FDCWD, as_long(copy), X_OK) != 0) return -EACCES;
    if (kind == ProgramKind::kOtherMachine) {
      note("cannot trace ", copy, ", which is no 64-bit x86 program: refused");
      return -ENOEXEC;
    }
  }
  const auto* theirs = reinterpret_cast<const uint64_t*>(call->args[first + 2]);
  size_t count = 0;
  uint64_t entry = 0;
  while (theirs != nullptr && count < kMostVariables && raw_copy(&entry, theirs + count, 8) && entry != 0)
    ++count;
  const auto bytes = static_cast<long>((count + 4) * 8);
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
      if (has_name(name, trace_channel::kVariable) || has_name(name, trace_channel::kStaticVariable))
        continue;
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
  char static_variable[sizeof copy + 16] = "";
  uint64_t* arguments = nullptr;
  long argument_bytes = 0;
  if (is_static) {
    append(static_variable, sizeof static_variable, trace_channel::kStaticVariable);
    append(static_variable, sizeof static_variable, "=");
    append(static_variable, sizeof static_variable, copy);
    ours[n++] = reinterpret_cast<uint64_t>(static_variable);
    arguments = host_arguments(copy, call->args[first + 1], &argument_bytes);
    if (arguments == nullptr) {
      kernel_call(SYS_munmap, list, bytes);
      return -ENOMEM;
    }
    call->args[first] = reinterpret_cast<uint64_t>(environment.host);
    call->args[first + 1] = reinterpret_cast<uint64_t>(arguments);
  }
  ours[n] = 0;
  call->args[first + 2] = reinterpret_cast<uint64_t>(ours);
  const long result = reissue(call);
  kernel_call(SYS_munmap, list, bytes);
  if (arguments != nullptr) kernel_call(SYS_munmap, as_long(arguments), argument_bytes);
  return result;
}

}  // namespace gpuvm::agent
