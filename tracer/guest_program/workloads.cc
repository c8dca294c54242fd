#include "tracer/guest_program/workloads.h"

#include "tracer/guest_program/bar0.h"
#include "tracer/guest_program/child_program.h"
#include "tracer/guest_program/client_workloads.h"
#include "tracer/guest_program/kernel.h"
#include "tracer/protocol/protocol.h"
#include "tracer/protocol/workloads.h"

namespace gpuvm::guest {
namespace {

struct Workload {
  std::string_view name;
  bool loads_driver;
  // nullptr: the other program's, which works on Mesa.
  Result<std::string> (*run)(GpuDriver& driver, Reporter& reporter);
};

Result<std::string> run_none(GpuDriver&, Reporter& reporter) {
  GPUVM_TRY_STATUS(reporter.phase("none"));
  return std::string("booted");
}

Result<std::string> run_load(GpuDriver&, Reporter&) {
  return std::string("the driver is loaded");
}

Result<std::string> run_reload(GpuDriver& driver, Reporter& reporter) {
  GPUVM_TRY_STATUS(check_fresh_channel(4));
  GPUVM_TRY_STATUS(driver.unload());
  GPUVM_TRY_STATUS(driver.load());
  GPUVM_TRY(std::string copied, run_copy(reporter));
  return "unloaded and loaded again, " + copied;
}

// Where its BARs lie then is the kernel's choice, and no longer the firmware's.
Result<std::string> run_rescan(GpuDriver&, Reporter& reporter) {
  GPUVM_TRY(const std::string card, card_folder());
  GPUVM_TRY_STATUS(reporter.phase("unload"));
  GPUVM_TRY_STATUS(remove_device(card));
  if (card_folder()) return error("the card is still on its bus after it was removed");
  GPUVM_TRY_STATUS(reporter.phase("load"));
  GPUVM_TRY_STATUS(rescan_buses());
  put_kernel_workers_first();
  GPUVM_TRY(std::string copied, run_copy(reporter));
  return "removed from the bus and found again, " + copied;
}

// What a driver's mistake looks like from outside: the status of an engine, waited for without end.
Result<std::string> run_poll(GpuDriver&, Reporter& reporter) {
  constexpr uint64_t kGraphStatus = 0x400700;  // envytools graph/gf100_pgraph
  GPUVM_TRY(const Registers registers, Registers::open());
  GPUVM_TRY_STATUS(reporter.phase("launch"));
  while (registers.read(kGraphStatus) != ~0u) {
  }
  return error("the card is gone");
}

template <Result<std::string> (*run)(Reporter&)>
Result<std::string> as_client(GpuDriver&, Reporter& reporter) {
  return run(reporter);
}

constexpr Workload kTable[] = {
    {"none", false, run_none},
    {"load", true, run_load},
    {"load-noaccel", true, run_load},
    {"copy", true, as_client<run_copy>},
    {"twod", true, as_client<run_twod>},
    {"channels", true, as_client<run_channels>},
    {"reload", true, run_reload},
    {"fault", true, as_client<run_fault>},
    {"stress", true, as_client<run_stress>},
    {"intruder", true, as_client<run_intruder>},
    {"madd", true, nullptr},
    {"mmul", true, nullptr},
    {"fmadd", true, nullptr},
    {"fmmul", true, nullptr},
    {"hotspot", true, nullptr},
    {"lud", true, nullptr},
    {"nw", true, nullptr},
    {"bfs", true, nullptr},
    {"backprop", true, nullptr},
    {"srad", true, nullptr},
    {"nn", true, nullptr},
    {"clear", true, nullptr},
    {"textures", true, nullptr},
    {"images", true, nullptr},
    {"clmmul", true, nullptr},
    {"flooder", true, as_client<run_flooder>},
    {"poll", true, run_poll},
    {"rescan", true, run_rescan},
    {"nop", true, as_client<run_nop>},
    {"loop", true, as_client<run_loop>},
    {"cpy", true, as_client<run_cpy>},
    {"pincpy", true, as_client<run_pincpy>},
};

constexpr bool tables_agree() {
  if (std::size(kTable) != std::size(kWorkloads)) return false;
  for (size_t i = 0; i < std::size(kTable); ++i)
    if (kTable[i].name != kWorkloads[i].name ||
        (kTable[i].run == nullptr) != (kWorkloads[i].mesa != MesaPart::kNone))
      return false;
  return true;
}
static_assert(tables_agree(), "tracer/protocol/workloads.h lists the same workloads in the same order");

}  // namespace

Status GpuDriver::load() {
  if (list_file_.empty()) return Ok{};
  put_kernel_workers_first();
  GPUVM_TRY_STATUS(reporter_.phase("load"));
  GPUVM_TRY_STATUS(symbols_wanted_ ? load_with_symbols() : load_modules(list_file_, options_));
  put_kernel_workers_first();  // also those that loading has brought to life
  return Ok{};
}

// In two steps, so that the symbols are there even if the driver's first look at the card never ends.
Status GpuDriver::load_with_symbols() {
  GPUVM_TRY(const std::vector<std::string> files, read_lines(list_file_));
  const Result<std::string> card = card_folder();
  GPUVM_TRY_STATUS(set_autoprobe(false));
  GPUVM_TRY_STATUS(load_modules(list_file_, options_));
  GPUVM_TRY_STATUS(set_autoprobe(true));
  reporter_.attach("kallsyms.txt", kernel_symbols());
  // Without a card there is nothing to bind; what needs one says what it misses.
  return card ? bind_driver(files.back(), card.value()) : Ok{};
}

Status GpuDriver::unload() {
  if (list_file_.empty()) return error("only the guest's /init can unload the driver");
  GPUVM_TRY_STATUS(reporter_.phase("unload"));
  GPUVM_TRY(std::vector<std::string> files, read_lines(list_file_));
  return unload_module(files.back());
}

Result<std::string> run_workload(std::string_view name, GpuDriver& driver, Reporter& reporter,
                                 const std::vector<std::string>& client_environment) {
  for (const Workload& workload : kTable) {
    if (workload.name != name) continue;
    if (workload.loads_driver) GPUVM_TRY_STATUS(driver.load());
    const auto run = [&]() -> Result<std::string> {
      // Mesa keeps no cache of shaders: the image has no home folder.
      if (workload.run == nullptr)
        return run_program(
            kComputeProgram, name,
            {"MESA_SHADER_CACHE_DISABLE=true", "LIBGL_DEBUG=verbose", "RUSTICL_ENABLE=nouveau"}, reporter);
      if (!client_environment.empty() && is_client(name))
        return run_program(kClientProgram, name, client_environment, reporter);
      return workload.run(driver, reporter);
    };
    GPUVM_TRY(std::string did, run());
    // What the kernel does at power-off is nobody's phase.
    GPUVM_TRY_STATUS(reporter.phase("end"));
    return did;
  }
  return error("this guest image has no workload \"{}\"", name);
}

Result<std::string> run_client(std::string_view name, Reporter& reporter) {
  GpuDriver loaded("", "", /*symbols_wanted=*/false, reporter);
  for (const Workload& workload : kTable) {
    if (workload.name == name && is_client(name)) return workload.run(loaded, reporter);
  }
  return error("\"{}\" is no workload of a client", name);
}

}  // namespace gpuvm::guest
