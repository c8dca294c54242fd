// QEMU's machine protocol (QMP): an orderly end, and a look at the guest's registers and stack.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "tracer/posix/line_channel.h"
#include "traces/core/result.h"

namespace gpuvm {

class QmpClient {
 public:
  explicit QmpClient(UniqueFd fd, std::chrono::milliseconds limit = std::chrono::seconds(20))
      : channel_(std::move(fd), "QEMU's QMP socket", 1 << 20), limit_(limit) {}

  // QEMU greets once its machine is built: after the remote device has answered the start-up probe. Needed
  // before any other command; on_readable() does it too, for those who cannot wait.
  Status handshake();
  bool ready() const { return state_ == State::kReady; }

  // What the human monitor prints, e.g. for "info registers" or "x /24gx 0xffffc90000013d58".
  Result<std::string> human_monitor_command(std::string_view command);
  // Ends QEMU. No answer is waited for: QEMU may be gone before it has sent one.
  Status quit();

  int fd() const { return channel_.fd(); }
  // Call when fd() is readable outside a command: goes on with the handshake, drops events.
  Status on_readable();

 private:
  enum class State { kGreeting, kCapabilities, kReady };

  Result<std::string> execute(const std::string& request);
  Status advance_handshake(const std::string& line);

  LineChannel channel_;
  std::chrono::milliseconds limit_;
  State state_ = State::kGreeting;
};

}  // namespace gpuvm
