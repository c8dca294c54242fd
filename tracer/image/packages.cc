#include "tracer/image/packages.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "tracer/image/kernel_modules.h"
#include "tracer/posix/child_process.h"
#include "traces/core/unique_fd.h"

namespace gpuvm {
namespace {

namespace fs = std::filesystem;

// Cached kernels live in CACHE/kernels-N; N grows when what is kept of a package changes.
constexpr char kKernelsFolder[] = "kernels-1";
constexpr char kTemporaryPrefix[] = "unpacking-";
constexpr uint64_t kBytesToUnpack = uint64_t{700} << 20;  // package 70 MB, unpacked 400 MB, and some room
constexpr int kMaxDependencyDepth = 4;

struct PackageVersion {
  std::string name;
  std::string version;
};

// Removes a directory when it goes out of scope.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(fs::path path) : path_(std::move(path)) {}
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

Result<CommandOutput> run_in_c_locale(std::vector<std::string> argv, const CommandOptions& options = {}) {
  argv.insert(argv.begin(), {"env", "LC_ALL=C"});
  return run_command(argv, options);
}

Result<PackageVersion> resolve(std::string package) {
  for (int depth = 0; depth < kMaxDependencyDepth; ++depth) {
    GPUVM_TRY(CommandOutput depends, run_in_c_locale({"apt-cache", "depends", package}));
    if (!depends.succeeded)
      return error("apt knows no package {} ({}); run `apt-get update`", package, last_line(depends.text));
    std::string image = image_dependency(depends.text);
    if (image.empty()) break;
    package = image;
  }
  GPUVM_TRY(CommandOutput policy, run_in_c_locale({"apt-cache", "policy", package}));
  std::string version = candidate_version(policy.text);
  if (!policy.succeeded || version.empty())
    return error("apt has no version of {} to download; run `apt-get update`", package);
  return PackageVersion{package, version};
}

Result<UniqueFd> lock(const fs::path& directory) {
  fs::path file = directory / "lock";
  UniqueFd fd(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd.valid()) return error("cannot open {}: {}", file.string(), strerror(errno));
  while (flock(fd.get(), LOCK_EX) != 0)
    if (errno != EINTR) return error("cannot lock {}: {}", file.string(), strerror(errno));
  return fd;
}

Status write_file(const fs::path& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) return error("cannot write {}: {}; is the disk full?", path.string(), strerror(errno));
  return Ok{};
}

Result<GuestKernel> cached_kernel(const fs::path& directory) {
  std::ifstream in(directory / "release");
  GuestKernel kernel{.vmlinuz = directory / "vmlinuz", .modules = directory / "modules"};
  std::getline(in, kernel.release);
  std::getline(in, kernel.package);
  std::error_code code;
  if (!in || kernel.release.empty() || !fs::exists(kernel.vmlinuz, code))
    return error("no kernel in {}", directory.string());
  return kernel;
}

// The most recently unpacked kernel of the cache.
Result<GuestKernel> any_cached_kernel(const fs::path& kernels) {
  fs::path newest;
  fs::file_time_type newest_time{};
  std::error_code code;
  for (fs::directory_iterator entry(kernels, code), end; !code && entry != end; entry.increment(code)) {
    fs::file_time_type time = fs::last_write_time(entry->path(), code);
    if (code || !entry->is_directory() || entry->path().filename().string().starts_with(kTemporaryPrefix))
      continue;
    if (newest.empty() || time > newest_time) newest = entry->path(), newest_time = time;
  }
  if (newest.empty()) return error("no kernel in {}", kernels.string());
  return cached_kernel(newest);
}

Result<fs::path> only_entry(const fs::path& directory, std::string_view prefix) {
  std::error_code code;
  for (fs::directory_iterator entry(directory, code), end; !code && entry != end; entry.increment(code))
    if (entry->path().filename().string().starts_with(prefix)) return entry->path();
  return error("the kernel package has no {}* in {}", prefix, directory.filename().string());
}

// Keeps of an unpacked package what a guest boots with: 15 MB instead of 400.
Status keep_what_guests_use(const fs::path& root, const PackageVersion& package, const fs::path& out) {
  std::error_code code;
  GPUVM_TRY(fs::path vmlinuz, only_entry(root / "boot", "vmlinuz-"));
  fs::path modules = fs::exists(root / "lib/modules", code) ? root / "lib/modules" : root / "usr/lib/modules";
  GPUVM_TRY(fs::path release, only_entry(modules, ""));
  GPUVM_TRY(auto available, find_modules(release));
  std::vector<std::string_view> roots(std::begin(kTransportModules), std::end(kTransportModules));
  roots.push_back(kGpuModule);
  GPUVM_TRY(std::vector<KernelModule> kept, modules_in_load_order(available, roots));

  fs::create_directories(out / "modules", code);
  if (!code) fs::copy_file(vmlinuz, out / "vmlinuz", code);
  if (code) return error("cannot write {}: {}", out.string(), code.message());
  for (const KernelModule& module : kept)
    GPUVM_TRY_STATUS(write_file(out / "modules" / (module.name + ".ko"), module.elf));
  return write_file(out / "release",
                    fmt::format("{}\n{} {}\n", release.filename().string(), package.name, package.version));
}

Status download(const PackageVersion& package, const fs::path& directory) {
  CommandOptions options{.time_limit = std::chrono::seconds(900), .working_directory = directory};
  GPUVM_TRY(CommandOutput output,
            run_in_c_locale({"apt-get", "download", "-q", package.name + "=" + package.version}, options));
  if (output.succeeded) return Ok{};
  return error("cannot download {} {}: {}; check the network, or run `apt-get update`", package.name,
               package.version, last_line(output.text));
}

Status unpack(const fs::path& deb, const fs::path& root) {
  GPUVM_TRY(CommandOutput output, run_in_c_locale({"dpkg-deb", "-x", deb.string(), root.string()},
                                                  {.time_limit = std::chrono::seconds(600)}));
  if (output.succeeded) return Ok{};
  return error("cannot unpack {}: {}", deb.string(), last_line(output.text));
}

Result<GuestKernel> fetch(const PackageVersion& package, const fs::path& kernels, const fs::path& destination,
                          const ProgressFn& progress) {
  std::error_code code;
  fs::space_info space = fs::space(kernels, code);
  if (!code && space.available < kBytesToUnpack)
    return error("{} has {} MiB free, unpacking a kernel needs {}; free some or set XDG_CACHE_HOME",
                 kernels.string(), space.available >> 20, kBytesToUnpack >> 20);
  std::string pattern = (kernels / (std::string(kTemporaryPrefix) + "XXXXXX")).string();
  if (mkdtemp(pattern.data()) == nullptr)
    return error("cannot write in {}: {}", kernels.string(), strerror(errno));
  TemporaryDirectory temporary(pattern);

  if (progress) progress(fmt::format("downloading {} {}", package.name, package.version));
  GPUVM_TRY_STATUS(download(package, temporary.path()));
  GPUVM_TRY(fs::path deb, only_entry(temporary.path(), package.name));
  if (progress) progress(fmt::format("unpacking {}", deb.filename().string()));
  GPUVM_TRY_STATUS(unpack(deb, temporary.path() / "root"));
  GPUVM_TRY_STATUS(keep_what_guests_use(temporary.path() / "root", package, temporary.path() / "kept"));
  fs::rename(temporary.path() / "kept", destination, code);
  if (code) return error("cannot write {}: {}", destination.string(), code.message());
  return cached_kernel(destination);
}

// Left behind by runs that were killed; only called while no other run holds the lock.
void remove_leftovers(const fs::path& kernels) {
  std::error_code code;
  std::vector<fs::path> leftovers;
  for (fs::directory_iterator entry(kernels, code), end; !code && entry != end; entry.increment(code))
    if (entry->path().filename().string().starts_with(kTemporaryPrefix)) leftovers.push_back(entry->path());
  for (const fs::path& path : leftovers) fs::remove_all(path, code);
}

}  // namespace

fs::path default_cache_directory() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache == '/')
    return fs::path(cache) / "gpuvm";
  if (const char* home = std::getenv("HOME"); home && *home == '/')
    return fs::path(home) / ".cache" / "gpuvm";
  return fs::temp_directory_path() / fmt::format("gpuvm-cache-{}", getuid());
}

Result<GuestKernel> provide_kernel(const KernelRequest& request) {
  fs::path cache = request.cache_directory.empty() ? default_cache_directory() : request.cache_directory;
  fs::path kernels = fs::absolute(cache) / kKernelsFolder;
  std::error_code code;
  fs::create_directories(kernels, code);
  if (code) return error("cannot make the cache folder {}: {}", kernels.string(), code.message());

  auto package = resolve(request.package);
  GPUVM_TRY(UniqueFd held, lock(kernels));
  Result<GuestKernel> kernel = error("unreachable");
  if (package) {
    std::string name = package.value().name + "_" + package.value().version;
    std::replace(name.begin(), name.end(), '/', '_');
    fs::path destination = kernels / name;
    kernel = cached_kernel(destination);
    if (kernel) return kernel;
    fs::remove_all(destination, code);
    remove_leftovers(kernels);
    kernel = fetch(package.value(), kernels, destination, request.progress);
    if (kernel) return kernel;
  } else {
    kernel = package.error();
  }
  if (request.package != KernelRequest{}.package) return kernel;  // asked for by name: no other will do
  if (auto cached = any_cached_kernel(kernels)) {
    if (request.progress)
      request.progress(fmt::format("{}; using {} from {}", kernel.error().message, cached.value().package,
                                   kernels.string()));
    return cached;
  }
  return kernel;
}

std::string image_dependency(const std::string& apt_cache_output) {
  std::istringstream lines(apt_cache_output);
  for (std::string line; std::getline(lines, line);) {
    size_t at = line.find("Depends: linux-image-");
    if (at != std::string::npos && line.find("PreDepends") == std::string::npos) return line.substr(at + 9);
  }
  return "";
}

std::string candidate_version(const std::string& apt_cache_output) {
  constexpr std::string_view kKey = "Candidate: ";
  size_t at = apt_cache_output.find(kKey);
  if (at == std::string::npos) return "";
  at += kKey.size();
  std::string version = apt_cache_output.substr(at, apt_cache_output.find('\n', at) - at);
  return version == "(none)" ? "" : version;
}

}  // namespace gpuvm
