#include "traces/format/file_io.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>

namespace gpuvm::format {
namespace {

std::string reason(int code) {
  return std::string(strerrordesc_np(code) ? strerrordesc_np(code) : "unknown error");
}

// write() beyond RLIMIT_FSIZE raises SIGXFSZ, which would kill the recording program: we want EFBIG instead.
class BlockFileSizeSignal {
 public:
  BlockFileSizeSignal() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  ~BlockFileSizeSignal() {
    if (!sigismember(&before_, SIGXFSZ)) {
      const timespec now{};
      sigtimedwait(&set_, nullptr, &now);
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  BlockFileSizeSignal(const BlockFileSizeSignal&) = delete;
  BlockFileSizeSignal& operator=(const BlockFileSizeSignal&) = delete;

 private:
  sigset_t set_{};
  sigset_t before_{};
};

}  // namespace

Result<InputFile> InputFile::open(const std::string& path) {
  InputFile file;
  file.path_ = path;
  file.fd_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
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

Result<OutputFile> OutputFile::create(const std::string& path) {
  OutputFile file;
  file.fd_ = UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.fd_.get() < 0)
    return error("{}: cannot create the trace: {}; choose another place", path, reason(errno));
  return file;
}

Status OutputFile::append(ByteSpan bytes) {
  BlockFileSizeSignal block;
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t put =
        pwrite(fd_.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(size_ + done));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      Error failure = error("{}", put == 0 ? "nothing was written" : reason(errno));
      // If this fails too, readers find the cut record by its checksum.
      [[maybe_unused]] int ignored = ftruncate(fd_.get(), static_cast<off_t>(size_));
      return failure;
    }
    done += static_cast<size_t>(put);
  }
  size_ += bytes.size();
  return Ok{};
}

Status OutputFile::sync() {
  if (fdatasync(fd_.get()) != 0 && errno != EINVAL && errno != EROFS) return error("{}", reason(errno));
  return Ok{};
}

}  // namespace gpuvm::format
