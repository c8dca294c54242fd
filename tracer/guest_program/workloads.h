// The workloads by name, and the driver that they load.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tracer/guest_program/kernel.h"
#include "tracer/guest_program/reporter.h"
#include "traces/core/result.h"

namespace gpuvm::guest {

// The GPU's kernel driver. Empty list file: it is loaded already, as on a machine where this runs by hand.
class GpuDriver {
 public:
  GpuDriver(std::string list_file, std::string options, bool symbols_wanted, Reporter& reporter)
      : list_file_(std::move(list_file)),
        options_(std::move(options)),
        symbols_wanted_(symbols_wanted),
        reporter_(reporter) {}
  // Marks "phase load", loads, hands the symbols to the host if they are wanted.
  Status load();
  // Marks "phase unload".
  Status unload();

 private:
  Status load_with_symbols();

  std::string list_file_;
  std::string options_;
  bool symbols_wanted_;
  Reporter& reporter_;
};

// What a workload did, in a line for a person, or what went wrong.
// `client_environment`: if it is not empty, a workload that is a client of the driver runs in a program of
// its own, with these variables.
Result<std::string> run_workload(std::string_view name, GpuDriver& driver, Reporter& reporter,
                                 const std::vector<std::string>& client_environment = {});
// In that program: the workload alone, without its driver.
Result<std::string> run_client(std::string_view name, Reporter& reporter);

}  // namespace gpuvm::guest
