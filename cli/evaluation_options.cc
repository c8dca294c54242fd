#include "cli/evaluation_options.h"

namespace gpuvm::cli {

void add_scheduler_options(CLI::App* verb, SchedulerVerbOptions& options, const char* help) {
  verb->add_option("--scheduler", options.scheduler, help)->type_name("S");
  verb->add_option("--scheduler-variant", options.variant, "whose constants: main or 2015")
      ->capture_default_str()
      ->type_name("V");
  verb->add_option("--weights", options.weights,
                   "parts of the card, one for each machine, with commas between them")
      ->delimiter(',')
      ->type_name("W");
  verb->add_option("--period-us", options.period_us, "between two replenishings (default: the variant's)")
      ->check(CLI::Range(10, 60'000'000))
      ->type_name("US");
  verb->add_option("--wait-us", options.wait_us, "how long band waits for a machine under its share")
      ->capture_default_str()
      ->check(CLI::Range(0, 1'000'000))
      ->type_name("US");
}

void add_contention_options(CLI::App* verb, ContentionVerbOptions& options) {
  add_scheduler_options(
      verb, options,
      "let the traces contend for the card as machines: direct, fifo, credit, band, timeslice");
  verb->add_option("--launch-us", options.launch_us,
                   "every launch takes so long (default: what the card charged)")
      ->check(CLI::Range(int64_t{1}, int64_t{3'600'000'000}))
      ->type_name("US");
  verb->add_option("--guest-speed", options.guest_speed, "the guests' own time is divided by it")
      ->capture_default_str()
      ->check(CLI::Range(1e-3, 1e6))
      ->type_name("K");
  verb->add_option("--seconds", options.seconds, "repeat the programs, without their boot, for so long")
      ->check(CLI::Range(0.1, 3600.0))
      ->type_name("S");
  verb->add_flag("--every-waits", options.every_waits, "every launch waits for the one before it");
}

void add_evaluation_options(CLI::App* verb, EvaluateVerbOptions& options) {
  verb->add_option("TRACE", options.traces, "traces to evaluate");
  verb->add_option(
          "--workloads", options.workloads,
          "workloads of capture, with commas between them; captured into the folder if they are not there")
      ->delimiter(',')
      ->type_name("NAME");
  verb->add_option("--modes", options.modes, "modes, with commas between them, or all")
      ->delimiter(',')
      ->capture_default_str()
      ->type_name("M");
  verb->add_option("--vms", options.vms, "how many machines share the card, with commas between them")
      ->delimiter(',')
      ->capture_default_str()
      ->type_name("N");
  verb->add_option("--schedulers", options.schedulers, "schedulers, with commas between them, or all")
      ->delimiter(',')
      ->capture_default_str()
      ->type_name("S");
  verb->add_option("--costs", options.costs,
                   "what traps and accesses cost, in JSON (default: published figures)")
      ->type_name("FILE");
  verb->add_option("-o,--output", options.output,
                   "the folder for the page, the tables and what goes on after a break")
      ->required()
      ->type_name("DIR");
  verb->add_option("-j,--jobs", options.jobs, "jobs side by side (default: one for each processor)")
      ->check(CLI::Range(1, 256))
      ->type_name("N");
}

}  // namespace gpuvm::cli
