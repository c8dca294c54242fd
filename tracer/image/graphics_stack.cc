#include "tracer/image/graphics_stack.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "tracer/image/shared_libraries.h"

namespace gpuvm {
namespace {

namespace fs = std::filesystem;
using namespace apt;

constexpr uint64_t kBytesToUnpack = uint64_t{900} << 20;

// What of which packages is kept.
struct Part {
  const char* folder;   // of the cache; its number grows when what is kept changes
  const char* package;  // whose version names the stack
  std::vector<const char*> others;
  std::vector<const char*> opened;  // libraries that programs and libraries open by themselves
  std::vector<const char*> files;   // others, by their place; a library brings what it needs
  bool clang_headers;               // which clang reads when it compiles OpenCL C
};
const Part& part_of(const GraphicsStackRequest& request) {
  // libEGL.so.1 opens the vendor's library by itself, libOpenCL.so.1 those that files name; libgcc_s is what
  // glibc opens to end threads.
  static const Part kOpenGl{
      .folder = "graphics-1",
      .package = "libgl1-mesa-dri",
      .others = {"libegl-mesa0", "libegl1", "libc6"},
      .opened = {"libEGL.so.1", "libEGL_mesa.so.0", "libgcc_s.so.1"},
      .files = {"usr/lib/x86_64-linux-gnu/dri/nouveau_dri.so", "usr/share/glvnd/egl_vendor.d/50_mesa.json"},
      .clang_headers = false};
  static const Part kOpenCl{
      .folder = "opencl-1",
      .package = "mesa-opencl-icd",
      .others = {"ocl-icd-libopencl1", "libegl1", "libc6"},
      .opened = {"libOpenCL.so.1", "libRusticlOpenCL.so.1", "libEGL.so.1", "libgcc_s.so.1"},
      .files = {"usr/lib/x86_64-linux-gnu/gallium-pipe/pipe_nouveau.so", "usr/lib/clc/spirv-mesa3d-.spv",
                "usr/lib/clc/spirv64-mesa3d-.spv", "etc/OpenCL/vendors/rusticl.icd"},
      .clang_headers = true};
  return request.opencl ? kOpenCl : kOpenGl;
}

constexpr char kLibraries[] = "lib/x86_64-linux-gnu/";
constexpr char kLoader[] = "lib64/ld-linux-x86-64.so.2";

Result<std::vector<std::string>> all_packages(const Part& part) {
  std::vector<std::string> argv{"apt-cache",     "depends",        "--recurse",   "--no-recommends",
                                "--no-suggests", "--no-conflicts", "--no-breaks", "--no-replaces",
                                "--no-enhances", part.package};
  argv.insert(argv.end(), part.others.begin(), part.others.end());
  GPUVM_TRY(CommandOutput output, run_in_c_locale(argv));
  if (!output.succeeded)
    return error("apt knows no package {} ({}); run `apt-get update`", part.package, last_line(output.text));
  std::vector<std::string> names = listed_packages(output.text);
  if (part.clang_headers) {
    for (const std::string& name : clang_header_packages(names)) names.push_back(name);
  }
  return names;
}

Status keep(const fs::path& from, const fs::path& to) {
  std::error_code code;
  fs::create_directories(to.parent_path(), code);
  // A link's target is what counts, and its absolute ones would lead out of the unpacked tree.
  fs::path real = from;
  for (int depth = 0; depth < 8 && fs::is_symlink(real, code); ++depth) {
    const fs::path target = fs::read_symlink(real, code);
    real = target.is_absolute() ? real.parent_path() / target.filename() : real.parent_path() / target;
  }
  fs::copy_file(real, to, fs::copy_options::overwrite_existing, code);
  if (code) return error("cannot copy {} to {}: {}", from.string(), to.string(), code.message());
  return Ok{};
}

// The headers that clang has built in, in a folder that its version names.
Status keep_clang_headers(const fs::path& root, const fs::path& out) {
  constexpr char kBase[] = "opencl-c-base.h";
  std::error_code code;
  for (fs::recursive_directory_iterator entry(root / "usr/lib", code), end; !code && entry != end;
       entry.increment(code)) {
    if (entry->is_symlink() || entry->path().filename() != kBase) continue;
    return keep(entry->path(), out / fs::relative(entry->path(), root));
  }
  return error("clang's packages have no {}", kBase);
}

Status keep_what_guests_use(const Part& part, const fs::path& root, const PackageVersion& package,
                            const fs::path& out) {
  const auto available = libraries_below(root);
  std::vector<fs::path> roots;
  for (const char* name : part.opened) {
    const auto at = available.find(name);
    if (at == available.end()) return error("the packages of {} have no {}", package.name, name);
    roots.push_back(at->second);
    GPUVM_TRY_STATUS(keep(at->second, out / kLibraries / name));
  }
  for (const char* file : part.files) {
    if (std::string_view(file).ends_with(".so")) roots.push_back(root / file);
    GPUVM_TRY_STATUS(keep(root / file, out / file));
  }
  GPUVM_TRY(const auto needed, library_closure(roots, available));
  for (const auto& [name, path] : needed) GPUVM_TRY_STATUS(keep(path, out / kLibraries / name));
  if (part.clang_headers) GPUVM_TRY_STATUS(keep_clang_headers(root, out));
  const auto loader = available.find("ld-linux-x86-64.so.2");
  if (loader == available.end()) return error("the packages of {} have no program loader", package.name);
  GPUVM_TRY_STATUS(keep(loader->second, out / kLoader));
  return write_file(out / "release", fmt::format("{} {}\n", package.name, package.version));
}

Result<GraphicsStack> cached(const fs::path& directory) {
  std::ifstream in(directory / "release");
  GraphicsStack stack;
  std::getline(in, stack.package);
  if (!in || stack.package.empty()) return error("no graphics stack in {}", directory.string());
  std::error_code code;
  for (fs::recursive_directory_iterator entry(directory, code), end; !code && entry != end;
       entry.increment(code)) {
    if (!entry->is_regular_file() || entry->path().filename() == "release") continue;
    stack.files.emplace(fs::relative(entry->path(), directory).string(), entry->path());
  }
  if (code) return error("cannot list {}: {}", directory.string(), code.message());
  return stack;
}

Result<GraphicsStack> any_cached(const fs::path& folder) {
  std::error_code code;
  for (fs::directory_iterator entry(folder, code), end; !code && entry != end; entry.increment(code)) {
    if (!entry->is_directory() || is_temporary(entry->path())) continue;
    if (auto stack = cached(entry->path())) return stack;
  }
  return error("no graphics stack in {}", folder.string());
}

Result<GraphicsStack> fetch(const Part& part, const PackageVersion& package, const fs::path& folder,
                            const fs::path& destination, const ProgressFn& progress) {
  GPUVM_TRY_STATUS(check_space(folder, kBytesToUnpack, "Mesa and its libraries"));
  GPUVM_TRY(const std::vector<std::string> names, all_packages(part));
  GPUVM_TRY(const std::string path, make_temporary(folder));
  const TemporaryDirectory temporary(path);
  if (progress)
    progress(fmt::format("downloading {} {} and {} packages", package.name, package.version, names.size()));
  std::error_code code;
  const fs::path debs = temporary.path() / "debs", root = temporary.path() / "root";
  fs::create_directories(debs, code);
  std::vector<std::string> argv{"apt-get", "download", "-q"};
  argv.insert(argv.end(), names.begin(), names.end());
  GPUVM_TRY(CommandOutput output,
            run_in_c_locale(argv, {.time_limit = std::chrono::seconds(900), .working_directory = debs}));
  if (!output.succeeded)
    return error("cannot download the packages of {}: {}; check the network, or run `apt-get update`",
                 package.name, last_line(output.text));
  if (progress) progress("unpacking Mesa");
  for (fs::directory_iterator entry(debs, code), end; !code && entry != end; entry.increment(code)) {
    GPUVM_TRY_STATUS(unpack(entry->path(), root));
  }
  GPUVM_TRY_STATUS(keep_what_guests_use(part, root, package, temporary.path() / "kept"));
  fs::rename(temporary.path() / "kept", destination, code);
  if (code) return error("cannot write {}: {}", destination.string(), code.message());
  return cached(destination);
}

}  // namespace

std::vector<std::string> listed_packages(const std::string& apt_cache_output) {
  std::set<std::string> names;
  std::istringstream lines(apt_cache_output);
  for (std::string line; std::getline(lines, line);) {
    // Dependencies are indented, virtual packages stand in angle brackets, other architectures after a colon.
    const bool is_name = !line.empty() && std::isalnum(static_cast<unsigned char>(line[0])) != 0 &&
                         line.find_first_of("<: ") == std::string::npos;
    if (is_name) names.insert(line);
  }
  return {names.begin(), names.end()};
}

std::vector<std::string> clang_header_packages(const std::vector<std::string>& names) {
  constexpr std::string_view kLibrary = "libclang-cpp";
  std::vector<std::string> out;
  for (const std::string& name : names) {
    if (name.starts_with(kLibrary)) out.push_back("libclang-common-" + name.substr(kLibrary.size()) + "-dev");
  }
  return out;
}

Result<GraphicsStack> provide_graphics_stack(const GraphicsStackRequest& request) {
  const Part& part = part_of(request);
  GPUVM_TRY(const fs::path folder, cache_folder(request.cache_directory, part.folder));
  auto package = candidate(part.package);
  GPUVM_TRY(UniqueFd held, lock(folder));
  if (package) {
    const fs::path destination = folder / folder_name(package.value());
    auto stack = cached(destination);
    if (stack) return stack;
    std::error_code code;
    fs::remove_all(destination, code);
    remove_leftovers(folder);
    stack = fetch(part, package.value(), folder, destination, request.progress);
    if (stack) return stack;
    package = stack.error();
  }
  if (auto earlier = any_cached(folder)) {
    if (request.progress)
      request.progress(fmt::format("{}; using {}", package.error().message, earlier.value().package));
    return earlier;
  }
  return package.error();
}

}  // namespace gpuvm
