#include "tracer/image/packages.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <vector>

#include "tracer/image/kernel_modules.h"

namespace gpuvm {
namespace {

namespace fs = std::filesystem;
using namespace apt;

// Cached kernels live in CACHE/kernels-N; N grows when what is kept of a package changes.
constexpr char kKernelsFolder[] = "kernels-1";
constexpr uint64_t kBytesToUnpack = uint64_t{700} << 20;  // package 70 MB, unpacked 400 MB, and some room
constexpr int kMaxDependencyDepth = 4;

Result<PackageVersion> resolve(std::string package) {
  for (int depth = 0; depth < kMaxDependencyDepth; ++depth) {
    GPUVM_TRY(CommandOutput depends, run_in_c_locale({"apt-cache", "depends", package}));
    if (!depends.succeeded)
      return error("apt knows no package {} ({}); run `apt-get update`", package, last_line(depends.text));
    std::string image = image_dependency(depends.text);
    if (image.empty()) break;
    package = image;
  }
  return candidate(package);
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
    if (code || !entry->is_directory() || is_temporary(entry->path())) continue;
    if (newest.empty() || time > newest_time) newest = entry->path(), newest_time = time;
  }
  if (newest.empty()) return error("no kernel in {}", kernels.string());
  return cached_kernel(newest);
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

Result<GuestKernel> fetch(const PackageVersion& package, const fs::path& kernels, const fs::path& destination,
                          const ProgressFn& progress) {
  std::error_code code;
  GPUVM_TRY_STATUS(check_space(kernels, kBytesToUnpack, "a kernel"));
  GPUVM_TRY(const std::string folder, make_temporary(kernels));
  TemporaryDirectory temporary(folder);

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

}  // namespace

Result<GuestKernel> provide_kernel(const KernelRequest& request) {
  GPUVM_TRY(const fs::path cache, cache_directory(request.cache_directory));
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

}  // namespace gpuvm
