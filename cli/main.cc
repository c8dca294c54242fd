#include <CLI/CLI.hpp>

#include "traces/meta.h"

int main(int argc, char** argv) {
  CLI::App app{"Record, replay and virtualise the MMIO traffic of a GPU driver", "gpuvm"};
  app.set_version_flag("--version", std::string(gpuvm::tool_version()));
  app.require_subcommand(1);
  CLI11_PARSE(app, argc, argv);
  return 0;
}
