#include "tracer/image/packages.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <vector>

#include "tracer/image/kernel_modules.h"
#include "tracer/image/suite.h"

namespace gpuvm {
namespace {

namespace fs = std::filesystem;
using namespace apt;

// Cached kernels live in CACHE/kernels-N; N grows when what is kept of a package changes. Those that somebody
// asked for by name live apart: none of them stands in for the machine's own.
constexpr char kKernelsFolder[] = "kernels-1";
constexpr char kOtherKernelsFolder[] = "other-kernels-1";
constexpr uint64_t kBytesToUnpack = uint64_t{700} << 20;  // package 70 MB, unpacked 400 MB, and some room
constexpr int kMaxDependencyDepth = 4;
constexpr uint64_t kMaxKernelBytes = uint64_t{256} << 20;

// The packages that a kernel comes in; the first is the image, which names it.
Result<std::vector<PackageVersion>> resolve(std::string package, const Lists& lists) {
  std::string depends_text;
  for (int depth = 0; depth < kMaxDependencyDepth; ++depth) {
    GPUVM_TRY(CommandOutput depends, run_apt(lists, {"apt-cache", "depends", package}));
    if (!depends.succeeded)
      return error("apt knows no package {} ({}); run `apt-get update`", package, last_line(depends.text));
    depends_text = depends.text;
    std::string image = image_dependency(depends.text);
    if (image.empty()) break;
    package = image;
  }
  std::vector<PackageVersion> packages;
  std::vector<std::string> names = image_parts(depends_text, package);
  names.insert(names.begin(), package);
  for (const std::string& name : names) {
    GPUVM_TRY(PackageVersion version, candidate(name, lists));
    packages.push_back(std::move(version));
  }
  return packages;
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

// Where an unpacked package, or several, has its modules, and where its kernel.
struct Unpacked {
  fs::path vmlinuz;
  fs::path modules;  // its name is the kernel's release
};
Result<Unpacked> find_kernel(const fs::path& root) {
  std::error_code code;
  for (const char* folder : {"lib/modules", "usr/lib/modules"}) {
    if (!fs::exists(root / folder, code)) continue;
    GPUVM_TRY(const fs::path modules, only_entry(root / folder, ""));
    if (fs::exists(modules / "vmlinuz", code)) return Unpacked{modules / "vmlinuz", modules};
    if (const auto vmlinuz = only_entry(root / "boot", "vmlinuz-")) return Unpacked{vmlinuz.value(), modules};
    return error(
        "no kernel in it: neither boot/vmlinuz-* nor {}/vmlinuz; where Debian splits the image, "
        "linux-binary-*.deb has it",
        (fs::path(folder) / modules.filename()).string());
  }
  return error(
      "no modules in it: neither lib/modules nor usr/lib/modules; where Debian splits the image, "
      "linux-modules-*.deb has them");
}

// Keeps of what was unpacked what a guest boots with: 15 MB instead of 400.
Status keep_what_guests_use(const fs::path& root, const std::string& package, const fs::path& out) {
  std::error_code code;
  GPUVM_TRY(const Unpacked kernel, find_kernel(root));
  if (fs::file_size(kernel.vmlinuz, code) > kMaxKernelBytes)
    return error("{} is larger than {} MiB", kernel.vmlinuz.filename().string(), kMaxKernelBytes >> 20);
  GPUVM_TRY(const ModuleTree available, find_modules(kernel.modules));
  std::vector<std::string_view> roots(std::begin(kTransportModules), std::end(kTransportModules));
  roots.push_back(kGpuModule);
  GPUVM_TRY(std::vector<KernelModule> kept, modules_in_load_order(available, roots));

  fs::create_directories(out / "modules", code);
  if (!code) fs::copy_file(kernel.vmlinuz, out / "vmlinuz", code);
  if (code) return error("cannot write {}: {}", out.string(), code.message());
  for (const KernelModule& module : kept)
    GPUVM_TRY_STATUS(write_file(out / "modules" / (module.name + ".ko"), module.elf));
  std::string built_in;
  for (const std::string& name : available.built_in) built_in += name + ".ko\n";
  GPUVM_TRY_STATUS(write_file(out / "modules" / kBuiltInList, built_in));
  return write_file(out / "release", fmt::format("{}\n{}\n", kernel.modules.filename().string(), package));
}

// Unpacks them into `destination`, which is whole or not there.
Result<GuestKernel> unpack_kernel(const std::vector<fs::path>& debs, const std::string& package,
                                  const TemporaryDirectory& temporary, const fs::path& destination,
                                  const ProgressFn& progress) {
  for (const fs::path& deb : debs) {
    if (progress) progress(fmt::format("unpacking {}", deb.filename().string()));
    GPUVM_TRY_STATUS(unpack(deb, temporary.path() / "root"));
  }
  GPUVM_TRY_STATUS(drop_what_leads_out(temporary.path() / "root"));
  if (Status kept = keep_what_guests_use(temporary.path() / "root", package, temporary.path() / "kept");
      !kept)
    return error("{}: {}", package, kept.error().message);
  std::error_code code;
  fs::rename(temporary.path() / "kept", destination, code);
  if (code) return error("cannot write {}: {}", destination.string(), code.message());
  return cached_kernel(destination);
}

Result<GuestKernel> fetch(const std::vector<PackageVersion>& packages, const Lists& lists,
                          const fs::path& destination, const ProgressFn& progress) {
  const fs::path kernels = destination.parent_path();
  GPUVM_TRY_STATUS(check_space(kernels, kBytesToUnpack, "a kernel"));
  GPUVM_TRY(const std::string folder, make_temporary(kernels));
  TemporaryDirectory temporary(folder);
  std::vector<fs::path> debs;
  for (const PackageVersion& package : packages) {
    if (progress) progress(fmt::format("downloading {} {}", package.name, package.version));
    GPUVM_TRY_STATUS(download(package, temporary.path(), lists));
    GPUVM_TRY(fs::path deb, only_entry(temporary.path(), package.name));
    debs.push_back(std::move(deb));
  }
  const PackageVersion& image = packages.front();
  return unpack_kernel(debs, fmt::format("{} {}", image.name, image.version), temporary, destination,
                       progress);
}

// A kernel of the cache by the name of its folder, or what `make` puts there.
template <typename Make>
Result<GuestKernel> cached_or(const fs::path& destination, Make make) {
  if (auto kernel = cached_kernel(destination)) return kernel;
  std::error_code code;
  fs::remove_all(destination, code);
  remove_leftovers(destination.parent_path());
  return make();
}

Result<GuestKernel> of_apt(const KernelRequest& request, const Lists& lists, const fs::path& kernels) {
  auto packages = resolve(request.package, lists);
  GPUVM_TRY(UniqueFd held, lock(kernels));
  Result<GuestKernel> kernel = error("unreachable");
  if (packages) {
    const fs::path destination = kernels / folder_name(packages.value().front());
    kernel =
        cached_or(destination, [&] { return fetch(packages.value(), lists, destination, request.progress); });
    if (kernel) return kernel;
  } else {
    kernel = packages.error();
  }
  // Asked for by name: no other will do.
  if (request.package != KernelRequest{}.package || !lists.suite.empty()) return kernel;
  if (auto cached = any_cached_kernel(kernels)) {
    if (request.progress)
      request.progress(fmt::format("{}; using {} from {}", kernel.error().message, cached.value().package,
                                   kernels.string()));
    return cached;
  }
  return kernel;
}

// Known again by name, size and time of each.
Result<GuestKernel> of_files(const std::vector<fs::path>& debs, const fs::path& kernels,
                             const ProgressFn& progress) {
  std::string key, names;
  for (const fs::path& deb : debs) {
    std::error_code code;
    const uint64_t size = fs::file_size(deb, code);
    if (code) return error("{}: {}", deb.string(), code.message());
    const auto written = fs::last_write_time(deb, code).time_since_epoch().count();
    key += fmt::format("{}_{}_{}_", deb.filename().string(), size, written);
    names += (names.empty() ? "" : ",") + deb.string();
  }
  GPUVM_TRY(UniqueFd held, lock(kernels));
  const fs::path destination = kernels / fmt::format("file_{:016x}", std::hash<std::string>{}(key));
  return cached_or(destination, [&]() -> Result<GuestKernel> {
    GPUVM_TRY_STATUS(check_space(kernels, kBytesToUnpack, "a kernel"));
    GPUVM_TRY(const std::string folder, make_temporary(kernels));
    return unpack_kernel(debs, names, TemporaryDirectory(folder), destination, progress);
  });
}

// VMLINUZ+MODULES, either of which may have a + in its name.
Result<GuestKernel> of_the_user(const std::string& which) {
  std::error_code code;
  for (size_t plus = which.find('+'); plus != std::string::npos; plus = which.find('+', plus + 1)) {
    const fs::path vmlinuz = which.substr(0, plus), modules = which.substr(plus + 1);
    if (!fs::is_regular_file(vmlinuz, code) || !fs::is_directory(modules, code)) continue;
    const fs::path named = modules.has_filename() ? modules : modules.parent_path();
    return GuestKernel{vmlinuz, modules, named.filename().string(), which};
  }
  return error(
      "--kernel {}: neither debian:SUITE, nor FILE.deb, nor VMLINUZ+MODULES with a kernel and a folder "
      "that are there",
      which);
}

}  // namespace

Result<GuestKernel> provide_kernel(const KernelRequest& request) {
  const std::optional<std::string> suite = debian_suite(request.which);
  const bool files = request.which.ends_with(".deb");
  if (!request.which.empty() && !suite && !files) return of_the_user(request.which);

  GPUVM_TRY(
      const fs::path kernels,
      cache_folder(request.cache_directory, request.which.empty() ? kKernelsFolder : kOtherKernelsFolder));
  if (files) {
    std::vector<fs::path> debs;
    std::istringstream list(request.which);
    for (std::string one; std::getline(list, one, ',');) debs.emplace_back(one);
    return of_files(debs, kernels, request.progress);
  }
  Lists lists;
  if (suite) {
    GPUVM_TRY(lists, provide_suite(*suite, request.cache_directory, request.progress));
  }
  return of_apt(request, lists, kernels);
}

std::string image_dependency(const std::string& apt_cache_output) {
  std::istringstream lines(apt_cache_output);
  for (std::string line; std::getline(lines, line);) {
    size_t at = line.find("Depends: linux-image-");
    if (at != std::string::npos && line.find("PreDepends") == std::string::npos) return line.substr(at + 9);
  }
  return "";
}

std::vector<std::string> image_parts(const std::string& apt_cache_output, std::string_view image) {
  constexpr std::string_view kImage = "linux-image-", kDepends = "Depends: ";
  std::vector<std::string> parts;
  if (!image.starts_with(kImage)) return parts;
  const std::string_view release = image.substr(kImage.size());
  std::istringstream lines(apt_cache_output);
  for (std::string line; std::getline(lines, line);) {
    const size_t at = line.find(kDepends);
    if (at == std::string::npos) continue;
    const std::string name = line.substr(at + kDepends.size());
    if (name != image && name.ends_with(fmt::format("-{}", release))) parts.push_back(name);
  }
  return parts;
}

}  // namespace gpuvm
