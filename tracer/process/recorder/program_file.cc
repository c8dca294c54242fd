#include "tracer/process/recorder/program_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "tracer/process/shared/program_kind.h"

namespace gpuvm {
namespace {

constexpr int kMostInterpreters = 5;  // of scripts that are run by scripts

Status check_file(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return error("cannot run {}: {}", path, std::strerror(errno));
  if (S_ISDIR(info.st_mode)) return error("cannot run {}: it is a directory", path);
  if (access(path.c_str(), X_OK) != 0)
    return error("cannot run {}: {}; make it executable (chmod +x)", path, std::strerror(errno));
  const bool gains = ((info.st_mode & S_ISUID) != 0 && info.st_uid != geteuid()) ||
                     ((info.st_mode & S_ISGID) != 0 && info.st_gid != getegid());
  if (gains) {
    return error(
        "cannot trace {}: it is set-user-id or set-group-id, and would run without those rights; run gpuvm "
        "as its owner",
        path);
  }
  return Ok{};
}

// "#!/bin/sh -e": "/bin/sh"
std::string interpreter_of(const std::string& head) {
  std::istringstream line(head.substr(2, head.find('\n')));
  std::string word;
  line >> word;
  return word;
}

}  // namespace

Result<std::string> find_program(const std::string& name) {
  if (name.empty()) return error("no program to run: name it after --");
  if (name.find('/') != std::string::npos) {
    GPUVM_TRY_STATUS(check_file(name));
    return name;
  }
  const char* path = getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path);
  std::string found;
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = (folder.empty() ? "." : folder) + "/" + name;
    if (access(candidate.c_str(), F_OK) != 0) continue;
    if (check_file(candidate)) return candidate;
    if (found.empty()) found = candidate;
  }
  if (found.empty()) return error("no program {} in PATH", name);
  GPUVM_TRY_STATUS(check_file(found));
  return found;
}

Result<Linkage> check_traceable(const std::string& path) {
  std::string file = path;
  for (int depth = 0; depth < kMostInterpreters; ++depth) {
    GPUVM_TRY_STATUS(check_file(file));
    std::ifstream in(file, std::ios::binary);
    std::string head(4096, '\0');
    in.read(head.data(), static_cast<std::streamsize>(head.size()));
    head.resize(static_cast<size_t>(in.gcount()));
    switch (kind_of_program(reinterpret_cast<const uint8_t*>(head.data()), head.size())) {
      case ProgramKind::kDynamic:
        return Linkage::kDynamic;
      case ProgramKind::kStatic:
        if (depth == 0) return Linkage::kStatic;
        return error("cannot trace {}: its interpreter is a static program; run {} {}", path, file, path);
      case ProgramKind::kOtherMachine:
        return error("cannot trace {}: it is no 64-bit x86 program", file);
      case ProgramKind::kScript:
        file = interpreter_of(head);
        continue;
      default:
        return error("cannot run {}: neither an ELF program nor a script with #!", file);
    }
  }
  return error("cannot run {}: scripts that run scripts, too many of them", path);
}

}  // namespace gpuvm
