#include "traces/format/file_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace gpuvm::format {
namespace {

std::string reason(int code) {
  return std::string(strerrordesc_np(code) ? strerrordesc_np(code) : "unknown error");
}

}  // namespace

Result<InputFile> InputFile::open(const std::string& path) {
  InputFile file;
  file.path_ = path;
  // A pipe that nobody writes to must not hold us: it is refused below.
  file.fd_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.fd_.get() < 0) return error("{}: cannot open the trace: {}; check the path", path, reason(errno));
  struct stat info {};
  if (fstat(file.fd_.get(), &info) != 0) return error("{}: cannot read the trace: {}", path, reason(errno));
  if (!S_ISREG(info.st_mode))
    return error("{}: not a regular file; a trace needs random access, copy it first", path);
  return file;
}

Result<uint64_t> InputFile::size() const {
  struct stat info {};
  if (fstat(fd_.get(), &info) != 0) return error("{}: cannot read the trace: {}", path_, reason(errno));
  return static_cast<uint64_t>(info.st_size);
}

Result<size_t> InputFile::read(uint64_t offset, uint8_t* to, size_t count) const {
  size_t done = 0;
  while (done < count) {
    ssize_t got = pread(fd_.get(), to + done, count - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error("{}: cannot read at byte {}: {}", path_, offset + done, reason(errno));
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

}  // namespace gpuvm::format
