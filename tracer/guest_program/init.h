// The guest's /init: brings the machine up, runs a workload, tells the host, powers off.
#pragma once

namespace gpuvm::guest {

[[noreturn]] void run_as_init();

}  // namespace gpuvm::guest
