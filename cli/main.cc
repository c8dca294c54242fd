// The argument parser. The only file that includes CLI11, which takes 10 s to compile: a verb's work is in
// verb_NAME.cc behind verbs.h.
#include <CLI/CLI.hpp>
#include <csignal>
#include <functional>

#include "cli/verbs.h"
#include "traces/meta.h"

namespace {

using namespace gpuvm::cli;

// What to run once the arguments are known to be right.
using Action = std::function<int()>;

CLI::App* add_verb(CLI::App& app, const char* name, const char* description, const char* example) {
  CLI::App* verb = app.add_subcommand(name, description);
  verb->footer(std::string("Example:\n  ") + example);
  return verb;
}

void add_verify(CLI::App& app, Action& action) {
  CLI::App* verb = add_verb(app, "verify", "Check every chunk of a trace; save what is whole",
                            "gpuvm verify boot.gvt --repair saved.gvt");
  auto options = std::make_shared<VerifyOptions>();
  verb->add_option("TRACE", options->trace, "the trace to check")->required();
  verb->add_option("--repair", options->repair, "write all that is whole to OUT, with the losses marked")->type_name("OUT");
  verb->add_flag("--json", options->json, "one JSON object on stdout");
  verb->callback([options, &action] { action = [options] { return run_verify(*options); }; });
}

void add_info(CLI::App& app, Action& action) {
  CLI::App* verb = add_verb(app, "info", "Show what is in a trace", "gpuvm info boot.gvt --json");
  auto options = std::make_shared<InfoOptions>();
  verb->add_option("TRACE", options->trace, "the trace to look at")->required();
  verb->add_flag("--json", options->json, "one JSON object on stdout");
  verb->callback([options, &action] { action = [options] { return run_info(*options); }; });
}

}  // namespace

int main(int argc, char** argv) {
  // A full disk and a closed pipe are errors to report, not reasons to die.
  std::signal(SIGXFSZ, SIG_IGN);
  CLI::App app{"Record, replay and virtualise the MMIO traffic of a GPU driver", "gpuvm"};
  app.set_version_flag("--version", std::string(gpuvm::tool_version()));
  app.require_subcommand(1);
  Action action;
  add_info(app, action);
  add_verify(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kDone : kUnusable;
  }
  return action();
}
