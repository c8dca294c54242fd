#include "emulator/hypervisor/virtual_gpu.h"

#include "traces/event.h"

namespace gpuvm {
namespace {

using gf100::Reg;

constexpr Field kPfifoOn = gf100::field(Reg::kPmcEnable, "PFIFO");
constexpr Field kRunlistLength = gf100::field(Reg::kPfifoPlaylistLen, "LEN");
// The reference's registers with a page of VRAM name buffers of this size (nouveau gr/gf100.c).
constexpr uint64_t kPageRegisterBytes = 0x1000;

}  // namespace

VirtualGpu::VirtualGpu(unsigned vm, const Shared& shared, const CardConfig& config,
                       const Partition& partition, uint64_t quota_pages, DmaPort& ram,
                       InterruptSink& interrupts)
    : vm_(vm),
      shared_(shared),
      partition_(partition),
      quota_(shared.host.pages, quota_pages),
      log_(shared.host.card.vram()),
      marks_(partition.view().vram_bytes / Vram::kPageBytes),
      front_end_(
          config, [this] { return shared_.host.card.now_ns(); }, interrupts),
      registers_(front_end_.registers()),
      channels_(context(), {vm, shared.mode, marks_, shared.observer}),
      bar1_(context(), {vm, kChannelBar1, shared.mode.para_virtual, marks_, shared.observer},
            front_end_.info().bars[1].size),
      bar3_(context(), {vm, kChannelBar3, shared.mode.para_virtual, marks_, shared.observer},
            front_end_.info().bars[3].size),
      para_virtual_(context(), ram, pv_effects()) {
  attach_registers();
  if (!partition_.strict()) attach_raw_registers();
}

ParaVirtual::Effects VirtualGpu::pv_effects() {
  return {.set_directory = [this](int32_t channel,
                                  uint64_t directory) { return set_pv_directory(channel, directory); },
          .tables_changed =
              [this] {
                bar1_.forget();
                bar3_.forget();
                bar1_changed();
                bar3_changed();
              },
          .directory_gone = [this](uint64_t directory) { channels_.pv_directory_gone(directory); },
          .flushed =
              [this](uint64_t directory) {
                bar1_.pv_flushed(directory);
                bar3_.pv_flushed(directory);
                channels_.pv_flushed(directory, geometry());
              },
          .guest_geometry = [this] { return geometry(); }};
}

bool VirtualGpu::set_pv_directory(int32_t channel, uint64_t directory) {
  switch (channel) {
    case kChannelBar1:
      bar1_.set_pv_directory(directory);
      bar1_changed();
      return true;
    case kChannelBar3:
      bar3_.set_pv_directory(directory);
      bar3_changed();
      return true;
    case pv::kChannelEngines:
      channels_.set_pv_directory(std::nullopt, directory);
      return true;
    default:
      break;
  }
  if (channel < 0 || static_cast<unsigned>(channel) >= partition_.view().channels) return false;  // S11, S12
  channels_.set_pv_directory(static_cast<unsigned>(channel), directory);
  return true;
}

void VirtualGpu::attach_registers() {
  for (size_t i = 0; i < gf100::registers().size(); ++i) {
    const auto reg = static_cast<Reg>(i);
    const Route r = route_of(reg);
    if (r == Route::kLocal) continue;
    registers_.on_written(reg,
                          [this, reg, r](unsigned index, uint32_t value) { route(reg, r, index, value); });
  }
  // Other guests' channels are not there: reads give 0, so that a driver which scans the table sees none of
  // them.
  const unsigned own = partition_.view().channels;
  for (const Reg reg : {Reg::kPfifoChan, Reg::kPfifoChanState}) {
    registers_.on_read(reg, [this, reg, own](unsigned i) { return i < own ? registers_.peek(reg, i) : 0; });
    registers_.on_write(reg, [this, reg, own](unsigned i, uint32_t value) {
      if (i < own) registers_.poke(reg, i, value);
    });
  }
  registers_.on_write(Reg::kPmcEnable, [this](unsigned, uint32_t value) {
    const uint32_t before = registers_.peek(Reg::kPmcEnable);
    registers_.poke(Reg::kPmcEnable, value);
    fifo_resetting_ = kPfifoOn.any(before & ~value);
  });
}

void VirtualGpu::attach_raw_registers() {
  for (size_t i = 0; i < gf100::registers().size(); ++i) {
    const auto reg = static_cast<Reg>(i);
    if (!raw_in_reference(reg)) continue;
    const Route r = route_of(reg);
    registers_.on_written(reg, [this, reg, r](unsigned index, uint32_t value) {
      shared_.host.write(reg, index, value);
      if (r != Route::kLocal) route(reg, r, index, value);
    });
  }
}

void VirtualGpu::route(Reg reg, Route r, unsigned index, uint32_t value) {
  switch (r) {
    case Route::kLocal:
      break;
    case Route::kVramPage8:
      translate_page(reg, index, value, 8);
      break;
    case Route::kVramPage12:
      translate_page(reg, index, value, 12);
      break;
    case Route::kInstance: {
      const uint32_t pointer = channels_.use_engine(reg, value, UseKind::kCopyEngine, geometry());
      shared_.host.write(reg, index, pointer);
      break;
    }
    case Route::kChannelNumber:
      if (value < partition_.view().channels) {
        shared_.host.write(reg, index, value + partition_.view().first_channel);
      } else {
        ++meters_.refused;
      }
      break;
    case Route::kChannelBind:
      bind_channel(index, value);
      break;
    case Route::kChannelState:
      set_channel_state(index, value);
      break;
    case Route::kRunlist:
      commit_runlist(value);
      break;
    case Route::kBar1:
      bar1_.set_instance(value, geometry());
      bar1_changed();
      break;
    case Route::kBar3:
      bar3_.set_instance(value, geometry());
      bar3_changed();
      break;
    case Route::kPollArea:
      bar1_changed();
      break;
    case Route::kTlbFlush:
      flush_tlb(value);
      break;
    case Route::kGeometry:
      channels_.set_geometry(geometry());
      bar1_.set_instance(registers_.peek(Reg::kPbusBar1), geometry());
      bar3_.set_instance(registers_.peek(Reg::kPbusBar3), geometry());
      bar1_changed();
      bar3_changed();
      break;
    case Route::kFecsCommand:
      fecs_command(value);
      break;
    case Route::kPmcEnable:
      if (fifo_resetting_) reset_fifo();
      break;
  }
}

void VirtualGpu::translate_page(Reg reg, unsigned index, uint32_t value, unsigned shift) {
  const uint32_t field = shift == 12 ? value & 0x0fffffff : value;
  const auto host = partition_.to_host(Aperture::kVram, uint64_t{field} << shift, kPageRegisterBytes);
  if (!host) ++meters_.refused;
  const uint32_t flags = shift == 12 ? value & 0xc0000000 : 0;
  shared_.host.write(reg, index, host ? flags | static_cast<uint32_t>(*host >> shift) : 0);
}

void VirtualGpu::bind_channel(unsigned chid, uint32_t value) {
  if (chid >= partition_.view().channels) {
    ++meters_.refused;
    return;
  }
  const uint32_t pointer = channels_.bind(chid, value, geometry());
  shared_.host.write(Reg::kPfifoChan, partition_.view().first_channel + chid, pointer);
}

void VirtualGpu::unbind_channel(unsigned chid) {
  shared_.host.write(Reg::kPfifoChan, partition_.view().first_channel + chid, 0);
  channels_.unbind(chid);
}

void VirtualGpu::set_channel_state(unsigned chid, uint32_t value) {
  if (chid >= partition_.view().channels) {
    ++meters_.refused;
    return;
  }
  if (channels_.has_work(chid)) channels_.use(chid, geometry());
  shared_.host.write(Reg::kPfifoChanState, partition_.view().first_channel + chid, value);
}

void VirtualGpu::commit_runlist(uint32_t value) {
  const uint32_t where = registers_.peek(Reg::kPfifoPlaylist);
  const Aperture aperture = fermi::instance_aperture(where);
  const PartitionView& own = partition_.view();
  std::bitset<Fifo::kChannels> set;
  for (uint32_t i = 0; i < kRunlistLength.get(value); ++i) {
    const uint64_t chid = physical_read({aperture, fermi::instance_address(where) + 8 * uint64_t{i}}, 4);
    if (chid < own.channels) {
      set.set(own.first_channel + chid);
    } else if (!partition_.strict() && chid + own.first_channel < set.size()) {
      set.set(own.first_channel + chid);  // S10: another guest's channel
    } else {
      ++meters_.refused;
    }
  }
  for (unsigned chid = 0; chid < own.channels; ++chid) {
    if (set[own.first_channel + chid] && channels_.has_work(chid)) channels_.use(chid, geometry());
  }
  shared_.committing = this;
  shared_.runlist.replace(own.first_channel, own.channels, set, value);
  shared_.committing = nullptr;
}

void VirtualGpu::flush_tlb(uint32_t value) {
  if (shared_.mode.para_virtual) return;  // VM_FLUSH is what counts there
  ++meters_.tlb_flushes;
  std::optional<uint64_t> directory;
  if (!fermi::kFlushAllDirectories.any(value)) {
    directory = fermi::directory_address(registers_.peek(Reg::kPffbVmPd));
  }
  if (bar1_.flush(directory)) bar1_changed();
  if (bar3_.flush(directory)) bar3_changed();
  channels_.flush(directory, value);
}

void VirtualGpu::fecs_command(uint32_t command) {
  uint32_t data = registers_.peek(Reg::kFecsWrcmdData);
  const bool pointer = gf100::fecs_takes_instance(command) && partition_.strict();
  if (pointer || fermi::instance_valid(data)) {
    data = channels_.use_engine(Reg::kFecsWrcmdData, data, UseKind::kFecs, geometry());
    // The card would take 0 for the block at address 0, which is a guest's.
    if (pointer && data == 0) return;
  }
  shared_.host.write(Reg::kFecsWrcmdData, 0, data);
  shared_.host.write(Reg::kFecsWrcmd, 0, command);
}

// PMC resets PFIFO: the guest's channels stop, nobody else's.
void VirtualGpu::reset_fifo() {
  fifo_resetting_ = false;
  const PartitionView& own = partition_.view();
  for (unsigned chid = 0; chid < own.channels; ++chid) {
    if (channels_.bound(chid)) unbind_channel(chid);
  }
  shared_.runlist.replace(own.first_channel, own.channels, {}, 0);
}

void VirtualGpu::mmu_fault(const ChannelFault& fault) {
  ChannelFault guest = fault;
  guest.instance_pointer = channels_.pointer(fault.chid);
  front_end_.fifo_interrupts().mmu_fault(guest);
}

// A bus reset, or the guest leaves: nothing of it stays on the card.
void VirtualGpu::reset() {
  const PartitionView& own = partition_.view();
  reset_fifo();
  for (unsigned chid = 0; chid < own.channels; ++chid) {
    shared_.host.write(Reg::kPfifoChanState, own.first_channel + chid, 0);
  }
  para_virtual_.clear();
  channels_.clear();
  bar1_.clear();
  bar3_.clear();
  // The registers before the card's tables: those of the poll area follow them.
  front_end_.reset();
  bar1_changed();
  bar3_changed();
}

uint64_t VirtualGpu::memory_digest() {
  return shared_.host.card.vram().digest(partition_.view().vram_base, partition_.view().vram_bytes);
}

}  // namespace gpuvm
