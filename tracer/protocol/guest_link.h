// The host's end of the guest's port "out": records in, acknowledgements out.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tracer/protocol/protocol.h"
#include "traces/core/result.h"
#include "traces/core/unique_fd.h"

namespace gpuvm {

struct GuestRecord {
  RecordType type = RecordType::kLog;
  std::string name;
  std::string body;
};

// Cuts a byte stream into records. The guest is hostile: what it can make us keep is bounded by
// kMaxTotalBytes, and after the first error nothing more is accepted.
class RecordParser {
 public:
  Status feed(std::string_view bytes);
  // The next whole record, or nothing yet; the error says what the guest did wrong. The first one must be a
  // hello of our version, and is not handed out.
  Result<std::optional<GuestRecord>> next();

 private:
  Error fail(std::string message);
  Result<std::optional<GuestRecord>> next_of_any_kind();

  std::string buffer_;
  size_t consumed_ = 0;  // bytes of buffer_ that were handed out
  size_t total_ = 0;
  bool greeted_ = false;
  std::optional<Error> broken_;
};

class GuestLink {
 public:
  // `fd`: our end of the chardev's socket; made non-blocking.
  explicit GuestLink(UniqueFd fd);

  int fd() const { return fd_.get(); }
  bool closed() const { return closed_; }  // QEMU has ended, or closed the port
  // Call when fd() is readable: takes in what is there.
  Status on_readable();
  // To be called until it gives nothing. Every mark must be answered with acknowledge() before the guest goes
  // on.
  Result<std::optional<GuestRecord>> next() { return parser_.next(); }
  Status acknowledge();

 private:
  UniqueFd fd_;
  RecordParser parser_;
  bool closed_ = false;
};

}  // namespace gpuvm
