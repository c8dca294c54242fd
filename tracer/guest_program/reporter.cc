#include "tracer/guest_program/reporter.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tracer/protocol/protocol.h"

namespace gpuvm::guest {
namespace {

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // the host is gone; nobody is left to tell
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

const RecordKind& kind(RecordType type) {
  for (const RecordKind& row : kRecordKinds)
    if (row.type == type) return row;
  GPUVM_CHECK(false && "record type without a row in kRecordKinds");
  return kRecordKinds[0];
}

void write_record(int fd, RecordType type, std::string_view name, std::string_view body) {
  body = body.substr(0, kind(type).max_body);
  write_all(fd, fmt::format("{} {} {}\n", kind(type).word, name, body.size()));
  write_all(fd, body);
  write_all(fd, "\n");
}

}  // namespace

PortReporter::PortReporter(UniqueFd port) : port_(std::move(port)) {
  write_record(port_.get(), RecordType::kHello, "-", kGuestProtocolVersion);
}

void PortReporter::log(std::string_view line) {
  write_record(port_.get(), RecordType::kLog, "-", line);
}

Status PortReporter::mark(std::string_view text) {
  write_record(port_.get(), RecordType::kMark, "-", text);
  char answer = 0;
  ssize_t got;
  do {
    got = ::read(port_.get(), &answer, 1);
  } while (got < 0 && errno == EINTR);
  if (got == 1 && answer == kAck) return Ok{};
  return error("the host did not acknowledge the mark \"{}\"", text);
}

void PortReporter::flood_marks(unsigned count) {
  std::string marks;
  for (unsigned i = 0; i < count; ++i) marks += "mark - 5\nflood\n";
  write_all(port_.get(), marks);
  char answer = 0;
  while (count > 0) {
    const ssize_t got = ::read(port_.get(), &answer, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got != 1) return;
    --count;
  }
}

void PortReporter::attach(std::string_view name, std::string_view bytes) {
  write_record(port_.get(), RecordType::kAttachment, name, bytes);
}

void PortReporter::result(bool ok, std::string_view text) {
  write_record(port_.get(), RecordType::kResult, ok ? "ok" : "failed", text);
}

void PortReporter::done() {
  write_record(port_.get(), RecordType::kDone, "-", "");
}

void LineReporter::log(std::string_view line) {
  write_all(socket_.get(), fmt::format("log {}\n", line));
}
Status LineReporter::mark(std::string_view text) {
  write_all(socket_.get(), fmt::format("{}\n", text));
  char answer = 0;
  if (::read(socket_.get(), &answer, 1) == 1 && answer == kAck) return Ok{};
  return error("the mark \"{}\" was not acknowledged", text);
}
void LineReporter::flood_marks(unsigned count) {
  log(fmt::format("{} marks at once are not for a client", count));
}
void LineReporter::attach(std::string_view name, std::string_view bytes) {
  log(fmt::format("{}, {} bytes, is not kept: it comes from a client", name, bytes.size()));
}
void LineReporter::result(bool ok, std::string_view text) {
  write_all(socket_.get(), fmt::format("{} {}\n", ok ? "ok" : "failed", text));
}

void TerminalReporter::log(std::string_view line) {
  fmt::print(stderr, "{}\n", line);
}
Status TerminalReporter::mark(std::string_view text) {
  fmt::print(stderr, "mark: {}\n", text);
  return Ok{};
}
void TerminalReporter::flood_marks(unsigned count) {
  for (unsigned i = 0; i < count; ++i) (void)mark("flood");
}
void TerminalReporter::attach(std::string_view name, std::string_view bytes) {
  fmt::print(stderr, "{}: {} bytes\n", name, bytes.size());
}
void TerminalReporter::result(bool ok, std::string_view text) {
  fmt::print(stderr, "{}: {}\n", ok ? "ok" : "FAILED", text);
}

}  // namespace gpuvm::guest
