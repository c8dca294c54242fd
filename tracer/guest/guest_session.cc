#include "tracer/guest/guest_session.h"

#include <array>

#include "tracer/posix/local_socket.h"

namespace gpuvm {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kDeathNoticeNs = 200 * kMs;
constexpr uint64_t kGraceNs = 500 * kMs;       // for a QEMU that was asked to end
constexpr uint64_t kLastWordsNs = 1000 * kMs;  // for records that came before it did
constexpr uint64_t kTurnNs = 1 * kMs;          // of records
constexpr int kConnectPatienceMs = 60'000;
constexpr size_t kMaxGuestLog = 1 << 20;
constexpr size_t kLargeAttachment = 64 << 10;
constexpr size_t kMaxLargeBytes = 64 << 20;

}  // namespace

PciDevice& GuestSession::as_seen_by_the_guest(PciDevice& device) {
  PciDevice* seen = &device;
  if (stuck_) seen = &broken_.emplace(*seen, *stuck_);
  if (poll_limit_) {
    const auto who = [this] { return call_sites_ ? call_sites_->who() : std::nullopt; };
    seen = &polls_.emplace(*seen, static_cast<uint64_t>(poll_limit_->count()), who);
  }
  return *seen;
}

Status GuestSession::start(PciDevice& card, const PreparedGuest& prepared, const TraceMeta& meta,
                           StopSignals& signals) {
  GPUVM_TRY_STATUS(session_.describe(meta));
  PciDevice& device = as_seen_by_the_guest(card);
  GPUVM_TRY_STATUS(prepared.config.transport == Transport::kVfioUser
                       ? start_with_vfio_user(device, prepared, signals)
                       : start_with_proxy(device, prepared));
  if (call_site_rate_) {
    // A BAR access comes from the guest's CPU, so QEMU's monitor is free to answer while we keep it waiting.
    const auto monitor = [this](std::string_view command) {
      return qemu_->qmp().human_monitor_command(command);
    };
    call_sites_.emplace(monitor, session_.recorder(), *call_site_rate_);
    session_.device().set_call_sites(&*call_sites_);
  }
  return Ok{};
}

Status GuestSession::start_with_proxy(PciDevice& device, const PreparedGuest& prepared) {
  GPUVM_TRY(SocketPair link, socket_pair());
  session_.connect(device, std::move(link.ours), Transport::kProxy);
  GPUVM_TRY(QemuProcess qemu,
            QemuProcess::start(prepared.config, std::move(link.theirs), prepared.directory.path()));
  qemu_.emplace(std::move(qemu));
  session_.route_interrupts(qemu_->qtest(),
                            std::string(machine_info(prepared.config.machine).interrupt_controller));
  return Ok{};
}

// QEMU connects by a path while it makes its devices; nobody else may, and the path goes once it has.
Status GuestSession::start_with_vfio_user(PciDevice& device, const PreparedGuest& prepared,
                                          StopSignals& signals) {
  GPUVM_TRY(LocalListener listener, LocalListener::at(prepared.config.gpu_socket.string()));
  GPUVM_TRY(QemuProcess qemu, QemuProcess::start(prepared.config, {}, prepared.directory.path()));
  qemu_.emplace(std::move(qemu));
  std::array<pollfd, 3> entries{
      {{listener.fd(), POLLIN, 0}, {qemu_->exit_fd(), POLLIN, 0}, {signals.fd(), POLLIN, 0}}};
  poll(entries.data(), entries.size(), kConnectPatienceMs);
  if (entries[0].revents == 0) {
    if (entries[1].revents != 0) return qemu_->ended();
    if (const std::string name = signals.next(); !name.empty())
      return error("stopped by {} before QEMU had connected to its GPU", name);
    return error("QEMU has not connected to its GPU in {} s; is the machine very busy?",
                 kConnectPatienceMs / 1000);
  }
  session_.connect(device, listener.accept(), Transport::kVfioUser);
  return Ok{};
}

void GuestSession::add_poll_entries(std::vector<pollfd>& entries, bool held) {
  // A negative descriptor is skipped by poll.
  const auto add = [&entries](bool wanted, int fd, bool to_write = false) {
    entries.push_back({wanted ? fd : -1, static_cast<short>(to_write ? POLLIN | POLLOUT : POLLIN), 0});
  };
  const bool serving = !finished_ && !ending_;
  add(serving && !held && !session_.link().closed() && !holds_answer(), session_.link().fd());
  add(serving && !held && !backlog_ && !qemu_->guest().closed(), qemu_->guest().fd());
  add(serving, qemu_->qmp().fd());
  if (qemu_->has_qtest()) {
    add(serving, qemu_->qtest().fd(), qemu_->qtest().wants_to_write());
  } else {
    add(false, -1);
  }
  add(!finished_, qemu_->exit_fd());
  add(!finished_ && !qemu_->console().closed(), qemu_->console().fd());
}

Status GuestSession::handle(const std::vector<pollfd>& entries, size_t first,
                            DeviceSession::Patience patience, bool held) {
  if (entries[first + 5].revents != 0) qemu_->console().on_readable();
  if (ending_) {
    go_on_ending();
    return Ok{};
  }
  if (entries[first].revents != 0) GPUVM_TRY_STATUS(session_.serve(patience));
  if (polls_ && polls_->endless()) stop("the guest " + polls_->endless()->describe(), true);
  if (entries[first + 1].revents != 0) {
    GPUVM_TRY_STATUS(qemu_->guest().on_readable());
    backlog_ = true;
  }
  if (backlog_ && !held) GPUVM_TRY_STATUS(take_guest_records());
  // QEMU closes its sockets a moment before it ends; how it ended is what counts.
  const short qtest = entries[first + 3].revents;
  if (entries[first + 2].revents != 0 && !qemu_->qmp().on_readable()) stop("QEMU ended", false);
  if ((qtest & POLLOUT) != 0 && !qemu_->qtest().on_writable()) stop("QEMU ended", false);
  if ((qtest & ~POLLOUT) != 0 && !qemu_->qtest().on_readable()) stop("QEMU ended", false);
  if (entries[first + 4].revents != 0) stop("QEMU ended", false);
  return session_.settle();
}

// A turn's worth of what has come.
Status GuestSession::take_guest_records() {
  const uint64_t began = machine_ns();
  do {
    if (mark_) {
      if (!place_mark()) continue;
      GPUVM_TRY_STATUS(qemu_->guest().acknowledge());
    }
    GPUVM_TRY(auto record, qemu_->guest().next());
    if (!record) {
      backlog_ = false;
      return Ok{};
    }
    take(*std::move(record));
  } while (machine_ns() - began < kTurnNs);
  return Ok{};
}

// False: it needs another turn.
bool GuestSession::place_mark() {
  if (!session_.device().prepare_mark()) return false;
  phase_ = *mark_;
  session_.device().mark(*std::exchange(mark_, std::nullopt));
  return true;
}

void GuestSession::take(GuestRecord record) {
  switch (record.type) {
    case RecordType::kHello:
      break;
    case RecordType::kLog:
      last_log_ = record.body;
      if (guest_log_.size() < kMaxGuestLog) guest_log_ += record.body + "\n";
      break;
    case RecordType::kMark:
      mark_ = std::move(record.body);
      break;
    case RecordType::kAttachment:
      keep_attachment(std::move(record));
      break;
    case RecordType::kResult:
      result_ok_ = record.name == "ok";
      result_ = record.body;
      break;
    case RecordType::kDone:
      guest_done_ = true;
      break;
  }
}

void GuestSession::keep_attachment(GuestRecord record) {
  if (is_reserved_attachment(record.name)) {
    failure_ = error("the guest attaches {}, which is a name of ours; nothing was kept of it", record.name);
    return;
  }
  if (record.body.size() <= kLargeAttachment) {
    if (Status status = session_.attach(record.name, record.body); !status) failure_ = status.error();
    return;
  }
  large_bytes_ += record.body.size();
  if (large_bytes_ > kMaxLargeBytes) {
    failure_ = error("the guest attached more than {} MiB", kMaxLargeBytes >> 20);
    return;
  }
  large_attachments_.push_back(std::move(record));
}

void GuestSession::stop(const std::string& why, bool at_once) {
  if (finished_) return;
  if (!ending_) ending_ = Ending{why, machine_ns(), std::nullopt};
  if (!at_once || ending_->asked_ns) return;
  ending_->why = why;
  ending_->asked_ns = machine_ns();
  if (qemu_) qemu_->ask_to_end();
}

// A socket that broke is the first sign of a QEMU that died; how it died comes a moment later.
void GuestSession::go_on_ending() {
  const uint64_t now = machine_ns();
  if (qemu_ && qemu_->running()) {
    if (!ending_->asked_ns && now - ending_->since_ns > kDeathNoticeNs) stop(ending_->why, true);
    if (!ending_->asked_ns || now - *ending_->asked_ns < kGraceNs) return;
    qemu_->kill();
  }
  finish(!ending_->asked_ns);
}

void GuestSession::finish(bool by_itself) {
  // What it still had to say before it went, if there is time for it.
  if (qemu_ && by_itself && machine_ns() - ending_->since_ns < kLastWordsNs) {
    if (!backlog_ && !qemu_->guest().closed()) backlog_ = qemu_->guest().on_readable().ok();
    // Nobody is there to take the answer to a mark.
    if (backlog_ && (take_guest_records().ok() || mark_)) return;
    if (!qemu_->guest().closed()) return;
  }
  constexpr int kConsoleReads = 64;
  for (int i = 0; qemu_ && i < kConsoleReads && !qemu_->console().closed(); ++i)
    qemu_->console().on_readable();
  finished_ = true;
  if (!guest_done_ && !failure_) {
    const std::string detail = qemu_ && by_itself ? qemu_->ended().message : ending_->why;
    const auto panic = qemu_ ? qemu_->guest_panic() : std::nullopt;
    failure_ = Error{panic ? fmt::format("the guest's kernel panicked: {}", *panic) : detail};
  }
  ending_.reset();
}

std::string GuestSession::message() const {
  if (failure_) return failure_->message;
  return result_ok_ ? result_ : "the guest gave no result";
}

Status GuestSession::close(const TraceMeta& meta, const GpuWork& work,
                           const std::optional<ScheduleUsage>& schedule) {
  for (const GuestRecord& large : large_attachments_) {
    GPUVM_TRY_STATUS(session_.attach(large.name, large.body));
  }
  if (!guest_log_.empty()) GPUVM_TRY_STATUS(session_.attach(kGuestLogAttachment, guest_log_));
  GPUVM_TRY_STATUS(session_.describe(meta));
  if (!work.empty()) GPUVM_TRY_STATUS(session_.attach(kGpuWorkAttachment, to_json(work)));
  if (schedule) GPUVM_TRY_STATUS(session_.attach(kScheduleAttachment, to_json(*schedule)));
  return session_.close();
}

}  // namespace gpuvm
