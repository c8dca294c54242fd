#include "cli/guest_options.h"

#include "cli/evaluation_options.h"
#include "tracer/protocol/workloads.h"

namespace gpuvm::cli {
namespace {

std::string workload_help(const std::string& several) {
  std::string text = "what the guest does" + (several.empty() ? "" : "; " + several) + ":";
  for (const WorkloadInfo& w : kWorkloads) {
    text += "\n  " + std::string(w.name) + ": " + std::string(w.summary);
  }
  return text;
}

std::string unknown_workload(const std::string& name) {
  return find_workload(name) != nullptr ? "" : "no workload '" + name + "'; see --help for the names";
}

}  // namespace

void add_compression(CLI::App* verb, Compression& compression) {
  using enum Compression;
  static const Choices<Compression> kLevels = {{"fast", kFast}, {"default", kDefault}, {"best", kBest}};
  add_choice(verb, "--compression", compression, kLevels, "of the trace");
}

void add_translation(CLI::App* verb, TranslationPolicy& translation) {
  using enum TranslationPolicy;
  static const Choices<TranslationPolicy> kPolicies = {{"strict", kStrict}, {"reference", kReference}};
  add_choice(verb, "--translation", translation, kPolicies,
             "what a guest's addresses may become: strict: only what is its own; reference: what GPUvm's "
             "prototype let through, to show its holes");
}

void add_device_options(CLI::App* verb, DeviceVerbOptions& options) {
  verb->add_option("--machine", options.machine, "QEMU's machine, which has the interrupt controller")
      ->capture_default_str()
      ->check(CLI::IsMember({"pc", "q35"}).description(""))
      ->type_name("pc|q35");
  verb->add_option(
          "--mode", options.mode,
          "passthrough: the guest has the card itself; naive, bar-remap, lazy, optimized, incremental: a "
          "virtual GPU")
      ->capture_default_str()
      ->type_name("M");
  add_translation(verb, options.translation);
  verb->add_flag("--vga", options.vga, "PCI class 0x0300 (VGA) instead of 0x0302 (3D controller)");
  verb->add_option("--vram", options.vram_mib, "video memory")
      ->capture_default_str()
      ->check(CLI::Range(64, 16384))
      ->type_name("MIB");
  verb->add_option("--delay", options.delay_us, "execute push buffers this much later")
      ->capture_default_str()
      ->check(CLI::Range(0, 10'000'000))
      ->type_name("US");
  add_scheduler_options(verb, options.scheduling,
                        "who gets the card, and work takes its time: fifo, credit, band, timeslice; direct "
                        "(default): doorbells reach the card at once");
  verb->add_option("--time-unit", options.writer.time_unit_ns, "resolution of time stamps")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000'000))
      ->type_name("NS");
  add_compression(verb, options.writer.compression);
}

void add_guest_options(CLI::App* verb, GuestVerbOptions& options, const std::string& several) {
  verb->add_option("--workload", options.workload, workload_help(several))
      ->capture_default_str()
      ->check([one = several.empty()](const std::string& names) -> std::string {
        if (one) return unknown_workload(names);
        for (const std::string& name : split_at_commas(names)) {
          if (const std::string problem = unknown_workload(name); !problem.empty()) return problem;
        }
        return "";
      })
      ->type_name(several.empty() ? "NAME" : "NAME[,NAME...]");
  verb->add_flag("--intx", options.intx, "interrupt by INTx instead of MSI");
  add_device_options(verb, options);
  verb->add_option("--time-limit", options.time_limit_s, "give up after this long (default: by workload)")
      ->type_name("S");
  verb->add_option("--module-options", options.module_options,
                   "further options of nouveau, e.g. \"debug=info\"");
  verb->add_option("--kernel-arguments", options.kernel_arguments, "further arguments of the guest's kernel")
      ->type_name("TEXT");
  verb->add_option("--kernel", options.kernel,
                   "the guest's kernel: debian:SUITE, a package FILE.deb (more after commas), or "
                   "VMLINUZ+MODULES (default: the one that this machine's apt knows)")
      ->type_name("KERNEL");
  verb->add_option("--firmware", options.firmware, "the guest's firmware, e.g. OVMF.fd (default: QEMU's own)")
      ->type_name("FILE");
  verb->add_option("--qemu", options.qemu,
                   "the QEMU to run: a program, or debian:SUITE (default: $GPUVM_QEMU, or "
                   "qemu-system-x86_64)")
      ->type_name("QEMU");
  static const Choices<std::optional<Transport>> kTransports = {
      {"auto", std::nullopt}, {"proxy", Transport::kProxy}, {"vfio-user", Transport::kVfioUser}};
  add_choice(verb, "--transport", options.transport, kTransports,
             "how QEMU gets the GPU: proxy (QEMU 7.2 to 9.2), vfio-user (10.1 and newer), or auto: by what "
             "QEMU has");
  verb->add_option("--run-directory", options.run_directory, "keep QEMU's logs there")->type_name("DIR");
  verb->add_option("--cache", options.cache_directory, "where the guest's kernel is kept")->type_name("DIR");
}

void add_ci_options(CLI::App* verb, CiVerbOptions& options) {
  verb->add_option("--expect", options.expect,
                   "a recording of the same workload: the run must make its accesses (default: not judged)")
      ->type_name("TRACE");
  verb->add_option("-o,--output", options.junit, "the JUnit XML to write; - is standard output")
      ->capture_default_str()
      ->type_name("FILE.xml");
  verb->add_option("--trace", options.trace, "keep the run's recording, with who made the accesses")
      ->type_name("OUT.gvt");
  verb->add_option("--poll-limit", options.poll_limit_s,
                   "a guest that makes the same accesses for this long polls without end, and is ended")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 3600.0))
      ->type_name("S");
  verb->add_option("--stuck", options.stuck,
                   "a register, by name or by offset in BAR0, that always reads as VALUE, to see what the "
                   "driver does then")
      ->type_name("REGISTER=VALUE");
  add_guest_options(verb, options, "");
}

}  // namespace gpuvm::cli
