#include "tracer/protocol/guest_link.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace gpuvm {
namespace {

const RecordKind* kind_of(std::string_view word) {
  for (const RecordKind& kind : kRecordKinds)
    if (word == kind.word) return &kind;
  return nullptr;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxRecordName && text[0] != '.' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                  c == '-' || c == '_';
         });
}

// What a hostile guest wrote, safe to show.
std::string printable(std::string_view text) {
  std::string shown;
  for (char c : text.substr(0, 40)) shown += c >= ' ' && c < 0x7f ? c : '?';
  return shown;
}

}  // namespace

Error RecordParser::fail(std::string message) {
  broken_ = Error{"the guest broke the protocol of port \"out\": " + std::move(message)};
  buffer_.clear();
  consumed_ = 0;
  return *broken_;
}

Status RecordParser::feed(std::string_view bytes) {
  if (broken_) return *broken_;
  total_ += bytes.size();
  if (total_ > kMaxTotalBytes) return fail(fmt::format("it sent more than {} MiB", kMaxTotalBytes >> 20));
  buffer_.erase(0, std::exchange(consumed_, 0));
  buffer_ += bytes;
  return Ok{};
}

Result<std::optional<GuestRecord>> RecordParser::next() {
  if (greeted_) return next_of_any_kind();
  GPUVM_TRY(std::optional<GuestRecord> first, next_of_any_kind());
  if (!first) return first;
  if (first->type != RecordType::kHello || first->body != kGuestProtocolVersion)
    return fail(fmt::format("it greets with \"{}\" instead of \"{}\"; rebuild the guest program",
                            printable(first->body), kGuestProtocolVersion));
  greeted_ = true;
  return next_of_any_kind();
}

Result<std::optional<GuestRecord>> RecordParser::next_of_any_kind() {
  using Next = Result<std::optional<GuestRecord>>;
  if (broken_) return *broken_;
  std::string_view rest = std::string_view(buffer_).substr(consumed_);
  size_t newline = rest.substr(0, kMaxRecordHeader).find('\n');
  if (newline == std::string_view::npos) {
    if (rest.size() >= kMaxRecordHeader)
      return fail(fmt::format("no record starts with \"{}\"", printable(rest)));
    return Next(std::nullopt);
  }
  std::string_view header = rest.substr(0, newline);
  size_t name_at = header.find(' ');
  size_t length_at = name_at == std::string_view::npos ? name_at : header.find(' ', name_at + 1);
  if (length_at == std::string_view::npos)
    return fail(fmt::format("\"{}\" is not a record header", printable(header)));
  const RecordKind* kind = kind_of(header.substr(0, name_at));
  std::string_view name = header.substr(name_at + 1, length_at - name_at - 1);
  std::string_view digits = header.substr(length_at + 1);
  size_t length = 0;
  auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (kind == nullptr || !is_name(name) || problem != std::errc{} || end != digits.data() + digits.size())
    return fail(fmt::format("\"{}\" is not a record header", printable(header)));
  if (length > kind->max_body)
    return fail(
        fmt::format("a {} record of {} bytes, at most {} are allowed", kind->word, length, kind->max_body));
  if (rest.size() < newline + 1 + length + 1) return Next(std::nullopt);
  if (rest[newline + 1 + length] != '\n')
    return fail(fmt::format("the body of a {} record does not end where it should", kind->word));

  GuestRecord record{kind->type, std::string(name == "-" ? "" : name),
                     std::string(rest.substr(newline + 1, length))};
  consumed_ += newline + 1 + length + 1;
  return Next(std::move(record));
}

GuestLink::GuestLink(UniqueFd fd) : fd_(std::move(fd)) {
  int flags = fcntl(fd_.get(), F_GETFL);
  GPUVM_CHECK(flags >= 0 && fcntl(fd_.get(), F_SETFL, flags | O_NONBLOCK) == 0);
}

Status GuestLink::on_readable() {
  std::array<char, 65536> bytes;
  // A bounded number of reads, so that a guest that never stops talking cannot keep us from the GPU's socket.
  for (int round = 0; round < 4; ++round) {
    ssize_t got = recv(fd_.get(), bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Ok{};
    if (got <= 0) {
      closed_ = true;
      return Ok{};
    }
    GPUVM_TRY_STATUS(parser_.feed({bytes.data(), static_cast<size_t>(got)}));
  }
  return Ok{};
}

Status GuestLink::acknowledge() {
  ssize_t sent;
  do {
    sent = send(fd_.get(), &kAck, 1, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent == 1) return Ok{};
  return error("cannot answer the guest's mark: {}", strerror(errno));
}

}  // namespace gpuvm
