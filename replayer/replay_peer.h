// Stands in for the machine around the device during a replay: answers its DMA reads from the recording, and
// checks its DMA writes and interrupts against it.
#pragma once

#include <functional>
#include <optional>

#include "emulator/memory/dma_port.h"
#include "emulator/pci/pci_device.h"
#include "replayer/trace_feed.h"
#include "traces/replay_result.h"

namespace gpuvm {

class ReplayPeer : public DmaPort, public InterruptSink {
 public:
  using Report = std::function<void(const Divergence&)>;
  // `feed` and `result` outlive the peer.
  ReplayPeer(TraceFeed& feed, ModeResult& result, Report report)
      : feed_(feed), result_(result), report_(std::move(report)) {}

  // The trace lacks what the device did by itself: its reads find no memory, nothing is compared.
  void only_count() { counting_ = true; }

  bool read(uint64_t address, std::span<std::byte> out) override;
  bool write(uint64_t address, std::span<const std::byte> in) override;
  void set_intx(bool asserted) override;
  void send_msi(uint64_t address, uint32_t data) override;

  // Reports and passes over what the device should have done before event `seq` but did not.
  void skip_missing(uint64_t seq);
  // An unreadable trace met while looking ahead.
  const std::optional<Error>& failure() const { return failure_; }

 private:
  // The recorded event, if it is of `kind` at `address`; else the difference is reported and null is
  // returned.
  TraceFeed::Item expect(EventKind kind, uint64_t address);
  void mismatch(const TraceFeed::Item& item, EventKind kind, uint64_t address, uint64_t expected,
                uint64_t got);
  TraceFeed::Item peek();

  TraceFeed& feed_;
  ModeResult& result_;
  Report report_;
  bool counting_ = false;
  std::optional<Error> failure_;
};

}  // namespace gpuvm
