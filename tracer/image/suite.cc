#include "tracer/image/suite.h"

#include <algorithm>
#include <sstream>

namespace gpuvm {
namespace {

namespace fs = std::filesystem;
using namespace apt;

constexpr std::string_view kPrefix = "debian:";
constexpr char kFolder[] = "suites-1";
constexpr char kProjectMirror[] = "http://deb.debian.org/debian/";
constexpr char kKeyring[] = "/usr/share/keyrings/debian-archive-keyring.gpg";
constexpr auto kFreshFor = std::chrono::hours(24);
constexpr uint64_t kBytesOfLists = uint64_t{200} << 20;

bool is_suite_name(std::string_view name) {
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && name.size() <= 64 && name[0] != '-' && std::ranges::all_of(name, fits);
}

// With this, apt knows nothing of the machine's sources and of what is installed on it, and runs none of its
// hooks. How the machine reaches the network, a proxy say, stays.
Status write_configuration(const fs::path& folder, const std::string& suite) {
  std::error_code code;
  for (const char* part : {"lists/partial", "archives/partial", "etc"}) {
    fs::create_directories(folder / part, code);
    if (code) return error("cannot make {}: {}", (folder / part).string(), code.message());
  }
  GPUVM_TRY(CommandOutput targets,
            run_in_c_locale({"apt-get", "indextargets", "--format", std::string(kTargetFormat)}));
  const std::string mirror = debian_mirror(targets.succeeded ? targets.text : "");
  GPUVM_TRY_STATUS(write_file(folder / "etc/sources.list",
                              fmt::format("deb [signed-by={}] {} {} main\n", kKeyring, mirror, suite)));
  GPUVM_TRY_STATUS(write_file(folder / "status", ""));
  return write_file(folder / "apt.conf",
                    fmt::format("Dir::State \"{0}\";\nDir::State::lists \"{0}/lists\";\n"
                                "Dir::State::status \"{0}/status\";\nDir::Cache \"{0}\";\n"
                                "Dir::Cache::archives \"{0}/archives\";\n"
                                "Dir::Etc::sourcelist \"{0}/etc/sources.list\";\n"
                                "Dir::Etc::sourceparts \"/nonexistent\";\n"
                                "Dir::Etc::preferences \"/nonexistent\";\n"
                                "Dir::Etc::preferencesparts \"/nonexistent\";\n"
                                "APT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; }};\n"
                                "#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n"
                                "#clear APT::Update::Post-Invoke-Success;\n"
                                "APT::Default-Release \"\";\nAPT::Install-Recommends \"0\";\n",
                                folder.string()));
}

bool is_fresh(const fs::path& stamp) {
  std::error_code code;
  const auto written = fs::last_write_time(stamp, code);
  return !code && fs::file_time_type::clock::now() - written < kFreshFor;
}

}  // namespace

std::optional<std::string> debian_suite(std::string_view text) {
  if (!text.starts_with(kPrefix)) return std::nullopt;
  return std::string(text.substr(kPrefix.size()));
}

Result<Lists> provide_suite(const std::string& suite, const fs::path& cache_directory,
                            const ProgressFn& progress) {
  if (!is_suite_name(suite)) {
    return error("debian:{}: a suite is a name such as bookworm, bookworm-backports, trixie or sid", suite);
  }
  GPUVM_TRY(const fs::path folder, cache_folder(cache_directory, (fs::path(kFolder) / suite).string()));
  if (folder.string().find_first_of("\"\\;{}\n") != std::string::npos) {
    return error("{}: apt cannot take a folder of that name; set XDG_CACHE_HOME to another", folder.string());
  }
  GPUVM_TRY(const UniqueFd held, lock(folder));
  const Lists lists{.suite = suite, .config = folder / "apt.conf"};
  const fs::path stamp = folder / "fetched";
  if (is_fresh(stamp)) return lists;
  GPUVM_TRY_STATUS(check_space(folder, kBytesOfLists, "the package lists"));
  GPUVM_TRY_STATUS(write_configuration(folder, suite));
  if (progress) progress(fmt::format("fetching the package lists of Debian {}", suite));
  GPUVM_TRY(CommandOutput update, run_apt(lists, {"apt-get", "-q", "update", "--error-on=any"},
                                          {.time_limit = std::chrono::seconds(600)}));
  if (update.succeeded) {
    GPUVM_TRY_STATUS(write_file(stamp, ""));
    return lists;
  }
  std::error_code code;
  if (!fs::exists(stamp, code)) {
    fs::remove_all(folder / "lists", code);
    return error("cannot fetch the package lists of Debian {}: {}; check the name and the network", suite,
                 last_line(update.text));
  }
  if (progress) progress(fmt::format("no new package lists of Debian {}; going on with older ones", suite));
  return lists;
}

std::string debian_mirror(const std::string& index_targets) {
  std::istringstream lines(index_targets);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string created_by, origin, label, uri;
    words >> created_by >> origin >> label >> uri;
    if (created_by == "Packages" && origin == "Debian" && label == "Debian" && !uri.empty()) return uri;
  }
  return kProjectMirror;
}

}  // namespace gpuvm
