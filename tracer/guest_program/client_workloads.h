// The workloads of a DRM client; the driver is loaded. Each marks its phases and verifies every byte.
#pragma once

#include <string>

#include "tracer/guest_program/reporter.h"
#include "traces/core/result.h"

namespace gpuvm::guest {

Result<std::string> run_copy(Reporter& reporter);
Result<std::string> run_twod(Reporter& reporter);
Result<std::string> run_channels(Reporter& reporter);
Result<std::string> run_fault(Reporter& reporter);
Result<std::string> run_stress(Reporter& reporter);
Result<std::string> run_intruder(Reporter& reporter);
Result<std::string> run_flooder(Reporter& reporter);
// Their sizes are multiplied by the environment's kScaleVariable, if it is there.
Result<std::string> run_nop(Reporter& reporter);
Result<std::string> run_loop(Reporter& reporter);
Result<std::string> run_cpy(Reporter& reporter);
Result<std::string> run_pincpy(Reporter& reporter);
inline constexpr char kScaleVariable[] = "GPUVM_SCALE";

// Opens a client, makes a channel with a copy engine, copies 64 KiB and checks them. The short form of
// "copy", for workloads that want to know whether the GPU still works.
Status check_fresh_channel(uint32_t seed);

}  // namespace gpuvm::guest
