// A divergence in words: what it is called, and in which space its address lies.
#pragma once

#include <string>
#include <string_view>

#include "traces/replay_result.h"

namespace gpuvm {

// "DMA read"; the key itself if it is none of ours. Lives as long as `d`.
std::string_view name_of(const Divergence& d);
// "BAR0+0x400700", "guest memory 0x1000". The register's name is not part of it.
std::string place_of(const Divergence& d);

}  // namespace gpuvm
