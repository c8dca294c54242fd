// Serves a PciDevice to QEMU's x-pci-proxy-dev over a connected socket.
#pragma once

#include <sys/socket.h>

#include <array>
#include <functional>
#include <optional>
#include <vector>

#include "emulator/pci/config_space.h"
#include "tracer/qemu/wire.h"
#include "tracer/recorder/recorder.h"
#include "tracer/transport/device_transport.h"
#include "tracer/transport/guest_memory.h"
#include "traces/core/unique_fd.h"

namespace gpuvm {

class DeviceLink : public DeviceTransport {
 public:
  // `device` records and executes, and has BARs of 32 bits: QEMU takes no other addresses this way; `memory`
  // receives the guest's memory map. Both outlive the link.
  DeviceLink(UniqueFd socket, RecordingDevice& device, GuestMemory& memory);

  void hold_answers_while(std::function<bool()> pending) override { pending_ = std::move(pending); }
  bool holds_answer() const override { return held_.has_value(); }
  Status release_answer() override;

  int fd() const override { return socket_.get(); }
  bool closed() const override { return closed_; }
  Status on_readable() override;
  Result<bool> serve_next() override;
  // QEMU's main thread waits for us before the machine runs: then no answer may wait for it.
  bool machine_running() const override { return resets_ > 0; }
  const std::array<uint64_t, 6>& bar_bases() const override { return bar_bases_; }
  uint64_t stray_accesses() const override { return stray_; }
  uint64_t answers() const override { return answers_; }

 private:
  // False: nothing had come.
  Result<bool> receive(int flags);
  void take_descriptors(msghdr& message);
  Status serve_received();
  Status serve(wire::Command command, std::span<const std::byte> body);
  uint32_t config_read(const wire::ConfigAccess& access);
  void config_write(const wire::ConfigAccess& access);
  Status reply(uint64_t value);
  Status send_reply(uint64_t value);

  UniqueFd socket_;
  RecordingDevice& device_;
  GuestMemory& memory_;
  // Until the first reset it is QEMU that asks, to size the BARs: that is no business of the device's.
  ConfigSpace probe_;
  // Follows the guest's configuration writes, to tell which BAR an address lies in.
  ConfigSpace decoder_;
  std::array<uint64_t, 6> bar_bases_{};
  unsigned resets_ = 0;
  bool closed_ = false;
  uint64_t stray_ = 0;
  uint64_t answers_ = 0;
  std::function<bool()> pending_;
  std::optional<uint64_t> held_;

  // Header, body and descriptors of a request come in one piece as a rule, but a peer may cut them anywhere.
  std::array<std::byte, 1024> buffer_;
  size_t received_ = 0;        // bytes of buffer_ in use
  std::vector<UniqueFd> fds_;  // received, and no request that takes them is whole yet
};

}  // namespace gpuvm
