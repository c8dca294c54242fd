#include "emulator/hypervisor/hypervisor.h"

namespace gpuvm {
namespace {

using gf100::Reg;

constexpr uint64_t kOwnPages = 1024;  // the hypervisor's own structures

unsigned slots(const HypervisorConfig& config) {
  return config.first_slot + config.vms;
}

bool scheduled(const HypervisorConfig& config) {
  return config.scheduler && config.scheduler->kind != SchedulerKind::kDirect;
}

CardConfig physical_card(const HypervisorConfig& config) {
  CardConfig card = config.guest;
  if (scheduled(config)) card.delay_ns = 0;  // the queue has it
  card.vram_bytes = slots(config) * config.guest.vram_bytes + config.vms * config.reserve_bytes +
                    kOwnPages * Vram::kPageBytes;
  // One directory entry of BAR3 a slot.
  card.bar3_bytes = uint64_t{16} * fermi::Geometry{}.span();
  return card;
}

// Behind the partitions of all slots lie the hypervisor's own pages, and then a reserve a guest.
uint64_t own_base(const HypervisorConfig& config) {
  return slots(config) * config.guest.vram_bytes;
}
PageAllocator reserve_of(const HypervisorConfig& config, unsigned vm) {
  return PageAllocator(own_base(config) + kOwnPages * Vram::kPageBytes + vm * config.reserve_bytes,
                       config.reserve_bytes);
}

}  // namespace

Status check(const HypervisorConfig& config) {
  if (config.vms == 0 || slots(config) > kMaxSlots) {
    return error("{} virtual machines from slot {} on: there are {} slots", config.vms, config.first_slot,
                 kMaxSlots);
  }
  if (config.guest_ram_bytes > uint64_t{1} << kBusSlotShift) {
    return error("guest memory of {} bytes: at most 64 GiB can be addressed", config.guest_ram_bytes);
  }
  if (physical_card(config).vram_bytes > fermi::kVaMask) {
    return error("{} guests with {} bytes of VRAM each do not fit into a card", config.vms,
                 config.guest.vram_bytes);
  }
  if (config.reserve_bytes % Vram::kPageBytes != 0)
    return error("the reserve must be a multiple of 4096 bytes");
  return Ok{};
}

// Takes the card's bus addresses apart: the slot above, the guest's own address below.
class Hypervisor::Bus : public DmaPort {
 public:
  Bus(unsigned first_slot, uint64_t ram_bytes, std::span<DmaPort* const> ports)
      : first_slot_(first_slot), ram_bytes_(ram_bytes), ports_(ports.begin(), ports.end()) {}
  bool read(uint64_t address, std::span<std::byte> out) override {
    DmaPort* port = find(address, out.size());
    return port != nullptr && port->read(address & kWithin, out);
  }
  bool write(uint64_t address, std::span<const std::byte> in) override {
    DmaPort* port = find(address, in.size());
    return port != nullptr && port->write(address & kWithin, in);
  }

 private:
  static constexpr uint64_t kWithin = (uint64_t{1} << kBusSlotShift) - 1;
  DmaPort* find(uint64_t address, uint64_t length) {
    const uint64_t slot = address >> kBusSlotShift;
    const uint64_t within = address & kWithin;
    if (slot < first_slot_ || slot - first_slot_ >= ports_.size()) return nullptr;
    if (within > ram_bytes_ || length > ram_bytes_ - within) return nullptr;
    return ports_[slot - first_slot_];
  }
  unsigned first_slot_;
  uint64_t ram_bytes_;
  std::vector<DmaPort*> ports_;
};

// The card's own line is not connected: guests are told by the events of their channels.
class Hypervisor::NoInterrupts : public InterruptSink {
 public:
  void set_intx(bool) override {}
  void send_msi(uint64_t, uint32_t) override {}
};

Hypervisor::Hypervisor(const HypervisorConfig& config, std::span<DmaPort* const> guest_memory,
                       std::span<InterruptSink* const> guest_interrupts)
    : config_(config),
      channels_per_vm_(Fifo::kChannels / slots(config)),
      bus_(std::make_unique<Bus>(config.first_slot, config.guest_ram_bytes, guest_memory)),
      no_interrupts_(std::make_unique<NoInterrupts>()),
      card_(physical_card(config), *bus_, *no_interrupts_),
      pages_(own_base(config), kOwnPages * Vram::kPageBytes),
      host_{card_, policy_of(config.mode), card_.geometry()} {
  GPUVM_CHECK(check(config).ok());
  GPUVM_CHECK(guest_memory.size() == config.vms && guest_interrupts.size() == config.vms);
  card_.set_channel_events(this);
  card_.share_among_guests(channels_per_vm_);
  set_up_card();
  for (unsigned i = 0; i < config.vms; ++i) {
    const unsigned slot = config.first_slot + i;
    PartitionView view;
    view.slot = slot;
    view.vram_bytes = config.guest.vram_bytes;
    view.vram_base = slot * config.guest.vram_bytes;
    view.bus_base = uint64_t{slot} << kBusSlotShift;
    view.ram_bytes = config.guest_ram_bytes;
    view.channels = channels_per_vm_;
    view.first_channel = slot * channels_per_vm_;
    vms_.push_back(std::make_unique<VirtualGpu>(i, host_, *runlist_, config.guest,
                                                Partition(view, config.translation), reserve_of(config, i),
                                                *guest_memory[i], *guest_interrupts[i]));
  }
  if (scheduled(config)) set_up_scheduler();
}

void Hypervisor::set_up_scheduler() {
  std::vector<SubmissionQueue::Machine> machines;
  for (const auto& vm : vms_) {
    const PartitionView& own = vm->partition().view();
    machines.push_back({own.first_channel, own.channels, &vm->submitter()});
  }
  submissions_ = std::make_unique<SubmissionQueue>(card_, *config_.scheduler, std::move(machines),
                                                   config_.guest.delay_ns);
  host_.submissions = submissions_.get();
}

Hypervisor::~Hypervisor() = default;

uint64_t Hypervisor::reserve(uint64_t pages) {
  const auto address = pages_.allocate(pages);
  GPUVM_CHECK(address.has_value());
  return *address;
}

// The structures that the hypervisor drives the card with, as a driver would: instance blocks and tables for
// BAR1 and BAR3, runlist buffers.
void Hypervisor::set_up_card() {
  Vram& vram = card_.vram();
  const uint64_t directory_pages = host_.geometry.directory_entries() * 8 / Vram::kPageBytes;
  host_.empty_directory = reserve(directory_pages);
  const auto instance = [&](uint64_t directory, uint64_t limit) {
    const uint64_t block = reserve(1);
    vram.write(block + fermi::kInstancePageDirectory, 8, directory);
    vram.write(block + fermi::kInstanceVmLimit, 8, limit);
    return fermi::with_instance(fermi::kInstanceValid.mask(), block);
  };
  // BAR1: USERD pages of all channels from address 0 on. The table is a whole one: the card may look at any
  // entry.
  const uint64_t bar1_directory = reserve(directory_pages);
  host_.poll_table = reserve(ShadowTable::pages(host_.geometry.small_entries()));
  vram.write(bar1_directory, 8, fermi::Pde{}.with_small(host_.poll_table).raw);
  host_.bar3_directory = reserve(directory_pages);
  host_.write(Reg::kPbusBar1, 0, instance(bar1_directory, card_.info().bars[1].size - 1));
  host_.write(Reg::kPbusBar3, 0, instance(host_.bar3_directory, card_.info().bars[3].size - 1));
  host_.write(Reg::kPfifoCtrl, 0, gf100::field(Reg::kPfifoCtrl, "ENABLE").mask());
  host_.write(Reg::kPfifoBar1Base, 0, gf100::field(Reg::kPfifoBar1Base, "ENABLE").mask());
  runlist_ = std::make_unique<Runlist>(host_, reserve(2));
}

VirtualGpu* Hypervisor::owner(unsigned chid, unsigned* guest_chid) {
  const unsigned slot = chid / channels_per_vm_;
  *guest_chid = chid % channels_per_vm_;
  if (slot < config_.first_slot || slot - config_.first_slot >= vms_.size()) return nullptr;
  return vms_[slot - config_.first_slot].get();
}

void Hypervisor::nonstall(unsigned chid) {
  unsigned guest = 0;
  if (VirtualGpu* vm = owner(chid, &guest)) vm->nonstall(guest);
}

void Hypervisor::runlist_done() {
  if (ChannelEvents* guest = runlist_->committing_for()) guest->runlist_done();
}

void Hypervisor::mmu_fault(const ChannelFault& fault) {
  ChannelFault guest = fault;
  if (VirtualGpu* vm = owner(fault.chid, &guest.chid)) vm->mmu_fault(guest);
}

uint64_t Hypervisor::bar3_arena(unsigned i) const {
  return partition(i).slot * fermi::Geometry{}.span();
}

void Hypervisor::teardown(unsigned i) {
  vms_[i]->reset();
  if (vms_[i]->partition().holes().departed_stay) return;
  card_.vram().scrub(partition(i).vram_base, partition(i).vram_bytes);
}

void Hypervisor::arrive(unsigned i) {
  vms_[i]->reset();
}

}  // namespace gpuvm
