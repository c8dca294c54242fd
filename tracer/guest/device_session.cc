#include "tracer/guest/device_session.h"

#include "tracer/vfio_user/vfio_user_link.h"

namespace gpuvm {
namespace {

constexpr unsigned kConfigInterruptLine = 0x3c;
// After this many requests in a row others get their turn: some 5 ms.
constexpr unsigned kBurst = 512;
constexpr uint64_t kBurstNs = 5'000'000;
constexpr unsigned kBetweenLooks = 8;  // requests that are no access, and look at no clock themselves
// More than QEMU takes for an interrupt: some 100 us. Its main thread may be waiting for us, and then the
// guest gets its answer before its interrupt.
constexpr uint64_t kMostHeldNs = 1'000'000'000;
constexpr uint64_t kSoonNs = 10'000'000;  // more than the link's own patience

}  // namespace

// QEMU decodes 32 bits of what a proxied device's BARs say; firmware and kernels put those of 64 bits above 4
// GiB as soon as there is room.
CardConfig card_behind(Transport transport, CardConfig card) {
  if (transport == Transport::kProxy) card.bars_64bit = false;
  return card;
}

DeviceSession::DeviceSession(std::unique_ptr<TraceWriter> writer, std::shared_ptr<CardClock> clock)
    : writer_(std::move(writer)),
      recorder_(writer_.get(), std::move(clock)),
      dma_(recorder_, memory_),
      qemu_interrupts_(memory_),
      delivery_(qemu_interrupts_),
      interrupts_(recorder_, delivery_) {}

void DeviceSession::connect(PciDevice& device, UniqueFd socket, Transport transport) {
  bare_device_ = &device;
  device_.emplace(recorder_, device);
  if (transport == Transport::kVfioUser) {
    delivery_.go_to(event_interrupts_);
    link_ = std::make_unique<VfioUserLink>(std::move(socket), *device_, memory_, event_interrupts_);
  } else {
    link_ = std::make_unique<DeviceLink>(std::move(socket), *device_, memory_);
  }
  link_->hold_answers_while([this] { return !qemu_interrupts_.settled(); });
}

void DeviceSession::route_interrupts(QtestClient& qtest, std::string controller) {
  qemu_interrupts_.connect({
      .qtest = &qtest,
      .controller = std::move(controller),
      .line = [this] { return bare_device_->config_read(kConfigInterruptLine, 1); },
  });
}

Status DeviceSession::settle() {
  if (!holds_answer()) {
    held_since_ns_.reset();
    return Ok{};
  }
  const uint64_t now = recorder_.clock()->machine_ns();
  if (!held_since_ns_) held_since_ns_ = now;
  if (!qemu_interrupts_.settled() && now - *held_since_ns_ < kMostHeldNs) return Ok{};
  held_since_ns_.reset();
  return link_->release_answer();
}

Status DeviceSession::serve(Patience patience) {
  CardClock& clock = *recorder_.clock();
  const uint64_t began = clock.machine_ns();
  GPUVM_TRY_STATUS(link_->on_readable());
  for (unsigned i = 0; patience == Patience::kForABurst && i < kBurst && !link_->closed(); ++i) {
    GPUVM_TRY_STATUS(qemu_interrupts_.status());
    // What the device has to do by itself must not wait for a guest that is silent.
    if (device_->next_due() < recorder_.current() + kSoonNs) break;
    GPUVM_TRY(const bool came, link_->serve_next());
    const uint64_t now = i % kBetweenLooks == 0 ? clock.machine_ns() : clock.last_machine_ns();
    if (!came || now - began > kBurstNs) break;
  }
  return qemu_interrupts_.status();
}

Status DeviceSession::describe(TraceMeta meta) {
  meta.guest_ram_bytes = memory_.end();
  if (link_) {
    const auto& bases = link_->bar_bases();
    for (size_t bar = 0; bar < bases.size(); ++bar) meta.device.bars[bar].base = bases[bar];
  }
  return attach(kMetaAttachment, to_json(meta));
}

Status DeviceSession::attach(std::string_view name, std::string_view bytes) {
  return writer_ ? writer_->attach(name, as_bytes(bytes)) : Ok{};
}

Status DeviceSession::close() {
  // A guest that never came leaves no trace, and an older one its place.
  if (events() == 0) return Ok{};
  if (device_) device_->mark("end");
  if (!writer_) return Ok{};
  GPUVM_TRY_STATUS(recorder_.status());
  return writer_->close();
}

}  // namespace gpuvm
