#include "tracer/guest/workload/workloads.h"

#include "tracer/guest/workload/kernel.h"

namespace gpuvm::guest {
namespace {

struct Workload {
  std::string_view name;
  bool loads_driver;
  Result<std::string> (*run)(GpuDriver& driver, Reporter& reporter);
};

Result<std::string> do_nothing(GpuDriver&, Reporter&) {
  return std::string("the driver is loaded");
}

Result<std::string> run_none(GpuDriver&, Reporter& reporter) {
  GPUVM_TRY_STATUS(reporter.phase("none"));
  return std::string("booted");
}

constexpr Workload kTable[] = {
    {"none", false, run_none},
    {"load", true, do_nothing},
    {"load-noaccel", true, do_nothing},
};

}  // namespace

Status GpuDriver::load() {
  if (list_file_.empty()) return Ok{};
  GPUVM_TRY_STATUS(reporter_.phase("load"));
  GPUVM_TRY_STATUS(load_modules(list_file_, options_));
  reporter_.attach("kallsyms.txt", gpu_symbols());
  return Ok{};
}

Status GpuDriver::unload() {
  if (list_file_.empty()) return error("only the guest's /init can unload the driver");
  GPUVM_TRY_STATUS(reporter_.phase("unload"));
  GPUVM_TRY(std::vector<std::string> files, read_lines(list_file_));
  return unload_module(files.back());
}

Result<std::string> run_workload(std::string_view name, GpuDriver& driver, Reporter& reporter) {
  for (const Workload& workload : kTable) {
    if (workload.name != name) continue;
    if (workload.loads_driver) GPUVM_TRY_STATUS(driver.load());
    return workload.run(driver, reporter);
  }
  return error("this guest image has no workload \"{}\"", name);
}

}  // namespace gpuvm::guest
