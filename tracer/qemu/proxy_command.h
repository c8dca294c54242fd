// What a QEMU command line of the user's must be for x-pci-proxy-dev to work.
#pragma once

#include <string>
#include <vector>

#include "traces/core/result.h"

namespace gpuvm {

// Errors, with what to give instead: several processors with a thread each, whose accesses QEMU takes for
// re-entrant and drops; a QEMU whose device does not work. A command of another name than qemu-system-* is
// not asked for its version.
Status check_proxy_command(const std::vector<std::string>& command);

// Of -smp's value, "4" or "cpus=4,maxcpus=8" or "sockets=2,cores=2"; 1 if it says none.
unsigned processors_of(const std::string& smp);

}  // namespace gpuvm
