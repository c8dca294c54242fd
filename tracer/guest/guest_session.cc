#include "tracer/guest/guest_session.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace gpuvm {
namespace {

constexpr unsigned kConfigInterruptLine = 0x3c;
constexpr size_t kMaxGuestLog = 1 << 20;

}  // namespace

GuestSession::GuestSession(std::unique_ptr<TraceWriter> writer, Clock clock)
    : writer_(std::move(writer)),
      recorder_(writer_.get(), std::move(clock)),
      dma_(recorder_, memory_),
      interrupts_(recorder_, qemu_interrupts_) {}

Status GuestSession::start(PciDevice& device, const PreparedGuest& prepared) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return error("cannot make a socket pair for QEMU: {}", std::strerror(errno));
  }
  UniqueFd ours(ends[0]), theirs(ends[1]);
  device_.emplace(recorder_, device);
  link_.emplace(std::move(ours), *device_, memory_);
  GPUVM_TRY(QemuProcess qemu, QemuProcess::start(prepared.config, std::move(theirs), prepared.directory.path()));
  qemu_.emplace(std::move(qemu));
  qemu_interrupts_.connect({
      .qtest = &qemu_->qtest(),
      .controller = std::string(machine_info(prepared.config.machine).interrupt_controller),
      .line = [&device] { return device.config_read(kConfigInterruptLine, 1); },
      .machine_running = [this] { return link_->machine_running(); },
  });
  return Ok{};
}

void GuestSession::add_poll_entries(std::vector<pollfd>& entries) {
  // A negative descriptor is skipped by poll.
  const int gone = -1;
  entries.push_back({finished_ || link_->closed() ? gone : link_->fd(), POLLIN, 0});
  entries.push_back({finished_ || qemu_->guest().closed() ? gone : qemu_->guest().fd(), POLLIN, 0});
  entries.push_back({finished_ ? gone : qemu_->qmp().fd(), POLLIN, 0});
  entries.push_back({finished_ ? gone : qemu_->qtest().fd(), POLLIN, 0});
  entries.push_back({finished_ ? gone : qemu_->exit_fd(), POLLIN, 0});
}

Status GuestSession::handle(const std::vector<pollfd>& entries, size_t first) {
  if (entries[first].revents != 0) {
    GPUVM_TRY_STATUS(link_->on_readable());
    GPUVM_TRY_STATUS(qemu_interrupts_.status());
  }
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
    case RecordType::kHello: break;
    case RecordType::kLog:
      last_log_ = record.body;
      if (guest_log_.size() < kMaxGuestLog) guest_log_ += record.body + "\n";
      break;
    case RecordType::kMark:
      phase_ = record.body;
      device_->mark(record.body);
      break;
    case RecordType::kAttachment:
      if (writer_) {
        if (Status status = writer_->attach(record.name, as_bytes(record.body)); !status) failure_ = status.error();
      }
      break;
    case RecordType::kResult:
      result_ok_ = record.name == "ok";
      result_ = record.body;
      break;
    case RecordType::kDone: guest_done_ = true; break;
  }
}

void GuestSession::stop(const std::string& why) {
  if (finished_) return;
  finished_ = true;
  const bool ended_by_itself = qemu_ && !qemu_->running();
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

Status GuestSession::close(TraceMeta meta) {
  if (device_) device_->mark("end");
  if (!writer_) return Ok{};
  if (!guest_log_.empty()) GPUVM_TRY_STATUS(writer_->attach(kGuestLogAttachment, as_bytes(guest_log_)));
  meta.guest_ram_bytes = memory_.end();
  GPUVM_TRY_STATUS(writer_->attach(kMetaAttachment, as_bytes(to_json(meta))));
  GPUVM_TRY_STATUS(recorder_.status());
  return writer_->close();
}

}  // namespace gpuvm
