#include "tracer/image/qemu_package.h"

#include "tracer/image/suite.h"

namespace gpuvm {
namespace {

namespace fs = std::filesystem;
using namespace apt;

// CACHE/qemu-N/qemu-system-x86_VERSION/{qemu,root}; N grows when what is kept changes.
constexpr char kFolder[] = "qemu-1";
constexpr char kPackage[] = "qemu-system-x86";
constexpr char kProgram[] = "qemu";
constexpr uint64_t kBytesToUnpack = uint64_t{1200} << 20;

// Nothing of the machine is used: its libraries may be older than this QEMU.
constexpr std::string_view kWrapper = R"(#!/bin/sh
# Runs the QEMU that is unpacked beside this file.
root='{0}/root'
libraries=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu
for loader in "$root/usr/lib/x86_64-linux-gnu" "$root/lib/x86_64-linux-gnu"; do
  [ -e "$loader/ld-linux-x86-64.so.2" ] && break
done
export QEMU_MODULE_DIR="$root/usr/lib/x86_64-linux-gnu/qemu"
exec "$loader/ld-linux-x86-64.so.2" --library-path "$libraries" "$root/usr/bin/qemu-system-x86_64" \
  -L "$root/usr/share/qemu" -L "$root/usr/share/seabios" -L "$root/usr/lib/ipxe/qemu" "$@"
)";

Status fetch(const PackageVersion& package, const Lists& lists, const fs::path& folder,
             const fs::path& destination, const ProgressFn& progress) {
  std::error_code code;
  GPUVM_TRY_STATUS(check_space(folder, kBytesToUnpack, "QEMU"));
  GPUVM_TRY(const std::string path, make_temporary(folder));
  const TemporaryDirectory temporary(path);
  const fs::path debs = temporary.path() / "debs", kept = temporary.path() / "kept";
  fs::create_directories(debs / "partial", code);
  if (progress)
    progress(fmt::format("downloading {} {} of Debian {} and what it needs", package.name, package.version,
                         lists.suite));
  // Nothing is installed there, so that all that it depends on comes with it.
  GPUVM_TRY(CommandOutput output,
            run_apt(lists,
                    {"apt-get", "-q", "-y", "--no-install-recommends", "--download-only", "-o",
                     "Debug::NoLocking=1", "-o", fmt::format("Dir::Cache::archives={}", debs.string()),
                     "install", package.name + "=" + package.version},
                    {.time_limit = std::chrono::seconds(1800)}));
  if (!output.succeeded)
    return error("cannot download {} {} of Debian {}: {}; check the network", package.name, package.version,
                 lists.suite, last_line(output.text));
  if (progress) progress(fmt::format("unpacking {} {}", package.name, package.version));
  for (fs::directory_iterator entry(debs, code), end; !code && entry != end; entry.increment(code)) {
    if (entry->path().extension() == ".deb") GPUVM_TRY_STATUS(unpack(entry->path(), kept / "root"));
  }
  if (code) return error("cannot list {}: {}", debs.string(), code.message());
  for (const char* unused : {"usr/share/doc", "usr/share/locale", "usr/share/man"})
    fs::remove_all(kept / "root" / unused, code);
  GPUVM_TRY_STATUS(write_file(kept / kProgram, fmt::format(kWrapper, destination.string())));
  fs::permissions(kept / kProgram, fs::perms::owner_all | fs::perms::group_read | fs::perms::others_read,
                  code);
  if (!code) fs::rename(kept, destination, code);
  if (code) return error("cannot write {}: {}", destination.string(), code.message());
  return Ok{};
}

}  // namespace

Result<std::string> provide_qemu(const std::string& which, const fs::path& cache_directory,
                                 const ProgressFn& progress) {
  const std::optional<std::string> suite = debian_suite(which);
  if (!suite) return which;
  GPUVM_TRY(const fs::path folder, cache_folder(cache_directory, kFolder));
  if (folder.string().find_first_of("':") != std::string::npos)
    return error("{}: a QEMU cannot be kept in a folder of that name; set XDG_CACHE_HOME to another",
                 folder.string());
  GPUVM_TRY(const Lists lists, provide_suite(*suite, cache_directory, progress));
  GPUVM_TRY(const PackageVersion package, candidate(kPackage, lists));
  GPUVM_TRY(const UniqueFd held, lock(folder));
  const fs::path destination = folder / folder_name(package);
  std::error_code code;
  if (!fs::exists(destination / kProgram, code)) {
    remove_leftovers(folder);
    GPUVM_TRY_STATUS(fetch(package, lists, folder, destination, progress));
  }
  return (destination / kProgram).string();
}

}  // namespace gpuvm
