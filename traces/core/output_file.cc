#include "traces/core/output_file.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <random>

namespace gpuvm {
namespace {

constexpr int kTries = 8;  // of names, and of files that come and go while we look

std::string reason(int code) {
  const char* text = strerrordesc_np(code);
  return text != nullptr ? text : "unknown error";
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

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool stat_input(const std::string& path, struct stat* info) {
  return path == "-" ? fstat(STDIN_FILENO, info) == 0 : stat(path.c_str(), info) == 0;
}

// The file that a chain of symbolic links leads to, whether it exists or not.
std::string followed(const std::string& name) {
  namespace fs = std::filesystem;
  constexpr int kMostLinks = 40;  // as the kernel
  fs::path path = name;
  std::error_code problem;
  for (int i = 0; i < kMostLinks && fs::is_symlink(fs::symlink_status(path, problem)); ++i) {
    const fs::path target = fs::read_symlink(path, problem);
    if (problem) break;
    path = path.parent_path() / target;  // an absolute target replaces it
  }
  return path.string();
}

}  // namespace

Error OutputFile::failed(std::string_view why) const {
  return error("{}: cannot be written: {}; choose another place", name_, why);
}

Result<OutputFile> OutputFile::open(const std::string& path, const OutputOptions& options) {
  for (int i = 0; i < kTries; ++i) {
    OutputFile file;
    file.name_ = path;
    struct stat there {};
    const bool exists = stat(path.c_str(), &there) == 0;
    if (!exists && errno != ENOENT) return file.failed(reason(errno));
    GPUVM_TRY_STATUS(exists ? file.open_existing(there, options) : file.open_new(options));
    if (file.fd_.valid()) return file;
    // Somebody else made or replaced it while we looked: once more.
  }
  return error("{}: cannot be written: it is replaced again and again; choose another place", path);
}

Status OutputFile::open_existing(const struct stat& there, const OutputOptions& options) {
  for (const std::string& input : options.inputs) {
    struct stat read {};
    if (S_ISCHR(there.st_mode) || !stat_input(input, &read) || !same_file(there, read)) continue;
    return error("{}: is the file that is read ({}); name another one to write", name_,
                 input == "-" ? "standard input" : input);
  }
  if (S_ISDIR(there.st_mode)) return failed("it is a folder");
  if (!S_ISREG(there.st_mode)) {
    if (options.seekable && (S_ISFIFO(there.st_mode) || S_ISSOCK(there.st_mode)))
      return failed("it is a pipe or a socket, and a trace needs a file");
    fd_ = UniqueFd(::open(name_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
    if (!fd_.valid()) return failed(reason(errno));
    seekable_ = lseek(fd_.get(), 0, SEEK_CUR) >= 0;
    if (options.seekable && !seekable_) return failed("a trace needs a file");
    published_ = true;
    return Ok{};
  }
  // What may not be written may not be replaced either.
  if (faccessat(AT_FDCWD, name_.c_str(), W_OK, AT_EACCESS) != 0) return failed(reason(errno));
  path_ = followed(name_);
  for (const int how : {O_RDONLY, O_WRONLY}) {
    if (!old_.valid()) old_ = UniqueFd(::open(name_.c_str(), how | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  }
  struct stat opened {};
  if (!old_.valid() || fstat(old_.get(), &opened) != 0) return failed(reason(errno));
  if (!same_file(opened, there)) return Ok{};
  GPUVM_TRY_STATUS(lock(old_));
  // Only now is it sure that nobody replaced it before we had the lock.
  struct stat now {};
  if (stat(name_.c_str(), &now) != 0 || !same_file(now, there)) return Ok{};
  struct stat target {};
  const bool reached = lstat(path_.c_str(), &target) == 0 && same_file(target, there);
  // A live file with nothing to lose needs no other place.
  const bool empty = options.life == OutputLife::kLive && there.st_size == 0;
  if (reached && !empty && open_beside(&there)) {
    if (options.life == OutputLife::kLive) return lock(fd_);
    return Ok{};
  }
  place_ = Place::kInPlace;
  fd_ = UniqueFd(::open(name_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
  published_ = true;
  return fd_.valid() ? Status(Ok{}) : failed(reason(errno));
}

Status OutputFile::open_new(const OutputOptions& options) {
  path_ = followed(name_);
  if (options.life == OutputLife::kWhole) return open_beside(nullptr);
  fd_ = UniqueFd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!fd_.valid()) return errno == EEXIST ? Status(Ok{}) : failed(reason(errno));
  place_ = Place::kNew;
  return lock(fd_);
}

std::string OutputFile::folder() const {
  const std::string parent = std::filesystem::path(path_).parent_path().string();
  return parent.empty() ? "." : parent;
}

Status OutputFile::open_beside(const struct stat* old) {
  place_ = Place::kUnnamed;
  fd_ = UniqueFd(::open(folder().c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666));
  if (!fd_.valid() && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    std::random_device random;
    for (int i = 0; i < kTries && !fd_.valid(); ++i) {
      temporary_ = fmt::format("{}/.gpuvm-{:08x}{:08x}", folder(), random(), random());
      fd_ = UniqueFd(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
      if (!fd_.valid() && errno != EEXIST) break;
    }
    place_ = Place::kTemporary;
  }
  if (!fd_.valid()) return failed(reason(errno));
  if (old == nullptr) return Ok{};
  // Who may read it does not change. The owner can only be kept by root.
  [[maybe_unused]] const int owner = fchown(fd_.get(), old->st_uid, old->st_gid);
  if (fchmod(fd_.get(), old->st_mode & 07777) != 0) return failed(reason(errno));
  return Ok{};
}

// Where there are no locks, there is no protection from a second one.
Status OutputFile::lock(const UniqueFd& fd) const {
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return Ok{};
  return error("{}: another gpuvm is writing it; choose another place, or wait for its end", name_);
}

OutputFile::~OutputFile() {
  if (!fd_.valid() || published_) return;
  if (place_ == Place::kTemporary) unlink(temporary_.c_str());
  struct stat ours {
  }, there{};
  if (place_ == Place::kNew && fstat(fd_.get(), &ours) == 0 && lstat(path_.c_str(), &there) == 0 &&
      same_file(ours, there)) {
    unlink(path_.c_str());
  }
}

Status OutputFile::append(std::string_view bytes) {
  const BlockFileSizeSignal block;
  if (place_ == Place::kInPlace && size_ == 0 && ftruncate(fd_.get(), 0) != 0) return Error{reason(errno)};
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put = seekable_ ? pwrite(fd_.get(), bytes.data() + done, bytes.size() - done,
                                           static_cast<off_t>(size_ + done))
                                  : ::write(fd_.get(), bytes.data() + done, bytes.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      Error failure{put == 0 ? "nothing was written" : reason(errno)};
      // If this fails too, readers find the cut record by its checksum.
      [[maybe_unused]] const int ignored = ftruncate(fd_.get(), static_cast<off_t>(size_));
      return failure;
    }
    done += static_cast<size_t>(put);
  }
  size_ += bytes.size();
  return Ok{};
}

Status OutputFile::publish() {
  if (published_) return Ok{};
  if (place_ != Place::kNew) GPUVM_TRY_STATUS(take_name());
  published_ = true;
  old_.reset();
  return Ok{};
}

Status OutputFile::take_name() {
  struct stat ours {
  }, there{};
  const bool exists = lstat(path_.c_str(), &there) == 0;
  if (old_.valid() && exists && (fstat(old_.get(), &ours) != 0 || !same_file(ours, there)))
    return Error{"another program has replaced it meanwhile"};
  std::random_device random;
  const std::string self = fmt::format("/proc/self/fd/{}", fd_.get());
  for (int i = 0; i < kTries && place_ == Place::kUnnamed; ++i) {
    temporary_ = fmt::format("{}/.gpuvm-{:08x}{:08x}", folder(), random(), random());
    if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, temporary_.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      place_ = Place::kTemporary;
    } else if (errno != EEXIST) {
      return Error{reason(errno)};
    }
  }
  if (rename(temporary_.c_str(), path_.c_str()) != 0) return Error{reason(errno)};
  return Ok{};
}

Status OutputFile::sync() {
  if (fdatasync(fd_.get()) != 0 && errno != EINVAL && errno != EROFS) return Error{reason(errno)};
  return Ok{};
}

Status OutputFile::commit() {
  GPUVM_TRY_STATUS(append({}));  // an output of nothing replaces the old one, too
  GPUVM_TRY_STATUS(publish());
  if (close(fd_.release()) != 0 && errno != EINTR) return Error{reason(errno)};
  return Ok{};
}

}  // namespace gpuvm
