#include "tracer/vfio_user/vfio_user_link.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace gpuvm {

using namespace vfio_user;

namespace {

constexpr unsigned kBars = 6;

// The widest access at `offset` that is aligned and no longer than `left`.
unsigned width_at(uint64_t offset, uint64_t left, unsigned widest) {
  unsigned width = widest;
  while (width > left || offset % width != 0) width /= 2;
  return width;
}

}  // namespace

// The body of an answer; the header follows from the request.
class VfioUserLink::Reply {
 public:
  template <typename T>
  void append(const T& value) {
    std::memcpy(room(sizeof value).data(), &value, sizeof value);
  }
  void append(std::string_view text) { std::memcpy(room(text.size()).data(), text.data(), text.size()); }
  // More bytes, to be filled.
  std::span<std::byte> room(size_t bytes) {
    GPUVM_CHECK(bytes <= message_.size() - size_);
    size_ += bytes;
    return std::span(message_).subspan(size_ - bytes, bytes);
  }
  std::span<const std::byte> finish(const Header& request, int refusal) {
    if (refusal != 0) size_ = sizeof(Header);  // "the reply message must only include the reply header"
    const Header header{request.id, request.command, static_cast<uint32_t>(size_),
                        kReply | (refusal != 0 ? kError : 0), static_cast<uint32_t>(refusal)};
    std::memcpy(message_.data(), &header, sizeof header);
    return std::span<const std::byte>(message_).first(size_);
  }

 private:
  std::array<std::byte, kMaxMessageBytes> message_;
  size_t size_ = sizeof(Header);
};

VfioUserLink::VfioUserLink(UniqueFd socket, RecordingDevice& device, GuestMemory& memory,
                           IrqEventfds& interrupts)
    : stream_(std::move(socket)),
      device_(device),
      memory_(memory),
      interrupts_(interrupts),
      shadow_(device.info()) {}

VfioUserLink::~VfioUserLink() = default;

struct VfioUserLink::Row {
  Command command;
  size_t body_bytes;  // at least
  bool takes_fds;
  // Fills the reply, or gives the errno that refuses the request.
  int (VfioUserLink::*handler)(Request&, Reply&);
};

// What is not here (migration, device features) is declined.
const VfioUserLink::Row* VfioUserLink::row_of(uint16_t command) {
  static constexpr std::array kRows{
      Row{Command::kDmaMap, sizeof(DmaMap), true, &VfioUserLink::dma_map},
      Row{Command::kDmaUnmap, sizeof(DmaUnmap), false, &VfioUserLink::dma_unmap},
      Row{Command::kDeviceGetInfo, 0, false, &VfioUserLink::get_info},
      Row{Command::kGetRegionInfo, sizeof(vfio_region_info), false, &VfioUserLink::get_region_info},
      Row{Command::kGetRegionIoFds, sizeof(RegionIoFds), false, &VfioUserLink::get_region_io_fds},
      Row{Command::kGetIrqInfo, sizeof(vfio_irq_info), false, &VfioUserLink::get_irq_info},
      Row{Command::kSetIrqs, sizeof(vfio_irq_set), true, &VfioUserLink::set_irqs},
      Row{Command::kRegionRead, sizeof(RegionAccess), false, &VfioUserLink::region_read},
      Row{Command::kRegionWrite, sizeof(RegionAccess), false, &VfioUserLink::region_write},
      Row{Command::kRegionWriteMulti, sizeof(uint64_t), false, &VfioUserLink::region_write_multi},
      Row{Command::kDeviceReset, 0, false, &VfioUserLink::device_reset},
  };
  const auto row = std::ranges::find(kRows, static_cast<Command>(command), &Row::command);
  return row == kRows.end() ? nullptr : &*row;
}

Status VfioUserLink::on_readable() {
  GPUVM_TRY_STATUS(receive_and_serve(false));
  return Ok{};
}

Result<bool> VfioUserLink::receive_and_serve(bool wait) {
  interrupts_.poll_unmask();
  GPUVM_TRY(const bool came, stream_.receive(wait));
  while (came && !stream_.closed()) {
    GPUVM_TRY(auto request, stream_.next());
    if (!request) break;
    GPUVM_TRY_STATUS(serve(*request));
  }
  return came;
}

Status VfioUserLink::serve(Request& request) {
  Reply reply;
  int refusal = 0;
  if (!version_agreed_) {
    if (request.header.command != static_cast<uint16_t>(Command::kVersion)) {
      return error("vfio-user: command {} before a version was agreed on", request.header.command);
    }
    GPUVM_TRY(const std::string answer, answer_version(request.body));
    reply.append(std::string_view(answer));
    version_agreed_ = true;
  } else {
    const Row* row = row_of(request.header.command);
    if (row == nullptr) {
      refusal = ENOTSUP;
    } else if (request.body.size() < row->body_bytes || (!row->takes_fds && !request.fds.empty())) {
      refusal = EINVAL;
    } else {
      refusal = (this->*row->handler)(request, reply);
    }
  }
  refused_ += refusal != 0;
  ++answers_;
  if ((request.header.flags & kNoReply) == 0) stream_.send(reply.finish(request.header, refusal));
  return device_.status();
}

int VfioUserLink::dma_map(Request& request, Reply&) {
  const auto map = *parse<DmaMap>(request.body);
  if (request.fds.size() > 1 || map.size == 0) return EINVAL;
  const bool writable = (map.flags & VFIO_DMA_MAP_FLAG_WRITE) != 0;
  UniqueFd fd = request.fds.empty() ? UniqueFd() : std::move(request.fds[0]);
  return memory_.add({map.address, map.size, map.offset}, writable, std::move(fd));
}

int VfioUserLink::dma_unmap(Request& request, Reply& reply) {
  const auto unmap = *parse<DmaUnmap>(request.body);
  if ((unmap.flags & VFIO_DMA_UNMAP_FLAG_ALL) != 0) {
    memory_.clear();
  } else if (!memory_.remove(unmap.address, unmap.size)) {
    return ENOENT;
  }
  reply.append(unmap);
  return 0;
}

int VfioUserLink::get_info(Request&, Reply& reply) {
  struct {
    uint32_t argsz, flags, regions, irqs;
  } const info{16, VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI, kRegions, kIrqs};
  reply.append(info);
  return 0;
}

uint64_t VfioUserLink::region_bytes(uint32_t region) const {
  if (region == VFIO_PCI_CONFIG_REGION_INDEX) return kConfigBytes;
  return region < kBars ? device_.info().bars[region].size : 0;
}

int VfioUserLink::get_region_info(Request& request, Reply& reply) {
  const uint32_t index = parse<vfio_region_info>(request.body)->index;
  if (index >= kRegions) return EINVAL;
  vfio_region_info info{};
  info.argsz = sizeof info;
  info.index = index;
  info.size = region_bytes(index);
  if (info.size != 0) info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
  reply.append(info);
  return 0;
}

// None: every access is to be seen.
int VfioUserLink::get_region_io_fds(Request& request, Reply& reply) {
  const uint32_t index = parse<RegionIoFds>(request.body)->index;
  if (index >= kRegions) return EINVAL;
  reply.append(RegionIoFds{sizeof(RegionIoFds), 0, index, 0});
  return 0;
}

int VfioUserLink::get_irq_info(Request& request, Reply& reply) {
  const uint32_t index = parse<vfio_irq_info>(request.body)->index;
  if (index >= kIrqs) return EINVAL;
  vfio_irq_info info{};
  info.argsz = sizeof info;
  info.index = index;
  if (index == VFIO_PCI_INTX_IRQ_INDEX) {
    info.flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
    info.count = 1;
  } else if (index == VFIO_PCI_MSI_IRQ_INDEX) {
    info.flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;
    info.count = 1;
  }
  reply.append(info);
  return 0;
}

int VfioUserLink::set_irqs(Request& request, Reply&) {
  vfio_irq_set set;
  std::memcpy(&set, request.body.data(), sizeof set);
  const bool intx = set.index == VFIO_PCI_INTX_IRQ_INDEX;
  const bool msi = set.index == VFIO_PCI_MSI_IRQ_INDEX;
  const uint32_t data = set.flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
  const uint32_t action = set.flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
  if (set.index >= kIrqs || set.start > 1 || set.count > 1 - set.start || request.fds.size() > set.count) {
    return EINVAL;
  }
  if (!std::ranges::all_of(request.fds, [](const UniqueFd& fd) { return is_eventfd(fd.get()); }))
    return EINVAL;
  // There is one interrupt of each sort: it is meant, or, with a count of 0, all of them are.
  if (data == VFIO_IRQ_SET_DATA_EVENTFD && set.count == 1) {
    UniqueFd event = request.fds.empty() ? UniqueFd() : std::move(request.fds[0]);
    if (action == VFIO_IRQ_SET_ACTION_TRIGGER && intx)
      return interrupts_.trigger_intx_by(std::move(event)), 0;
    if (action == VFIO_IRQ_SET_ACTION_TRIGGER && msi) return interrupts_.trigger_msi_by(std::move(event)), 0;
    if (action == VFIO_IRQ_SET_ACTION_UNMASK && intx) return interrupts_.unmask_intx_by(std::move(event)), 0;
    return EINVAL;
  }
  const bool chosen =
      data == VFIO_IRQ_SET_DATA_NONE || (data == VFIO_IRQ_SET_DATA_BOOL && request.body.size() > sizeof set &&
                                         request.body[sizeof set] != std::byte{0});
  if (data != VFIO_IRQ_SET_DATA_NONE && data != VFIO_IRQ_SET_DATA_BOOL) return EINVAL;
  if (!chosen) return 0;
  if (action == VFIO_IRQ_SET_ACTION_MASK && intx) return interrupts_.mask_intx(true), 0;
  if (action == VFIO_IRQ_SET_ACTION_UNMASK && intx) return interrupts_.mask_intx(false), 0;
  if (action != VFIO_IRQ_SET_ACTION_TRIGGER || set.count != 0) return EINVAL;  // no loopback of our own
  if (intx) {
    interrupts_.unmask_intx_by({});
    interrupts_.trigger_intx_by({});
  }
  if (msi) interrupts_.trigger_msi_by({});
  return 0;  // the other sorts have no interrupt to switch off
}

int VfioUserLink::check_access(const RegionAccess& access) {
  const uint64_t bytes = region_bytes(access.region);
  if (access.count == 0 || access.count > kMaxTransferBytes) return EINVAL;
  if (access.offset < bytes && access.count <= bytes - access.offset) return 0;
  ++stray_;
  return EINVAL;
}

int VfioUserLink::region_read(Request& request, Reply& reply) {
  const auto access = *parse<RegionAccess>(request.body);
  if (const int refusal = check_access(access)) return refusal;
  reply.append(access);
  read_region(access, reply.room(access.count));
  return 0;
}

int VfioUserLink::region_write(Request& request, Reply& reply) {
  const auto access = *parse<RegionAccess>(request.body);
  const auto data = request.body.subspan(sizeof access);
  if (data.size() < access.count) return EINVAL;
  if (const int refusal = check_access(access)) return refusal;
  write_region(access, data.first(access.count));
  reply.append(access);
  return 0;
}

int VfioUserLink::region_write_multi(Request& request, Reply& reply) {
  const auto count = *parse<uint64_t>(request.body);
  auto rest = request.body.subspan(sizeof count);
  if (count > rest.size() / sizeof(CoalescedWrite)) return EINVAL;
  for (uint64_t i = 0; i < count; ++i, rest = rest.subspan(sizeof(CoalescedWrite))) {
    const auto write = *parse<CoalescedWrite>(rest);
    if (write.access.count > write.data.size()) return EINVAL;
    if (const int refusal = check_access(write.access)) return refusal;
    write_region(write.access, std::span(write.data).first(write.access.count));
  }
  reply.append(count);
  return 0;
}

void VfioUserLink::read_region(const RegionAccess& access, std::span<std::byte> out) {
  const bool config = access.region == VFIO_PCI_CONFIG_REGION_INDEX;
  for (uint64_t done = 0; done < out.size();) {
    const uint64_t offset = access.offset + done;
    const unsigned width = width_at(offset, out.size() - done, config ? 4 : 8);
    const uint64_t value = config ? config_read(static_cast<unsigned>(offset), width)
                                  : device_.bar_read(access.region, offset, width);
    std::memcpy(out.data() + done, &value, width);
    done += width;
  }
}

void VfioUserLink::write_region(const RegionAccess& access, std::span<const std::byte> data) {
  const bool config = access.region == VFIO_PCI_CONFIG_REGION_INDEX;
  for (uint64_t done = 0; done < data.size();) {
    const uint64_t offset = access.offset + done;
    const unsigned width = width_at(offset, data.size() - done, config ? 4 : 8);
    uint64_t value = 0;
    std::memcpy(&value, data.data() + done, width);
    if (config) {
      config_write(static_cast<unsigned>(offset), width, static_cast<uint32_t>(value));
    } else {
      device_.bar_write(access.region, offset, width, value);
    }
    done += width;
  }
}

uint32_t VfioUserLink::config_read(unsigned offset, unsigned width) {
  return resets_ == 0 ? shadow_.read(offset, width) : device_.config_read(offset, width);
}

void VfioUserLink::config_write(unsigned offset, unsigned width, uint32_t value) {
  shadow_.write(offset, width, value);
  if (resets_ == 0) return;
  if (shadow_.memory_enabled()) {
    for (unsigned bar = 0; bar < kBars; ++bar) bar_bases_[bar] = shadow_.bar_base(bar);
  }
  device_.config_write(offset, width, value);
}

int VfioUserLink::device_reset(Request&, Reply&) {
  ++resets_;
  shadow_.reset();
  device_.reset();
  return 0;
}

}  // namespace gpuvm
