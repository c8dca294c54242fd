// The package lists of another release of Debian than the machine's, kept in the cache. Nothing of the
// machine's own apt is touched.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "tracer/image/apt.h"
#include "traces/core/result.h"

namespace gpuvm {

// The SUITE of "debian:SUITE"; nothing if `text` is something else.
std::optional<std::string> debian_suite(std::string_view text);

// `suite`: as the mirror calls it: bookworm, bookworm-backports, trixie, sid. The lists are fetched when
// there are none or they are more than a day old; those that are there serve without a network. `cache`: the
// cache's own folder. Errors: no such suite, no network and no lists.
Result<apt::Lists> provide_suite(const std::string& suite, const std::filesystem::path& cache_directory,
                                 const ProgressFn& progress);

// The mirror that the machine has its Debian from, by what `apt-get indextargets` prints for kTargetFormat;
// the project's own one if there is none.
inline constexpr std::string_view kTargetFormat = "$(CREATED_BY) $(ORIGIN) $(LABEL) $(REPO_URI)";
std::string debian_mirror(const std::string& index_targets);

}  // namespace gpuvm
