#include "tracer/process/recorder/trace_program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "tracer/process/recorder/channel_reader.h"
#include "tracer/process/recorder/program_file.h"
#include "tracer/process/shared/default_patterns.h"
#include "tracer/process/shared/static_program.h"

namespace gpuvm {
namespace {

uint64_t monotonic_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

volatile sig_atomic_t stop_request = 0;  // a handler has no other way to tell

// While the program runs, Ctrl-C is its business, and SIGTERM is passed on.
class ForegroundSignals {
 public:
  ForegroundSignals() {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGINT, &ignore, &interrupt_);
    sigaction(SIGQUIT, &ignore, &quit_);
    struct sigaction pass {};
    pass.sa_handler = [](int signal) { stop_request = signal; };
    stop_request = 0;
    sigaction(SIGTERM, &pass, &terminate_);
  }
  ForegroundSignals(const ForegroundSignals&) = delete;
  ForegroundSignals& operator=(const ForegroundSignals&) = delete;
  ~ForegroundSignals() { restore(); }
  void restore() const {
    sigaction(SIGINT, &interrupt_, nullptr);
    sigaction(SIGQUIT, &quit_, nullptr);
    sigaction(SIGTERM, &terminate_, nullptr);
  }

 private:
  struct sigaction interrupt_ {
  }, quit_{}, terminate_{};
};

// Of a static program, the one that runs it.
std::string host_of(const TraceProgramOptions& options) {
  return std::filesystem::path(options.agent_path).replace_filename(trace_channel::kStaticHost);
}

[[noreturn]] void become(const TraceProgramOptions& options, const std::string& program, Linkage linkage,
                         const std::string& channel, int report) {
  const char* before = getenv("LD_PRELOAD");
  const std::string preload =
      before != nullptr && *before != 0 ? options.agent_path + ":" + before : options.agent_path;
  setenv("LD_PRELOAD", preload.c_str(), 1);
  setenv(trace_channel::kVariable, channel.c_str(), 1);
  std::vector<char*> argv;
  const std::string host = host_of(options);
  if (linkage == Linkage::kStatic) {
    setenv(trace_channel::kStaticVariable, program.c_str(), 1);
    argv = {const_cast<char*>(host.c_str()), const_cast<char*>(program.c_str())};
  }
  for (const std::string& argument : options.command) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execv(linkage == Linkage::kStatic ? host.c_str() : program.c_str(), argv.data());
  const int why = errno;
  if (write(report, &why, sizeof why) < 0) _exit(127);
  _exit(127);
}

struct Child {
  pid_t pid = -1;
  bool ended = false;
  int status = 0;
};

Result<pid_t> start(const TraceProgramOptions& options, const std::string& program, Linkage linkage,
                    const std::string& channel, const ForegroundSignals& signals) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return error("cannot make a pipe: {}", std::strerror(errno));
  const UniqueFd reads(ends[0]);
  UniqueFd writes(ends[1]);
  const pid_t pid = fork();
  if (pid < 0) return error("cannot start a process: {}", std::strerror(errno));
  if (pid == 0) {
    signals.restore();
    become(options, program, linkage, channel, writes.get());
  }
  writes.reset();
  int why = 0;
  if (read(reads.get(), &why, sizeof why) == sizeof why) {
    waitpid(pid, nullptr, 0);
    return error("cannot run {}: {}", program, std::strerror(why));
  }
  return pid;
}

// True while there is anything to wait for: the program, or processes that it has left behind.
bool reap(Child* child) {
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
    if (pid == 0) return true;
    if (pid < 0) return errno != ECHILD;
    if (pid == child->pid) {
      child->ended = true;
      child->status = status;
    }
  }
}

class Session {
 public:
  Session(ChannelReader& channel, TraceWriter& writer, void (*say)(const std::string&))
      : channel_(channel), translator_(writer, monotonic_ns()), say_(say) {}

  // Takes what is there. True: there was something.
  // Up to so many records that signals and notes do not wait for long. False: there were none.
  static constexpr unsigned kAtOnce = 16'384;
  bool drain() {
    bool any = false;
    for (unsigned n = 0; n < kAtOnce; ++n) {
      const auto record = channel_.next();
      if (!record) fail(record.error());
      if (!record || record.value() == nullptr) break;
      any = true;
      if (!failed_) {
        if (const Status status = translator_.translate(*record.value(), channel_.data()); !status)
          fail(status.error());
      }
    }
    for (const std::string& note : translator_.take_notes()) {
      if (++said_ <= kMostSaid) say_(note);
      if (said_ == kMostSaid) say_("more of these are in the trace only");
    }
    if (any && !failed_) {
      if (const Status status = translator_.attach_names(); !status) fail(status.error());
    }
    return any;
  }

  RecordTranslator& translator() { return translator_; }
  bool failed() const { return failed_; }
  void fail(const Error& why) {
    if (failed_) return;
    failed_ = true;
    channel_.control().stopped = 1;
    say_(why.message + "; the program goes on, unrecorded");
  }

 private:
  ChannelReader& channel_;
  RecordTranslator translator_;
  void (*say_)(const std::string&);
  static constexpr unsigned kMostSaid = 100;
  unsigned said_ = 0;
  bool failed_ = false;
};

}  // namespace

const std::vector<std::string>& default_patterns() {
  static const std::vector<std::string> patterns(std::begin(trace_channel::kDefaultPatterns),
                                                 std::end(trace_channel::kDefaultPatterns));
  return patterns;
}

Result<TraceProgramOutcome> trace_program(const TraceProgramOptions& options, TraceWriter& writer,
                                          void (*say)(const std::string& line)) {
  GPUVM_TRY(const std::string program, find_program(options.command.front()));
  GPUVM_TRY(const Linkage linkage, check_traceable(program));
  if (access(options.agent_path.c_str(), R_OK) != 0) {
    return error("the agent {} is not there: it belongs beside the gpuvm program", options.agent_path);
  }
  if (linkage == Linkage::kStatic && access(host_of(options).c_str(), X_OK) != 0)
    return error("{} is not there, which runs static programs: it belongs beside the agent",
                 host_of(options));
  GPUVM_TRY(const auto channel,
            ChannelReader::create(options.patterns.empty() ? default_patterns() : options.patterns,
                                  options.agent_path));
  TraceMeta meta;
  meta.source = "trace";
  meta.command = options.command_line;
  meta.workload = options.command.front();
  meta.tool = tool_version();
  meta.time_unit_ns = 1000;
  GPUVM_TRY_STATUS(writer.attach(kMetaAttachment, as_bytes(to_json(meta))));

  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const ForegroundSignals signals;
  Session session(*channel, writer, say);
  GPUVM_TRY(const pid_t pid, start(options, program, linkage, channel->path(), signals));
  Child child{.pid = pid};
  for (unsigned idle = 0; reap(&child);) {
    if (stop_request != 0) {
      kill(pid, stop_request);
      stop_request = 0;
    }
    const bool any = session.drain();
    idle = any ? 0 : std::min(idle + 1, 20u);
    const timespec pause = {0, static_cast<long>(50'000 * (idle + 1))};
    nanosleep(&pause, nullptr);
  }
  // What was there when the last process ended; whoever else has the memory adds to it no more.
  channel->control().stopped = 1;
  constexpr uint64_t kRounds = trace_channel::kRingBytes / sizeof(trace_channel::Record) / Session::kAtOnce;
  for (uint64_t i = 0; i <= kRounds && session.drain(); ++i) {
  }
  if (!session.failed()) {
    meta.device = session.translator().device();
    if (const Status status = writer.attach(kMetaAttachment, as_bytes(to_json(meta))); !status)
      session.fail(status.error());
  }

  const trace_channel::Control& control = channel->control();
  TraceProgramOutcome outcome;
  outcome.exit_status = WIFSIGNALED(child.status) ? 128 + WTERMSIG(child.status) : WEXITSTATUS(child.status);
  outcome.counts = session.translator().counts();
  outcome.files = session.translator().files();
  outcome.unseen_calls = control.unseen_calls;
  outcome.refused = control.refused_access;
  outcome.unrecorded = control.unrecorded;
  outcome.agents = control.agents;
  outcome.recording_failed = session.failed();
  return outcome;
}

}  // namespace gpuvm
