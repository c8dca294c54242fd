// Debian packages fetched and unpacked into a cache, never installed.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tracer/posix/child_process.h"
#include "traces/core/result.h"
#include "traces/core/unique_fd.h"

namespace gpuvm {

// One line of progress for a person; may be empty.
using ProgressFn = std::function<void(const std::string&)>;

// ${XDG_CACHE_HOME:-~/.cache}/gpuvm
std::filesystem::path default_cache_directory();
// `asked`, or the default one if that is empty. Errors: that one is another user's (HOME need not be one's
// own), or everybody may write in it; without a home it lies in the folder for temporary files, where anybody
// can make it first.
Result<std::filesystem::path> cache_directory(const std::filesystem::path& asked);

// What `apt-cache policy` says: the version that would be installed, or "".
std::string candidate_version(const std::string& apt_cache_output);

namespace apt {

struct PackageVersion {
  std::string name;
  std::string version;
};

// Whose package lists apt goes by: this machine's own, or those of a release of Debian in our cache.
struct Lists {
  std::string suite = {};             // "" for the machine's own
  std::filesystem::path config = {};  // apt's configuration for it
};

// Removes a directory when it goes out of scope.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(std::filesystem::path path) : path_(std::move(path)) {}
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The folder NAME of the cache, made if it is not there. `asked`: as for cache_directory().
Result<std::filesystem::path> cache_folder(const std::filesystem::path& asked, std::string_view name);
// Of a package's folder in the cache: neither a slash nor a colon, at which lists of folders are split.
std::string folder_name(const PackageVersion& package);
// In a folder of the cache: a name of its own for what is being unpacked.
Result<std::string> make_temporary(const std::filesystem::path& folder);
// Left behind by runs that were killed; only called while no other run holds the lock.
void remove_leftovers(const std::filesystem::path& folder);
bool is_temporary(const std::filesystem::path& path);

Result<CommandOutput> run_in_c_locale(std::vector<std::string> argv, const CommandOptions& options = {});
// One of apt's programs, in the C locale. It may have to read all package lists first, on a busy machine.
inline const CommandOptions kAptOptions{.time_limit = std::chrono::seconds(300)};
Result<CommandOutput> run_apt(const Lists& lists, std::vector<std::string> argv,
                              const CommandOptions& options = kAptOptions);
// The version that apt would take.
Result<PackageVersion> candidate(const std::string& package, const Lists& lists = {});
// Waits until no other run works in `directory`.
Result<UniqueFd> lock(const std::filesystem::path& directory);
// An error if the file system has less free.
Status check_space(const std::filesystem::path& folder, uint64_t bytes, std::string_view for_what);
Status download(const PackageVersion& package, const std::filesystem::path& directory,
                const Lists& lists = {});
// What one package may unfold to; the largest that is used has a third of it.
inline constexpr uint64_t kMostUnpacked = uint64_t{2} << 30;
// Files are the caller's, whoever they belong to in the package. Errors: no package, or more than `most`
// bytes.
Status unpack(const std::filesystem::path& deb, const std::filesystem::path& root,
              uint64_t most = kMostUnpacked);
// Removes links that lead out of an unpacked package, and what is neither a file nor a folder.
Status drop_what_leads_out(const std::filesystem::path& root);
Result<std::filesystem::path> only_entry(const std::filesystem::path& directory, std::string_view prefix);
Status write_file(const std::filesystem::path& path, std::string_view bytes);

}  // namespace apt
}  // namespace gpuvm
