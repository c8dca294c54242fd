// Serves a PciDevice to QEMU's x-pci-proxy-dev over a connected socket.
#pragma once

#include <sys/uio.h>

#include "emulator/pci/config_space.h"
#include "tracer/qemu/guest_memory.h"
#include "tracer/recorder/recorder.h"
#include "traces/core/unique_fd.h"

namespace gpuvm {

class DeviceLink {
 public:
  // `device` records and executes; `memory` receives the guest's memory map. Both outlive the link.
  DeviceLink(UniqueFd socket, RecordingDevice& device, GuestMemory& memory);

  int fd() const { return socket_.get(); }
  // The peer has closed its end.
  bool closed() const { return closed_; }
  // Call when fd() is readable: serves one request. Errors: the peer broke the protocol, or a recording failed.
  Status on_readable();
  // QEMU's main thread waits for us only before the machine runs: then interrupts must not wait for it.
  bool machine_running() const { return resets_ > 0; }
  // BAR accesses that lay in no BAR.
  uint64_t stray_accesses() const { return stray_; }

 private:
  Status serve(wire::Command command, std::span<const std::byte> body, std::vector<UniqueFd> fds);
  uint32_t config_read(const wire::ConfigAccess& access);
  void config_write(const wire::ConfigAccess& access);
  Status reply(uint64_t value);

  UniqueFd socket_;
  RecordingDevice& device_;
  GuestMemory& memory_;
  // Until the first reset it is QEMU that asks, to size the BARs, and it knows only 32-bit ones: it is shown a device
  // that has only those. Afterwards the guest sees the real configuration space.
  ConfigSpace probe_;
  // Follows the guest's configuration writes, to tell which BAR an address lies in.
  ConfigSpace decoder_;
  unsigned resets_ = 0;
  bool closed_ = false;
  uint64_t stray_ = 0;
};

}  // namespace gpuvm
