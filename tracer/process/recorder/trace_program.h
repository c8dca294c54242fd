// Runs a program with the agent in it and records its accesses to the memory that it maps.
#pragma once

#include <string>
#include <vector>

#include "tracer/process/recorder/record_translator.h"
#include "traces/format/gvt.h"

namespace gpuvm {

struct TraceProgramOptions {
  std::vector<std::string> command;  // argv[0] is looked up in PATH
  std::vector<std::string>
      patterns;              // globs of the files whose mappings are traced; empty: default_patterns()
  std::string agent_path;    // the agent's shared library
  std::string command_line;  // of ours, for the record
};

// PCI resources, /dev/dri, /dev/nvidia*, /dev/vfio, /dev/uio*, /dev/mem.
const std::vector<std::string>& default_patterns();

struct TraceProgramOutcome {
  int exit_status = 0;  // the program's own; 128 + n: killed by signal n
  TranslatorCounts counts;
  std::vector<TracedFile> files;
  uint64_t unseen_calls = 0;  // system calls in which the kernel used traced memory
  uint64_t refused = 0;       // instructions that could not be done
  uint64_t unrecorded = 0;    // accesses after the trace could not be written any more
  uint64_t agents = 0;        // programs that began under the agent
  bool recording_failed = false;
};

// Prints the program's lines for the user as they come, through `say`. Errors: the program cannot be run, or
// cannot be traced. A trace that cannot be written is said, too, but does not stop the program.
Result<TraceProgramOutcome> trace_program(const TraceProgramOptions& options, TraceWriter& writer,
                                          void (*say)(const std::string& line));

}  // namespace gpuvm
