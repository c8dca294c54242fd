// Serves a PciDevice to a vfio-user client (QEMU's vfio-user-pci, cloud-hypervisor) over a connected socket.
#pragma once

#include "emulator/pci/config_space.h"
#include "tracer/recorder/recorder.h"
#include "tracer/transport/device_transport.h"
#include "tracer/transport/guest_memory.h"
#include "tracer/vfio_user/irq_eventfds.h"
#include "tracer/vfio_user/message_stream.h"

namespace gpuvm {

class VfioUserLink : public DeviceTransport {
 public:
  // `device` records and executes; `memory` receives the client's memory map, `interrupts` its event
  // descriptors. All outlive the link.
  VfioUserLink(UniqueFd socket, RecordingDevice& device, GuestMemory& memory, IrqEventfds& interrupts);
  ~VfioUserLink() override;

  int fd() const override { return stream_.fd(); }
  bool closed() const override { return stream_.closed(); }
  Status on_readable() override;
  Result<bool> serve_next() override { return receive_and_serve(true); }
  bool machine_running() const override { return resets_ > 0; }
  const std::array<uint64_t, 6>& bar_bases() const override { return bar_bases_; }
  uint64_t stray_accesses() const override { return stray_; }
  uint64_t answers() const override { return answers_; }
  // Requests that were answered with an error.
  uint64_t refused() const { return refused_; }

 private:
  using Request = vfio_user::MessageStream::Request;
  class Reply;
  struct Row;
  static const Row* row_of(uint16_t command);

  Result<bool> receive_and_serve(bool wait);
  Status serve(Request& request);
  int dma_map(Request& request, Reply& reply);
  int dma_unmap(Request& request, Reply& reply);
  int get_info(Request& request, Reply& reply);
  int get_region_info(Request& request, Reply& reply);
  int get_region_io_fds(Request& request, Reply& reply);
  int get_irq_info(Request& request, Reply& reply);
  int set_irqs(Request& request, Reply& reply);
  int region_read(Request& request, Reply& reply);
  int region_write(Request& request, Reply& reply);
  int region_write_multi(Request& request, Reply& reply);
  int device_reset(Request& request, Reply& reply);

  uint64_t region_bytes(uint32_t region) const;
  int check_access(const vfio_user::RegionAccess& access);
  void read_region(const vfio_user::RegionAccess& access, std::span<std::byte> out);
  void write_region(const vfio_user::RegionAccess& access, std::span<const std::byte> data);
  uint32_t config_read(unsigned offset, unsigned width);
  void config_write(unsigned offset, unsigned width, uint32_t value);

  vfio_user::MessageStream stream_;
  RecordingDevice& device_;
  GuestMemory& memory_;
  IrqEventfds& interrupts_;
  // What the client itself learns of the device before its machine runs is not the guest's doing, and not
  // recorded. Afterwards this follows the guest's writes, to tell where the BARs are.
  ConfigSpace shadow_;
  std::array<uint64_t, 6> bar_bases_{};
  bool version_agreed_ = false;
  unsigned resets_ = 0;
  uint64_t stray_ = 0;
  uint64_t answers_ = 0;
  uint64_t refused_ = 0;
};

}  // namespace gpuvm
