// How a device reaches the program that has it as a PCI device: what the transports have in common.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "traces/core/result.h"

namespace gpuvm {

enum class Transport {
  kProxy,     // x-pci-proxy-dev of QEMU 7.2 to 9.2; interrupts by qtest, so TCG only
  kVfioUser,  // vfio-user, of QEMU 10.1 and newer and of others; interrupts by event descriptors
};

class DeviceTransport {
 public:
  virtual ~DeviceTransport() = default;

  virtual int fd() const = 0;
  // The peer has closed its end.
  virtual bool closed() const = 0;
  // Serves every request that has arrived whole; does not wait. Errors: the peer broke the protocol, or a
  // recording failed.
  virtual Status on_readable() = 0;
  // As on_readable(), but waits some milliseconds for a request, and says whether one came. A CPU that has
  // its answer soon asks again: waiting here costs one system call where poll and on_readable() cost two.
  virtual Result<bool> serve_next() = 0;
  // Before the first reset it is the peer itself that asks, not a guest.
  virtual bool machine_running() const = 0;
  // Where the guest last had the BARs, by number; 0: nowhere yet.
  virtual const std::array<uint64_t, 6>& bar_bases() const = 0;
  // Requests that were answered.
  virtual uint64_t answers() const = 0;
  // BAR accesses that lay in no BAR.
  virtual uint64_t stray_accesses() const = 0;

  // Where an interrupt takes its time: the answer to an access is kept back while `pending` says that what
  // the access caused has not happened yet, and no further request is served meanwhile.
  virtual void hold_answers_while(std::function<bool()> /*pending*/) {}
  virtual bool holds_answer() const { return false; }
  // Sends it, whatever is pending, and serves what came after.
  virtual Status release_answer() { return Ok{}; }
};

}  // namespace gpuvm
