// The verbs of the command line: options in, exit status out (0 done, 1 the checked thing does not hold, 2
// unusable arguments or input). main.cc, and *_options.cc for it, alone know the argument parser.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/code_options.h"
#include "cli/contention.h"
#include "cli/schedule_text.h"
#include "tracer/transport/device_transport.h"
#include "traces/format/gvt.h"
#include "traces/mode.h"

namespace gpuvm::cli {

inline constexpr int kDone = 0;
inline constexpr int kDoesNotHold = 1;
inline constexpr int kUnusable = 2;

struct VerifyOptions {
  std::string trace;
  std::string repair;  // path of the repaired trace, empty: only look
  bool json = false;
};
int run_verify(const VerifyOptions& options);

struct InfoOptions {
  std::string trace;
  bool json = false;
};
int run_info(const InfoOptions& options);

// The device that capture and serve give a guest, and what both say of it in the trace.
struct DeviceVerbOptions {
  std::string machine = "pc";
  std::string mode = std::string(policy_of(Mode::kPassthrough).name);
  TranslationPolicy translation = TranslationPolicy::kStrict;
  bool vga = false;
  uint32_t vram_mib = 1024;
  uint32_t delay_us = 200;
  SchedulerVerbOptions scheduling;
  WriterOptions writer;
  std::string command_line;  // as typed, kept in the trace
};

// The guests that capture and ci boot.
struct GuestVerbOptions : DeviceVerbOptions {
  std::string workload = "copy";  // or one for each guest, with commas between them
  std::string module_options;
  std::string kernel_arguments;
  std::string kernel;
  std::string firmware;                // empty: QEMU's own
  std::string qemu;                    // empty: the usual one
  std::optional<Transport> transport;  // else by what QEMU has
  std::string run_directory;           // kept if named
  std::string cache_directory;         // empty: the user's
  bool intx = false;
  uint32_t time_limit_s = 0;  // 0: the workload's
};

struct CaptureVerbOptions : GuestVerbOptions {
  std::string output;
  unsigned guests = 1;
  std::vector<unsigned> scales;  // one for all guests, or one for each; empty: 1
  std::string page_tables;       // page-table traffic as JSON lines while it happens; empty: none
  std::optional<uint64_t> call_site_rate;
  bool mmiotrace = false;
  std::string trace_program;  // where the client's own trace goes; empty: it is not traced
};
// "a,b" -> {"a", "b"}
std::vector<std::string> split_at_commas(const std::string& text);
int run_capture(const CaptureVerbOptions& options);

struct CiVerbOptions : GuestVerbOptions {
  std::string expect;                  // a recording; empty: the sequence is not judged
  std::string junit = "gpuvm-ci.xml";  // "-": standard output
  std::string trace;                   // the run's recording; empty: not kept
  double poll_limit_s = 4;
  std::string stuck;  // "REGISTER=VALUE", empty: none
  bool json = false;
};
int run_ci(const CiVerbOptions& options);

struct ServeVerbOptions : DeviceVerbOptions {
  std::string socket;
  std::string output;                // empty: nothing is recorded
  std::string qtest;                 // path of QEMU's qtest socket
  std::vector<std::string> command;  // QEMU's, or empty
};
int run_serve(const ServeVerbOptions& options);

struct ConnectVerbOptions {
  std::string socket;
  std::vector<std::string> command;
};
int run_connect(const ConnectVerbOptions& options);

// Where the names of registers come from.
struct NamingOptions {
  std::string rnndb;  // folder of envytools' database, empty: our own map
  std::string chip;   // "GF100" or "0xc0", empty: the trace's
  std::string table;  // file of names (docs/names.md), empty: the trace's own, if it has one
};

struct CallersOptions {
  std::string trace;
  std::string place;     // part of a register's name, empty: all
  std::string kallsyms;  // file, empty: the trace's own
  CodeOptions code;      // for a trace of a program
  size_t top = 20;
  bool json = false;
  NamingOptions names;
};
int run_callers(const CallersOptions& options);

struct ReplayVerbOptions {
  std::vector<std::string> traces;
  std::vector<std::string> modes;  // names, or "all"
  TranslationPolicy translation = TranslationPolicy::kStrict;
  bool json = false;
  bool until_divergence = false;
  bool compare_all = false;
  uint32_t pv_batch = 0;  // 0: the mode's
  uint64_t vram_limit_mib = 1024;
  ContentionVerbOptions contention;
};
int run_replay(const ReplayVerbOptions& options);

struct ImportVerbOptions {
  std::string log;     // "-": standard input
  std::string output;  //
  std::string format = "auto";
  std::string bars;      // "0=BASE:SIZE,…", empty: the log's own
  std::string device;    // which of several, empty: the one that is accessed most
  uint64_t session = 0;  // which of several, 0: all
  std::string names;     // file of names to keep in the trace, empty: none
  WriterOptions writer;
  bool json = false;
};
int run_import(const ImportVerbOptions& options);

struct ExportVerbOptions {
  std::string trace;
  std::string format;
  std::string output;  // empty: standard output
  NamingOptions names;
};
int run_export(const ExportVerbOptions& options);

struct DumpVerbOptions {
  std::string trace;
  uint64_t from = 0;
  uint64_t count = ~uint64_t{0};  // lines
  NamingOptions names;
  std::string filter;
  bool page_tables = false;
  bool json = false;       // with page_tables
  bool follow = false;     // wait for what a recorder adds
  bool show_code = false;  // the instruction and the source line of each access
  CodeOptions code;
};
int run_dump(const DumpVerbOptions& options);

struct DiffVerbOptions {
  std::string a;
  std::string b;
  bool json = false;
  bool sequence_only = false;  // values do not matter
  bool device_events = false;  // DMA and interrupts take part
  unsigned max_places = 20;    // shown in detail
  NamingOptions names;
};
int run_diff(const DiffVerbOptions& options);

struct ReportVerbOptions {
  std::vector<std::string> traces;
  std::string output;
  std::vector<std::string> modes;  // empty: all
  bool no_replay = false;          // only what the trace itself says
  uint64_t vram_limit_mib = 1024;
  CodeOptions code;
  NamingOptions names;
};
int run_report(const ReportVerbOptions& options);

}  // namespace gpuvm::cli
