// Whole messages, with the descriptors that came along, out of a stream socket.
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <vector>

#include "tracer/vfio_user/protocol.h"
#include "traces/core/unique_fd.h"

namespace gpuvm::vfio_user {

class MessageStream {
 public:
  explicit MessageStream(UniqueFd socket);

  struct Request {
    Header header;
    std::span<const std::byte> body;  // valid until the next call
    std::vector<UniqueFd> fds;
  };

  int fd() const { return socket_.get(); }
  // The peer has closed its end, or takes no answers.
  bool closed() const { return closed_; }
  // Takes what has arrived; with `wait`, waits some milliseconds for it. False: nothing came. Errors: the
  // peer closed inside a message, or sent more descriptors than it may.
  Result<bool> receive(bool wait);
  // The next request that is whole, if there is one. Errors: no request begins like that.
  Result<std::optional<Request>> next();
  // Does not wait: a peer that has its socket full of unread answers is done with.
  void send(std::span<const std::byte> message);

 private:
  struct Passed {  // descriptors, and one past the byte of the stream that they came with
    uint64_t end;
    std::vector<UniqueFd> fds;
  };

  UniqueFd socket_;
  bool closed_ = false;
  std::array<std::byte, 2 * kMaxMessageBytes> buffer_;
  size_t begin_ = 0;           // of what is not taken yet
  size_t end_ = 0;             // of what has been received
  uint64_t stream_begin_ = 0;  // place of buffer_[begin_] in the stream
  std::deque<Passed> passed_;
};

}  // namespace gpuvm::vfio_user
