// The options of evaluations and contentions: a part of main.cc.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/contention.h"
#include "cli/verb_evaluate.h"

namespace gpuvm::cli {

void add_scheduler_options(CLI::App* verb, SchedulerVerbOptions& options, const char* help);
void add_contention_options(CLI::App* verb, ContentionVerbOptions& options);
void add_evaluation_options(CLI::App* verb, EvaluateVerbOptions& options);

}  // namespace gpuvm::cli
