#include "tracer/guest/serve.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "emulator/hypervisor/machine.h"
#include "tracer/guest/device_session.h"
#include "tracer/posix/child_process.h"
#include "tracer/posix/local_socket.h"
#include "tracer/posix/stop_signals.h"
#include "tracer/posix/wait.h"
#include "tracer/qemu/proxy_command.h"
#include "tracer/qemu/qtest_client.h"
#include "tracer/recorder/page_table_tap.h"

namespace gpuvm {
namespace {

constexpr std::chrono::seconds kGrace{5};       // for a QEMU that has closed the link, to end
constexpr std::chrono::seconds kShortGrace{1};  // for one that is to end because we are
constexpr uint64_t kProgressNs = 200'000'000;
constexpr char kSocketsClosed[] = "QEMU has closed its sockets";
constexpr uint64_t kNever = ~uint64_t{0};

// Who is at the other end, and what has to live as long as it does.
struct Peer {
  UniqueFd link;
  Transport transport = Transport::kProxy;
  UniqueFd qtest;                    // invalid: a path, or none
  std::optional<ChildProcess> qemu;  // if we have started it
};

Result<Peer> start_command(std::vector<std::string> command) {
  GPUVM_TRY_STATUS(check_proxy_command(command));
  GPUVM_TRY(SocketPair link, socket_pair());
  GPUVM_TRY(SocketPair qtest, socket_pair());
  if (!replace_placeholder(command, kGpuPlaceholder, link.theirs.get())) {
    return error(
        "the command has no {0}; give QEMU the argument -device x-pci-proxy-dev,id=gpu,fd={0},addr=8",
        kGpuPlaceholder);
  }
  std::vector<int> inherited = {link.theirs.get()};
  if (replace_placeholder(command, kQtestPlaceholder, qtest.theirs.get())) {
    inherited.push_back(qtest.theirs.get());
  } else {
    qtest.ours.reset();
  }
  GPUVM_TRY(ChildProcess child,
            ChildProcess::spawn(command, {.inherited_fds = inherited, .foreground = true}));
  return Peer{std::move(link.ours), Transport::kProxy, std::move(qtest.ours), std::move(child)};
}

// Waits until `fd` is readable; false: a signal came first.
Result<bool> wait_for_input(int fd, StopSignals& signals) {
  while (true) {
    std::vector<pollfd> entries = {{fd, POLLIN, 0}, {signals.fd(), POLLIN, 0}};
    GPUVM_TRY_STATUS(wait_for(entries, 0, kNever));
    if (!signals.next().empty()) return false;
    if (entries[0].revents != 0) return true;
  }
}

// What the first request at `fd` is written in; nothing if the peer has gone. vfio-user's first request is
// its version, whose command (1) is in bytes 2 and 3; the other way they belong to a small number in four
// bytes.
std::optional<Transport> spoken_at(int fd) {
  std::array<std::byte, 4> first{};
  const ssize_t got = recv(fd, first.data(), first.size(), MSG_PEEK | MSG_DONTWAIT);
  if (got <= 0) return std::nullopt;
  return first[2] == std::byte{1} && first[3] == std::byte{0} ? Transport::kVfioUser : Transport::kProxy;
}

// A peer with a request; invalid link: a signal came first.
Result<Peer> wait_for_peer(const ServeOptions& options, StopSignals& signals) {
  GPUVM_TRY(LocalListener listener, LocalListener::at(options.socket));
  if (options.listening) options.listening();
  while (true) {
    GPUVM_TRY(const bool knocked, wait_for_input(listener.fd(), signals));
    if (!knocked) return Peer{};
    UniqueFd link = listener.accept();
    if (!link.valid()) continue;
    GPUVM_TRY(const bool spoke, wait_for_input(link.get(), signals));
    if (!spoke) return Peer{};
    // One that leaves without a word is a QEMU whose command line was wrong: the next attempt is welcome.
    if (const auto transport = spoken_at(link.get())) return Peer{std::move(link), *transport, {}, {}};
  }
}

TraceMeta describe(const ServeOptions& options, const DeviceInfo& device) {
  TraceMeta meta;
  meta.device = device;
  meta.mode = std::string(policy_of(options.mode).name);
  if (options.mode != Mode::kPassthrough) meta.translation = name_of(options.translation);
  if (options.scheduler) meta.schedule = info_of(*options.scheduler, 1, 0);
  meta.command = options.command_line;
  meta.tool = std::string(tool_version());
  meta.source = "serve";
  meta.time_unit_ns = options.writer.time_unit_ns;
  return meta;
}

// The run of one peer, from its first request to its end.
class Service {
 public:
  // `tap`: of the writer, or null.
  Service(const ServeOptions& options, Peer peer, std::unique_ptr<TraceWriter> writer,
          const PageTableTap* tap)
      : options_(options),
        peer_(std::move(peer)),
        clock_(std::make_shared<CardClock>(options.writer.time_unit_ns)),
        session_(std::move(writer), clock_),
        tap_(tap) {}

  Result<GuestOutcome> run(StopSignals& signals) {
    constexpr uint64_t kUnknownRam = 0;
    GPUVM_TRY(machine_, make_machine(options_.mode,
                                     {{card_behind(peer_.transport, options_.card), kUnknownRam,
                                       &session_.dma(), &session_.interrupts()}},
                                     options_.translation, options_.scheduler));
    session_.connect(machine_->device(0), std::move(peer_.link), peer_.transport);
    Status status = session_.describe(describe(options_, machine_->device(0).info()));
    std::vector<pollfd> entries;
    while (status && ending_.empty()) {
      entries.clear();
      const int qtest_fd = qtest_ ? qtest_->fd() : -1;
      const bool more = qtest_ && qtest_->wants_to_write();
      entries.push_back({session_.holds_answer() ? -1 : session_.link().fd(), POLLIN, 0});
      entries.push_back({qtest_fd, static_cast<short>(more ? POLLIN | POLLOUT : POLLIN), 0});
      entries.push_back({signals.fd(), POLLIN, 0});
      const uint64_t now = clock_->machine_ns();
      status = wait_for(entries, clock_->now(), session_.next_due());
      if (status) status = handle(entries);
      if (const std::string name = signals.next(); !name.empty()) ending_ = "stopped by " + name;
      if (session_.next_due() <= clock_->now()) session_.advance();
      show_progress(now);
    }
    return outcome(status);
  }

 private:
  Status handle(const std::vector<pollfd>& entries) {
    if (entries[0].revents != 0) {
      // A request comes only from a QEMU that has opened its sockets already.
      if (!qtest_ && peer_.transport == Transport::kProxy) GPUVM_TRY_STATUS(connect_qtest());
      GPUVM_TRY_STATUS(session_.serve(DeviceSession::Patience::kForABurst));
      if (session_.link().closed()) ending_ = "the peer has left";
    }
    const short qtest = entries[1].revents;
    if (ending_.empty() && (qtest & POLLOUT) != 0 && !qtest_->on_writable()) ending_ = kSocketsClosed;
    if (ending_.empty() && (qtest & ~POLLOUT) != 0 && !qtest_->on_readable()) ending_ = kSocketsClosed;
    return session_.settle();
  }

  Status connect_qtest() {
    UniqueFd fd = std::move(peer_.qtest);
    if (!fd.valid() && !options_.qtest.empty()) {
      auto connected = connect_to(options_.qtest);
      if (!connected) {
        return error(
            "{}; start QEMU with -chardev socket,id=qt,path={},server=on,wait=off -object "
            "qtest,id=qt0,chardev=qt",
            connected.error().message, options_.qtest);
      }
      fd = std::move(connected).value();
    }
    if (!fd.valid()) return Ok{};
    qtest_.emplace(std::move(fd));
    session_.route_interrupts(*qtest_, std::string(machine_info(options_.machine).interrupt_controller));
    return Ok{};
  }

  void show_progress(uint64_t now) {
    if (!options_.progress || now < next_progress_ns_) return;
    next_progress_ns_ = now + kProgressNs;
    options_.progress({0, "serving", "", session_.events(), static_cast<double>(now) * 1e-9});
  }

  // How the QEMU that we have started ended; empty: well, or it is not ours.
  std::string end_of_command() {
    if (!peer_.qemu) return "";
    ChildProcess& qemu = *peer_.qemu;
    const bool stopped = ending_.starts_with("stopped");
    if (!qemu.wait_for(stopped ? std::chrono::seconds(0) : kGrace)) qemu.signal(SIGTERM);
    if (!qemu.wait_for(stopped ? kShortGrace : kGrace)) qemu.kill_and_reap();
    return qemu.succeeded() ? "" : "QEMU " + qemu.how_it_ended();
  }

  GuestOutcome outcome(const Status& status) {
    GuestOutcome outcome;
    outcome.seconds = static_cast<double>(clock_->machine_ns()) * 1e-9;
    const std::string qemu = end_of_command();
    const bool asked_to_stop = ending_.starts_with("stopped");
    Status closed = session_.describe(describe(options_, machine_->device(0).info()));
    outcome.work = machine_->work(0);
    if (closed && !outcome.work.empty()) closed = session_.attach(kGpuWorkAttachment, to_json(outcome.work));
    outcome.schedule = machine_->schedule_usage(0);
    if (closed && outcome.schedule) closed = session_.attach(kScheduleAttachment, to_json(*outcome.schedule));
    if (closed) closed = session_.close();
    outcome.succeeded = status.ok() && closed.ok() && (qemu.empty() || asked_to_stop);
    outcome.message = !status ? status.error().message : !closed ? closed.error().message : ending_;
    if (!qemu.empty() && !asked_to_stop) outcome.message += "; " + qemu;
    outcome.events = session_.events();
    outcome.stray_accesses = session_.stray_accesses();
    if (tap_ != nullptr) outcome.page_tables = tap_->counters();
    outcome.undelivered_interrupts = session_.undelivered_interrupts();
    outcome.unknown_registers = machine_->registers(0).unknown();
    outcome.ignored_methods = machine_->ignored_methods();
    if (const Hypervisor* hypervisor = machine_->hypervisor())
      outcome.traps = hypervisor->meters(0).traps.total();
    return outcome;
  }

  const ServeOptions& options_;
  Peer peer_;
  std::shared_ptr<CardClock> clock_;
  DeviceSession session_;
  const PageTableTap* tap_;  // owned by the session; null if nothing is recorded
  std::unique_ptr<Machine> machine_;
  std::optional<QtestClient> qtest_;
  std::string ending_;  // why, once it is over
  uint64_t next_progress_ns_ = 0;
};

}  // namespace

Result<GuestOutcome> serve(const ServeOptions& options) {
  GPUVM_TRY(StopSignals signals, StopSignals::take());
  std::unique_ptr<TraceWriter> writer;
  const PageTableTap* tap = nullptr;
  if (!options.output.empty()) {
    GPUVM_TRY(auto file, TraceWriter::create(options.output, options.writer));
    auto followed =
        std::make_unique<PageTableTap>(std::move(file), options.page_tables, device_info(options.card));
    tap = followed.get();
    writer = std::move(followed);
  }
  Result<Peer> peer =
      options.command.empty() ? wait_for_peer(options, signals) : start_command(options.command);
  if (!peer) return peer.error();
  if (!peer.value().link.valid()) {
    GuestOutcome outcome;
    outcome.succeeded = true;
    outcome.message = "stopped before anybody connected";
    return outcome;
  }
  Service service(options, std::move(peer).value(), std::move(writer), tap);
  return service.run(signals);
}

bool replace_placeholder(std::vector<std::string>& command, std::string_view placeholder, int fd) {
  bool found = false;
  for (std::string& argument : command) {
    for (size_t at; (at = argument.find(placeholder)) != std::string::npos; found = true) {
      argument.replace(at, placeholder.size(), std::to_string(fd));
    }
  }
  return found;
}

Error connect_and_become(const std::string& socket, std::vector<std::string> command) {
  if (const Status usable = check_proxy_command(command); !usable) return usable.error();
  auto link = connect_to(socket);
  if (!link) return error("{}; is `gpuvm serve --socket {}` running?", link.error().message, socket);
  if (!replace_placeholder(command, kGpuPlaceholder, link.value().get())) {
    return error(
        "the command has no {0}; give QEMU the argument -device x-pci-proxy-dev,id=gpu,fd={0},addr=8",
        kGpuPlaceholder);
  }
  fcntl(link.value().get(), F_SETFD, 0);
  std::vector<char*> arguments;
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  return error("cannot start {}: {}", command[0], std::strerror(errno));
}

std::vector<std::string> qemu_arguments_to_serve(const ServeOptions& options) {
  std::vector<std::string> lines = {
      "-accel tcg",
      fmt::format("-machine {},memory-backend=mem", machine_info(options.machine).name),
      "-object memory-backend-memfd,id=mem,size=1G,share=on -m 1G",
      fmt::format("-device x-pci-proxy-dev,id=gpu,fd={},addr=8", kGpuPlaceholder),
  };
  const std::string qtest =
      options.qtest.empty() ? "" : fmt::format("path={},server=on,wait=off", options.qtest);
  if (!qtest.empty()) {
    lines.push_back(fmt::format("-chardev socket,id=qt,{}", qtest));
    lines.push_back("-object qtest,id=qt0,chardev=qt,log=none");
  }
  return lines;
}

}  // namespace gpuvm
