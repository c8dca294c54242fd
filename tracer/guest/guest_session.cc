#include "tracer/guest/guest_session.h"

#include <array>

#include "tracer/posix/local_socket.h"

namespace gpuvm {
namespace {

constexpr std::chrono::milliseconds kDeathNotice{200};
constexpr int kConnectPatienceMs = 60'000;
constexpr size_t kMaxGuestLog = 1 << 20;

}  // namespace

Status GuestSession::start(PciDevice& device, const PreparedGuest& prepared, const TraceMeta& meta) {
  GPUVM_TRY_STATUS(session_.describe(meta));
  GPUVM_TRY_STATUS(prepared.config.transport == Transport::kVfioUser ? start_with_vfio_user(device, prepared)
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
Status GuestSession::start_with_vfio_user(PciDevice& device, const PreparedGuest& prepared) {
  GPUVM_TRY(LocalListener listener, LocalListener::at(prepared.config.gpu_socket.string()));
  GPUVM_TRY(QemuProcess qemu, QemuProcess::start(prepared.config, {}, prepared.directory.path()));
  qemu_.emplace(std::move(qemu));
  std::array<pollfd, 2> entries{{{listener.fd(), POLLIN, 0}, {qemu_->exit_fd(), POLLIN, 0}}};
  poll(entries.data(), entries.size(), kConnectPatienceMs);
  if (entries[0].revents == 0) {
    if (entries[1].revents != 0) return qemu_->ended();
    return error("QEMU has not connected to its GPU in {} s; is the machine very busy?",
                 kConnectPatienceMs / 1000);
  }
  session_.connect(device, listener.accept(), Transport::kVfioUser);
  return Ok{};
}

void GuestSession::add_poll_entries(std::vector<pollfd>& entries) {
  // A negative descriptor is skipped by poll.
  const int gone = -1;
  entries.push_back({finished_ || session_.link().closed() ? gone : session_.link().fd(), POLLIN, 0});
  entries.push_back({finished_ || qemu_->guest().closed() ? gone : qemu_->guest().fd(), POLLIN, 0});
  entries.push_back({finished_ ? gone : qemu_->qmp().fd(), POLLIN, 0});
  entries.push_back({finished_ || !qemu_->has_qtest() ? gone : qemu_->qtest().fd(), POLLIN, 0});
  entries.push_back({finished_ ? gone : qemu_->exit_fd(), POLLIN, 0});
}

Status GuestSession::handle(const std::vector<pollfd>& entries, size_t first,
                            DeviceSession::Patience patience) {
  if (entries[first].revents != 0) GPUVM_TRY_STATUS(session_.serve(patience));
  if (entries[first + 1].revents != 0) {
    GPUVM_TRY_STATUS(qemu_->guest().on_readable());
    GPUVM_TRY_STATUS(take_guest_records());
  }
  // QEMU closes its sockets a moment before it ends; how it ended is what counts.
  if (entries[first + 2].revents != 0 && !qemu_->qmp().on_readable()) stop("QEMU ended");
  if (!finished_ && entries[first + 3].revents != 0 && !qemu_->qtest().on_readable()) stop("QEMU ended");
  if (!finished_ && entries[first + 4].revents != 0) stop("QEMU ended");
  return Ok{};
}

Status GuestSession::take_guest_records() {
  while (true) {
    GPUVM_TRY(const auto record, qemu_->guest().next());
    if (!record) return Ok{};
    take(*record);
    if (record->type == RecordType::kMark) GPUVM_TRY_STATUS(qemu_->guest().acknowledge());
  }
}

void GuestSession::take(const GuestRecord& record) {
  switch (record.type) {
    case RecordType::kHello:
      break;
    case RecordType::kLog:
      last_log_ = record.body;
      if (guest_log_.size() < kMaxGuestLog) guest_log_ += record.body + "\n";
      break;
    case RecordType::kMark:
      phase_ = record.body;
      session_.device().mark(record.body);
      break;
    case RecordType::kAttachment:
      if (Status status = session_.attach(record.name, record.body); !status) failure_ = status.error();
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

void GuestSession::stop(const std::string& why) {
  if (finished_) return;
  finished_ = true;
  // A socket that broke is the first sign of a QEMU that died; how it died comes a moment later.
  const bool ended_by_itself = qemu_ && qemu_->ends_within(kDeathNotice);
  if (qemu_) {
    // What it still had to say before it went.
    if (qemu_->guest().on_readable()) (void)take_guest_records();
    qemu_->stop();
  }
  if (!guest_done_ && !failure_) {
    const std::string detail = qemu_ && ended_by_itself ? qemu_->ended().message : why;
    const auto panic = qemu_ ? qemu_->guest_panic() : std::nullopt;
    failure_ = Error{panic ? fmt::format("the guest's kernel panicked: {}", *panic) : detail};
  }
}

std::string GuestSession::message() const {
  if (failure_) return failure_->message;
  return result_ok_ ? result_ : "the guest gave no result";
}

Status GuestSession::close(const TraceMeta& meta, const GpuWork& work) {
  if (!guest_log_.empty()) GPUVM_TRY_STATUS(session_.attach(kGuestLogAttachment, guest_log_));
  GPUVM_TRY_STATUS(session_.describe(meta));
  if (!work.empty()) GPUVM_TRY_STATUS(session_.attach(kGpuWorkAttachment, to_json(work)));
  return session_.close();
}

}  // namespace gpuvm
