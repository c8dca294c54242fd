#include "tracer/image/apt.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

namespace gpuvm {
namespace apt {
namespace {

namespace fs = std::filesystem;

constexpr char kTemporaryPrefix[] = "unpacking-";

}  // namespace

Result<CommandOutput> run_in_c_locale(std::vector<std::string> argv, const CommandOptions& options) {
  argv.insert(argv.begin(), {"env", "LC_ALL=C"});
  return run_command(argv, options);
}

Result<CommandOutput> run_apt(const Lists& lists, std::vector<std::string> argv,
                              const CommandOptions& options) {
  if (!lists.suite.empty()) argv.insert(argv.begin() + 1, {"-c", lists.config.string()});
  return run_in_c_locale(std::move(argv), options);
}

Result<PackageVersion> candidate(const std::string& package, const Lists& lists) {
  GPUVM_TRY(CommandOutput policy, run_apt(lists, {"apt-cache", "policy", package}));
  std::string version = candidate_version(policy.text);
  if (!policy.succeeded || version.empty()) {
    return lists.suite.empty() ? error("apt has no version of {} to download; run `apt-get update`", package)
                               : error("Debian {} has no {}", lists.suite, package);
  }
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

Result<fs::path> only_entry(const fs::path& directory, std::string_view prefix) {
  std::error_code code;
  for (fs::directory_iterator entry(directory, code), end; !code && entry != end; entry.increment(code))
    if (entry->path().filename().string().starts_with(prefix)) return entry->path();
  return error("the package has no {}* in {}", prefix, directory.filename().string());
}

Status download(const PackageVersion& package, const fs::path& directory, const Lists& lists) {
  CommandOptions options{.time_limit = std::chrono::seconds(900), .working_directory = directory};
  GPUVM_TRY(CommandOutput output,
            run_apt(lists, {"apt-get", "download", "-q", package.name + "=" + package.version}, options));
  if (output.succeeded) return Ok{};
  return error("cannot download {} {}: {}; check the network, or run `apt-get update`", package.name,
               package.version, last_line(output.text));
}

Status unpack(const fs::path& deb, const fs::path& root, uint64_t most) {
  constexpr char kScript[] =
      "dpkg-deb --fsys-tarfile \"$1\" | head -c \"$3\" |"
      " tar -x --no-same-owner --no-same-permissions --warning=no-timestamp -f - -C \"$2\"";
  std::error_code code;
  fs::create_directories(root, code);
  GPUVM_TRY(CommandOutput output,
            run_in_c_locale({"bash", "-o", "pipefail", "-c", kScript, "unpack", fs::absolute(deb).string(),
                             root.string(), std::to_string(most)},
                            {.time_limit = std::chrono::seconds(600)}));
  if (output.succeeded) return Ok{};
  return error("cannot unpack {}: {} (at most {} MiB are unpacked)", deb.string(),
               output.text.substr(0, output.text.find('\n')), most >> 20);
}

Status drop_what_leads_out(const fs::path& root) {
  std::error_code code;
  const fs::path inside = fs::canonical(root, code);
  std::vector<fs::path> dropped;
  for (fs::recursive_directory_iterator entry(root, code), end; !code && entry != end;
       entry.increment(code)) {
    const fs::file_status status = entry->symlink_status(code);
    if (fs::is_regular_file(status) || fs::is_directory(status)) continue;
    std::error_code nowhere;
    const fs::path target = fs::is_symlink(status) ? fs::canonical(entry->path(), nowhere) : fs::path();
    const auto parts = std::ranges::mismatch(inside, target);
    if (parts.in1 != inside.end()) dropped.push_back(entry->path());
  }
  for (const fs::path& path : dropped) {
    if (!code) fs::remove(path, code);
  }
  if (code) return error("cannot list {}: {}", root.string(), code.message());
  return Ok{};
}

// Left behind by runs that were killed; only called while no other run holds the lock.
void remove_leftovers(const fs::path& folder) {
  std::error_code code;
  std::vector<fs::path> leftovers;
  for (fs::directory_iterator entry(folder, code), end; !code && entry != end; entry.increment(code))
    if (entry->path().filename().string().starts_with(kTemporaryPrefix)) leftovers.push_back(entry->path());
  for (const fs::path& path : leftovers) fs::remove_all(path, code);
}

bool is_temporary(const fs::path& path) {
  return path.filename().string().starts_with(kTemporaryPrefix);
}

Result<fs::path> cache_folder(const fs::path& asked, std::string_view name) {
  GPUVM_TRY(const fs::path cache, cache_directory(asked));
  fs::path folder = fs::absolute(cache) / name;
  std::error_code code;
  fs::create_directories(folder, code);
  if (code) return error("cannot make the cache folder {}: {}", folder.string(), code.message());
  return folder;
}

std::string folder_name(const PackageVersion& package) {
  std::string name = package.name + "_" + package.version;
  for (char& c : name) c = c == '/' || c == ':' ? '_' : c;
  return name;
}

Result<std::string> make_temporary(const fs::path& folder) {
  std::string pattern = (folder / (std::string(kTemporaryPrefix) + "XXXXXX")).string();
  if (mkdtemp(pattern.data()) == nullptr)
    return error("cannot write in {}: {}", folder.string(), strerror(errno));
  return pattern;
}

Status check_space(const fs::path& folder, uint64_t bytes, std::string_view for_what) {
  std::error_code code;
  const fs::space_info space = fs::space(folder, code);
  if (code || space.available >= bytes) return Ok{};
  return error("{} has {} MiB free, unpacking {} needs {}; free some or set XDG_CACHE_HOME", folder.string(),
               space.available >> 20, for_what, bytes >> 20);
}

}  // namespace apt

std::filesystem::path default_cache_directory() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache == '/')
    return std::filesystem::path(cache) / "gpuvm";
  if (const char* home = std::getenv("HOME"); home && *home == '/')
    return std::filesystem::path(home) / ".cache" / "gpuvm";
  std::error_code code;
  return std::filesystem::temp_directory_path(code) / fmt::format("gpuvm-cache-{}", geteuid());
}

Result<std::filesystem::path> cache_directory(const std::filesystem::path& asked) {
  if (!asked.empty()) return asked;
  const std::filesystem::path found = default_cache_directory();
  std::error_code code;
  const bool anybodys = found.parent_path() == std::filesystem::temp_directory_path(code);
  if (anybodys && mkdir(found.c_str(), 0700) != 0 && errno != EEXIST)
    return error("cannot make {}: {}", found.string(), strerror(errno));
  // In a home, a link is the user's own; what it leads to may be not. Root may have made it for a user.
  struct stat info {};
  if ((anybodys ? lstat(found.c_str(), &info) : stat(found.c_str(), &info)) != 0) return found;
  const mode_t others = anybodys ? S_IWGRP | S_IWOTH : S_IWOTH;
  const bool owned = info.st_uid == geteuid() || (!anybodys && info.st_uid == 0);
  if (S_ISDIR(info.st_mode) && owned && (info.st_mode & others) == 0) return found;
  return error("{}: is not a folder that only this user can write in; {}set HOME or XDG_CACHE_HOME",
               found.string(), anybodys ? "remove it, or " : "");
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
