// The argument parser. The only file that includes CLI11, which takes 10 s to compile: a verb's work is in
// verb_NAME.cc behind verbs.h.
#include <CLI/CLI.hpp>
#include <csignal>
#include <functional>
#include <sstream>

#include "cli/command_tree.h"
#include "cli/evaluation_options.h"
#include "cli/guest_options.h"
#include "cli/print.h"
#include "cli/verb_trace.h"
#include "cli/verbs.h"
#include "replayer/replay.h"
#include "traces/export/export.h"
#include "traces/import/importers.h"
#include "traces/meta.h"

namespace {

using namespace gpuvm::cli;

// What to run once the arguments are known to be right.
using Action = std::function<int()>;

template <typename Options>
struct Verb {
  CLI::App* app;
  std::shared_ptr<Options> options;

  CLI::App* operator->() const { return app; }
};

// A verb that runs `run` with its options once they are known to be right.
template <typename Options>
Verb<Options> add_verb(CLI::App& app, Action& action, int (*run)(const Options&), const char* name,
                       const char* description, const char* example) {
  Verb<Options> verb{app.add_subcommand(name, description), std::make_shared<Options>()};
  verb->footer(std::string("Example:\n  ") + example);
  verb->callback(
      [options = verb.options, run, &action] { action = [options, run] { return run(*options); }; });
  return verb;
}

void add_json(CLI::App* verb, bool& json, const char* help = "one JSON object on stdout") {
  verb->add_flag("--json", json, help);
}

void add_names(CLI::App* verb, NamingOptions& names) {
  verb->add_option("--rnndb", names.rnndb, "register names from envytools' database")->type_name("DIR");
  verb->add_option("--chip", names.chip, "which chip's names (default: the trace's)")->type_name("CHIP");
  verb->add_option("--names", names.table, "register names from a small table, for any device")
      ->type_name("FILE");
}

void add_verify(CLI::App& app, Action& action) {
  const auto verb =
      add_verb(app, action, run_verify, "verify", "Check every chunk of a trace; save what is whole",
               "gpuvm verify boot.gvt --repair saved.gvt");
  auto& options = *verb.options;
  verb->add_option("TRACE", options.trace, "the trace to check")->required();
  verb->add_option("--repair", options.repair, "write all that is whole to OUT, with the losses marked")
      ->type_name("OUT");
  add_json(verb.app, options.json);
}

void add_info(CLI::App& app, Action& action) {
  const auto verb =
      add_verb(app, action, run_info, "info", "Show what is in a trace", "gpuvm info boot.gvt --json");
  auto& options = *verb.options;
  verb->add_option("TRACE", options.trace, "the trace to look at")->required();
  add_json(verb.app, options.json);
}

void add_capture(CLI::App& app, Action& action, const std::string& command_line) {
  const auto verb = add_verb(app, action, run_capture, "capture",
                             "Boot a guest in QEMU on the virtual GPU, run a workload, record",
                             "gpuvm capture --workload copy -o copy.gvt");
  auto& options = *verb.options;
  options.command_line = command_line;
  verb->add_option("-o,--output", options.output, "the trace to write")->required()->type_name("OUT.gvt");
  verb->add_option("--scale", options.scales,
                   "so many times the launches of nop and loop, the bytes of cpy and pincpy; with several "
                   "guests, one for all or one for each")
      ->delimiter(',')
      ->check(CLI::Range(1, 64))
      ->type_name("K");
  verb->add_option("--guests", options.guests,
                   "this many guests share the card; OUT-0.gvt, OUT-1.gvt, ... are written")
      ->capture_default_str()
      ->check(CLI::Range(1, 8))
      ->type_name("N");
  verb->add_flag("--mmiotrace", options.mmiotrace,
                 "run the guest kernel's own tracer too, and compare the two records event for event");
  verb->add_option(
          "--trace-program", options.trace_program,
          "also trace the guest's client as `gpuvm trace` does, into this file; with --mmiotrace the "
          "three records are compared event for event")
      ->type_name("FILE.gvt");
  verb->add_option(
          "--call-sites", options.call_site_rate,
          "ask which functions make the accesses: the first of each register and every RATE-th of all "
          "(0: only the first ones); 1 ms each")
      ->type_name("RATE");
  verb->add_option("--page-tables", options.page_tables,
                   "write page-table traffic there while it happens, as JSON lines")
      ->type_name("FILE");
  add_guest_options(verb.app, options, "with several guests, one name for all or one for each");
}

void add_ci(CLI::App& app, Action& action, const std::string& command_line) {
  const auto verb =
      add_verb(app, action, run_ci, "ci", "Boot a driver, judge its run, and write JUnit XML",
               "gpuvm capture --kernel good.deb --workload copy -o good.gvt\n"
               "  gpuvm ci --kernel new.deb --workload copy --expect good.gvt -o result.xml\n"
               "  gpuvm ci --kernel new.deb --workload load-noaccel --stuck PFLUSH.BAR=2 --poll-limit 1\n"
               "Exit status: 0 all checks hold, 1 one does not, 2 the guest could not be booted");
  verb.options->command_line = command_line;
  add_ci_options(verb.app, *verb.options);
  add_json(verb.app, verb.options->json);
}

void add_serve(CLI::App& app, Action& action, const std::string& command_line) {
  const auto verb = add_verb(app, action, run_serve, "serve",
                             "Be the virtual GPU of a QEMU that you start yourself, and record",
                             "gpuvm serve --socket gpu.sock --qtest qtest.sock -o boot.gvt\n"
                             "  and in another terminal, with the arguments that it shows:\n"
                             "  gpuvm connect --socket gpu.sock -- qemu-system-x86_64 -accel tcg ...\n"
                             "or in one:\n"
                             "  gpuvm serve -o boot.gvt -- qemu-system-x86_64 -accel tcg -m 1G\n"
                             "    -machine pc,memory-backend=mem\n"
                             "    -object memory-backend-memfd,id=mem,size=1G,share=on\n"
                             "    -chardev socket,id=qt,fd=@QTEST@ -object qtest,id=qt0,chardev=qt,log=none\n"
                             "    -device x-pci-proxy-dev,id=gpu,fd=@FD@,addr=8 -nographic disk.img\n"
                             "It ends when QEMU does, or with Ctrl-C; the trace is complete either way.");
  auto& options = *verb.options;
  options.command_line = command_line;
  verb->add_option("--socket", options.socket, "listen there for QEMU's x-pci-proxy-dev")->type_name("PATH");
  verb->add_option("-o,--output", options.output, "the trace to write (default: none)")->type_name("OUT.gvt");
  verb->add_option("--qtest", options.qtest, "QEMU's qtest socket, the way of interrupts into a TCG guest")
      ->type_name("PATH");
  add_device_options(verb.app, options);
  verb->add_option("COMMAND", options.command,
                   "run this QEMU on the device; @FD@ and @QTEST@ become its descriptors");
  verb->positionals_at_end(true);
}

void add_connect(CLI::App& app, Action& action) {
  const auto verb = add_verb(app, action, run_connect, "connect",
                             "Run QEMU with the connection to a `gpuvm serve` in place of @FD@",
                             "gpuvm connect --socket gpu.sock -- qemu-system-x86_64 ...\n"
                             "    -device x-pci-proxy-dev,id=gpu,fd=@FD@,addr=8");
  auto& options = *verb.options;
  verb->add_option("--socket", options.socket, "where `gpuvm serve` listens")->required()->type_name("PATH");
  verb->add_option("COMMAND", options.command, "the command with its arguments")->required();
  verb->positionals_at_end(true);
}

void add_trace(CLI::App& app, Action& action, const std::string& command_line) {
  const auto verb = add_verb(
      app, action, run_trace, "trace", "Record a program's accesses to the memory that it maps",
      "gpuvm trace -o drm.gvt -- glxgears\n"
      "  gpuvm trace -o ring.gvt --match 'anon_inode:[io_uring]' -- ./my-program\n"
      "  gpuvm trace -o fd.gvt --match 'memfd:NAME' -- sh -c './a; ./b'\n"
      "Exit status: the program's own; 128 + n if signal n has killed it; 2 if it cannot be traced.");
  auto& options = *verb.options;
  options.command_line = command_line;
  verb->add_option("-o,--output", options.output, "the trace to write")->required()->type_name("OUT.gvt");
  verb->add_option(
          "--match", options.patterns,
          "trace mappings of files like this, * and ? stand for any text and any character; may be given "
          "again (default: PCI resources, /dev/dri, /dev/nvidia*, /dev/vfio, /dev/uio*, /dev/mem)")
      ->type_name("GLOB")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  add_compression(verb.app, options.writer.compression);
  verb->add_option("PROGRAM", options.command, "the program and its arguments")->required();
  verb->positionals_at_end(true);
}

void add_code_options(CLI::App* verb, CodeOptions& code) {
  verb->add_option("--sysroot", code.sysroot, "of a traced program: the files it ran are below DIR")
      ->type_name("DIR");
  verb->add_option("--debug-dir", code.debug_folders,
                   "of a traced program: separate debug files, in .build-id/ (default: /usr/lib/debug)")
      ->type_name("DIR");
}

void add_callers(CLI::App& app, Action& action) {
  const auto verb = add_verb(app, action, run_callers, "callers",
                             "Who caused the traps: call chains with counts, by register",
                             "gpuvm capture --call-sites 100 -o boot.gvt; gpuvm callers boot.gvt");
  auto& options = *verb.options;
  verb->add_option("TRACE", options.trace, "a trace captured with --call-sites, or one of `gpuvm trace`")
      ->required();
  verb->add_option("--register", options.place, "only registers whose name contains TEXT, e.g. PFIFO")
      ->type_name("TEXT");
  verb->add_option("--symbols", options.kallsyms, "the guest's /proc/kallsyms, if the trace has none")
      ->type_name("FILE");
  verb->add_option("--top", options.top, "rows to show")->capture_default_str()->type_name("N");
  add_code_options(verb.app, options.code);
  add_names(verb.app, options.names);
  add_json(verb.app, options.json, "one JSON object on stdout, with all rows");
}

void add_vram_limit(CLI::App* verb, uint64_t& mib) {
  verb->add_option("--vram-limit", mib, "give up when a trace fills more video memory than this")
      ->capture_default_str()
      ->check(CLI::Range(1, 1 << 20))
      ->type_name("MIB");
}

void add_evaluate(CLI::App& app, Action& action) {
  const auto verb = add_verb(app, action, run_evaluate, "evaluate",
                             "Measure workloads in every mode, on several machines, under every scheduler",
                             "gpuvm evaluate --workloads copy,mmul -o out/evaluation");
  add_evaluation_options(verb.app, *verb.options);
  add_vram_limit(verb.app, verb.options->vram_limit_mib);
  add_json(verb.app, verb.options->json);
}

void add_replay(CLI::App& app, Action& action) {
  const auto verb = add_verb(app, action, run_replay, "replay",
                             "Drive the emulator from traces: validate, and count traps by mode",
                             "gpuvm replay copy.gvt --mode all");
  auto& options = *verb.options;
  verb->add_option("TRACE", options.traces, "the traces")->required();
  verb->add_option("--mode", options.modes, "modes to replay in, separated by commas, or all")
      ->delimiter(',')
      ->type_name("M");
  add_translation(verb.app, options.translation);
  add_json(verb.app, options.json);
  verb->add_flag("--until-divergence", options.until_divergence, "stop at the first difference");
  verb->add_flag("--compare-all", options.compare_all,
                 "compare also a log whose recorder did not see DMA or interrupts, instead of counting only");
  verb->add_option("--pv-batch", options.pv_batch,
                   "page table entries in one call of mode pv-multicall (default: 128, as GPUvm's driver)")
      ->check(CLI::Range(1, static_cast<int>(gpuvm::kMaxPvBatch)))
      ->type_name("N");
  add_vram_limit(verb.app, options.vram_limit_mib);
  add_contention_options(verb.app, options.contention);
}

std::vector<std::string> import_formats() {
  std::vector<std::string> names = {"auto"};
  for (const gpuvm::ImporterRow& row : gpuvm::importers()) {
    names.emplace_back(row.name);
    if (!row.alias.empty()) names.emplace_back(row.alias);
  }
  return names;
}

void add_import(CLI::App& app, Action& action) {
  const auto verb =
      add_verb(app, action, run_import, "import", "Turn another program's log of accesses into a trace",
               "gpuvm import mmiotrace.log.xz -o boot.gvt\n"
               "  cat /sys/kernel/tracing/trace_pipe | gpuvm import - -o live.gvt\n"
               "  gpuvm import cut.log --bars 0=0xf6000000:16M,1=0xe8000000:128M -o cut.gvt");
  auto& options = *verb.options;
  verb->add_option("LOG", options.log, "the log, plain or gz, xz, zst, bz2 or tar; - is standard input")
      ->required();
  verb->add_option("-o,--output", options.output, "the trace to write")->required()->type_name("OUT.gvt");
  verb->add_option("--format", options.format, "what the log is")
      ->capture_default_str()
      ->check(CLI::IsMember(import_formats()));
  verb->add_option("--bars", options.bars, "where the BARs are, if the log does not say or is wrong")
      ->type_name("0=BASE:SIZE,...");
  verb->add_option("--device", options.device, "which device, if the log has several: 01:00.0 or QEMU's name")
      ->type_name("DEVICE");
  verb->add_option("--session", options.session, "only this session of a log that holds several, from 1")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  verb->add_option("--names", options.names, "a table of register names, kept in the trace")
      ->type_name("FILE");
  add_compression(verb.app, options.writer.compression);
  add_json(verb.app, options.json);
}

void add_export(CLI::App& app, Action& action) {
  const auto verb = add_verb(app, action, run_export, "export", "Write a trace in another program's format",
                             "gpuvm export boot.gvt --format jsonl -o boot.jsonl\n"
                             "  gpuvm export boot.gvt --format mmiotrace | demmio\n"
                             "  gpuvm export boot.gvt --format perfetto -o boot.pftrace");
  auto& options = *verb.options;
  verb->add_option("TRACE", options.trace, "the trace")->required();
  std::vector<std::string> formats;
  for (const gpuvm::ExportFormat& format : gpuvm::export_formats()) formats.emplace_back(format.name);
  verb->add_option("--format", options.format, "what to write")->required()->check(CLI::IsMember(formats));
  verb->add_option("-o,--output", options.output, "where to (default: standard output)")->type_name("FILE");
  add_names(verb.app, options.names);
}

void add_dump(CLI::App& app, Action& action) {
  const auto verb =
      add_verb(app, action, run_dump, "dump", "Print a trace decoded, a line an event",
               "gpuvm dump boot.gvt --from 1000 --count 50\n"
               "  gpuvm dump boot.gvt --follow --filter 'kind==mark'\n"
               "  gpuvm dump boot.gvt --rnndb envytools/rnndb --filter 'register~\"PFIFO\"'\n"
               "  gpuvm dump boot.gvt --filter 'kind==mmio_write && bar==0 && offset<0x1000'\n"
               "Filters compare seq, time_us, bar, offset, address, phys, value, width, context,\n"
               "length (== != < <= > >= &) and kind, register, phase, text, flag, label\n(== != ~ !~), "
               "and join with && || ! ( )");
  auto& options = *verb.options;
  verb->add_option("TRACE", options.trace, "the trace")->required();
  verb->add_option("--from", options.from, "first event")->type_name("SEQ");
  verb->add_option("--count", options.count, "lines at most")->type_name("N");
  add_names(verb.app, options.names);
  verb->add_option("--filter", options.filter, "only events for which this holds")->type_name("EXPR");
  verb->add_flag("--follow", options.follow,
                 "wait for what a recorder adds, until it closes the trace or Ctrl-C");
  verb->add_flag("--code", options.show_code,
                 "below each access of a traced program, its instruction and source line");
  add_code_options(verb.app, options.code);
  verb->add_flag("--page-tables", options.page_tables,
                 "the page-table writes that the trace's accesses amount to");
  add_json(verb.app, options.json, "with --page-tables: one JSON object a line");
}

// The command as typed, for the record.
std::string joined(int argc, char** argv) {
  std::string text = "gpuvm";
  for (int i = 1; i < argc; ++i) text += std::string(" ") + argv[i];
  return text;
}

void add_diff(CLI::App& app, Action& action) {
  const auto verb = add_verb(app, action, run_diff, "diff", "Align two traces and explain the differences",
                             "gpuvm diff monday.gvt tuesday.gvt\n"
                             "Exit status: 0 same (values may differ where registers follow the clock or\n"
                             "hold a system address), 1 different, 2 a trace cannot be read");
  auto& options = *verb.options;
  verb->add_option("A", options.a, "the trace to compare with")->required();
  verb->add_option("B", options.b, "the trace that is compared")->required();
  add_json(verb.app, options.json);
  verb->add_flag("--sequence-only", options.sequence_only, "judge order, address and width, not values");
  verb->add_flag("--device-events", options.device_events, "DMA and interrupts take part too");
  verb->add_option("--places", options.max_places, "differences shown in detail")->capture_default_str();
  add_names(verb.app, options.names);
}

void add_report(CLI::App& app, Action& action) {
  const auto verb = add_verb(
      app, action, run_report, "report", "Replay traces in every mode and write one self-contained HTML page",
      "gpuvm report boot.gvt -o boot.html\n  gpuvm report vm0.gvt vm1.gvt -o both.html");
  auto& options = *verb.options;
  verb->add_option("TRACE", options.traces, "the traces to report on")->required();
  verb->add_option("-o,--output", options.output, "the page to write")->required()->type_name("REPORT.html");
  verb->add_option("--mode", options.modes, "modes to replay, comma-separated (default: all)")
      ->delimiter(',');
  verb->add_flag("--no-replay", options.no_replay, "only what the traces say, no replay");
  add_vram_limit(verb.app, options.vram_limit_mib);
  add_code_options(verb.app, options.code);
  add_names(verb.app, options.names);
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

OptionText text_of(const CLI::Option& option) {
  OptionText text;
  for (const std::string& name : option.get_snames()) text.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) text.names.push_back("--" + name);
  text.place = option.get_positional() ? option.get_name(true) : "";
  text.value = option.get_expected_max() == 0 ? "" : option.get_type_name();
  text.description = option.get_description();
  text.initial = option.get_default_str();
  if (text.value.find('|') != std::string::npos) text.choices = split(text.value, '|');
  text.required = option.get_required();
  text.repeats = option.get_expected_max() > 1;
  return text;
}

std::vector<CommandText> verbs_of(const CLI::App& app) {
  std::vector<CommandText> verbs;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    CommandText& text = verbs.emplace_back();
    text.name = verb->get_name();
    text.description = verb->get_description();
    text.examples = verb->get_footer();
    for (const CLI::Option* option : verb->get_options()) text.options.push_back(text_of(*option));
  }
  return verbs;
}

// Both speak of all verbs, so they are added last and look at the parser itself.
void add_manual_and_completion(CLI::App& app, Action& action) {
  CLI::App* manual = app.add_subcommand("man", "Print the manual page of a verb, or of the program");
  manual->footer("Example:\n  gpuvm man replay | man -l -");
  auto verb = std::make_shared<std::string>();
  manual->add_option("VERB", *verb, "a verb; none: the program");
  manual->callback([&app, &action, verb] {
    action = [&app, verb] {
      const std::vector<CommandText> verbs = verbs_of(app);
      const auto found = std::ranges::find(verbs, *verb, &CommandText::name);
      if (!verb->empty() && found == verbs.end()) {
        return fail(gpuvm::error("there is no verb '{}'; see gpuvm --help", *verb));
      }
      const std::string version(gpuvm::tool_version());
      print("{}", verb->empty() ? manual_page(verbs, app.get_description(), version)
                                : manual_page(*found, version));
      return kDone;
    };
  });
  CLI::App* complete =
      app.add_subcommand("completion", "Print what makes a shell complete verbs and options");
  complete->footer(
      "Example:\n  source <(gpuvm completion bash)\n  gpuvm completion fish > "
      "~/.config/fish/completions/gpuvm.fish");
  auto shell = std::make_shared<std::string>();
  complete->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  complete->callback([&app, &action, shell] {
    action = [&app, shell] {
      print("{}", completion(*shell, verbs_of(app)));
      return kDone;
    };
  });
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_streams();
  // A full disk and a closed pipe are errors to report, not reasons to die.
  std::signal(SIGXFSZ, SIG_IGN);
  CLI::App app{"Record, replay and virtualise the MMIO traffic of a GPU driver", "gpuvm"};
  app.set_version_flag("--version", std::string(gpuvm::tool_version()));
  app.require_subcommand(1);
  app.footer(
      "Example:\n  gpuvm capture -o copy.gvt\n  gpuvm replay copy.gvt --mode all\n  gpuvm report copy.gvt -o "
      "copy.html");
  app.formatter_fn([](const CLI::App* of, const std::string& name, CLI::AppFormatMode mode) {
    return wrapped(CLI::Formatter().make_help(of, name, mode), terminal_columns());
  });
  Action action;
  add_capture(app, action, joined(argc, argv));
  add_ci(app, action, joined(argc, argv));
  add_serve(app, action, joined(argc, argv));
  add_connect(app, action);
  add_trace(app, action, joined(argc, argv));
  add_callers(app, action);
  add_replay(app, action);
  add_import(app, action);
  add_export(app, action);
  add_dump(app, action);
  add_info(app, action);
  add_verify(app, action);
  add_diff(app, action);
  add_report(app, action);
  add_evaluate(app, action);
  add_manual_and_completion(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::ostringstream out, problem;
    const bool asked = app.exit(e, out, problem) == 0;
    put(out.str());
    put_error(problem.str());
    return finish(asked ? kDone : kUnusable);
  }
  try {
    return finish(action());
  } catch (const std::bad_alloc&) {
    return finish(
        fail(gpuvm::error("out of memory; give this program more (see ulimit -v), or a smaller input")));
  } catch (const std::exception& e) {  // of the libraries: no thread can be started, ...
    return finish(fail(gpuvm::Error{e.what()}));
  }
}
