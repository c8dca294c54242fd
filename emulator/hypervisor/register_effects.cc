#include "emulator/hypervisor/register_effects.h"

#include <algorithm>
#include <array>

namespace gpuvm {
namespace {

using gf100::Reg;

constexpr Field kPfifoOn = gf100::field(Reg::kPmcEnable, "PFIFO");
constexpr Field kRunlistLength = gf100::field(Reg::kPfifoPlaylistLen, "LEN");
constexpr Field kListTarget = gf100::field(Reg::kPfifoPlaylist, "TARGET");
// Registers that hold the address of a page name buffers of this size (nouveau gr/gf100.c).
constexpr uint64_t kPageRegisterBytes = 0x1000;

constexpr std::array kEnginePointers{Reg::kFecsWrcmdData, Reg::kFecsChanCur,    Reg::kFecsChanNext,
                                     Reg::kPcopy0ChanCur, Reg::kPcopy0ChanNext, Reg::kPcopy1ChanCur,
                                     Reg::kPcopy1ChanNext};

// Kept per guest even by GPUvm, or without effect on the card.
constexpr std::array kNeverRaw{
    Reg::kPtimerTimeLow,
    Reg::kPtimerTimeHigh,
    Reg::kPtimerClockDiv,
    Reg::kPtimerClockMul,
    Reg::kProm,
    Reg::kPramin,
    Reg::kPfifoIntr,
    Reg::kPfifoEngineIntr,
    Reg::kPfifoRunlistIntr,
    Reg::kPfifoVmFaultSource,
    Reg::kPmcIntr,
    Reg::kFecsScratch,
};
// Forwarded by GPUvm although they do more.
constexpr std::array kRawAlthough{Reg::kPmcEnable, Reg::kPffbVmCfg, Reg::kPffbSysmemFlush};

bool is_in(std::span<const Reg> list, Reg reg) {
  return std::ranges::find(list, reg) != list.end();
}

}  // namespace

std::span<const Reg> engine_pointers() {
  return kEnginePointers;
}

RegisterEffects::Effect RegisterEffects::effect_of(Reg reg) {
  using Self = RegisterEffects;
  struct Row {
    Reg reg;
    Effect effect;
  };
  static constexpr std::array kRows{
      Row{Reg::kPmcEnable, &Self::pmc_enable},          // engine resets: the guest's own channels only
      Row{Reg::kPbusHostMem, nullptr},                  // applied when PRAMIN is accessed
      Row{Reg::kPbusBar1, &Self::bar1_instance},        //
      Row{Reg::kPbusBar3, &Self::bar3_instance},        //
      Row{Reg::kPfifoBar1Base, &Self::poll_area},       // the card's is fixed
      Row{Reg::kPfifoPlaylist, nullptr},                // read when the length is written
      Row{Reg::kPfifoPlaylistLen, &Self::run_list},     //
      Row{Reg::kPfifoChan, &Self::channel_table},       //
      Row{Reg::kPfifoChanState, &Self::channel_state},  //
      Row{Reg::kPffbSysmemFlush, nullptr},              // one scratch page for the card; it is not a guest's
      Row{Reg::kPffbVmCfg, &Self::page_sizes},          // bit 31 would switch translation off
      Row{Reg::kPffbVmPd, nullptr},                     // read when the flush is triggered
      Row{Reg::kPffbVmFlush, &Self::tlb_flush},         //
      Row{Reg::kFecsWrcmdData, nullptr},                // held until the command, and then written with it
      Row{Reg::kFecsWrcmd, &Self::fecs_command},        //
  };
  const auto row = std::ranges::find(kRows, reg, &Row::reg);
  if (row != kRows.end()) return row->effect;
  const Register& r = gf100::describe(reg);
  if (r.access == Access::kReadOnly) return nullptr;
  switch (r.holds) {
    case Holds::kInstancePage:
      return &Self::engine_pointer;
    case Holds::kVramPage12:
      return &Self::vram_page12;
    case Holds::kVramPage8:
      return &Self::vram_page8;
    case Holds::kChannelId:
      return &Self::channel_id;
    // Windows, BAR1 addresses and system pages mean something only together with what uses them.
    case Holds::kWindowPage16:
    case Holds::kBar1Page12:
    case Holds::kSystemPage8:
    case Holds::kTablePage8:
    case Holds::kNothing:
      break;
  }
  return nullptr;
}

// Registers that GPUvm forwards as they are and so shares between guests (S9).
bool RegisterEffects::raw_in_reference(Reg reg) {
  if (is_in(kNeverRaw, reg)) return false;
  if (is_in(kRawAlthough, reg)) return true;
  const Register& r = gf100::describe(reg);
  return effect_of(reg) == nullptr && r.holds == Holds::kNothing && r.access != Access::kReadOnly;
}

RegisterEffects::RegisterEffects(Guest& owner, RegisterFile& registers, const Parts& parts)
    : owner_(owner), registers_(registers), parts_(parts) {
  for (size_t i = 0; i < gf100::registers().size(); ++i) {
    const auto reg = static_cast<Reg>(i);
    const Effect effect = effect_of(reg);
    const bool raw = owner_.holes().raw_registers && raw_in_reference(reg);
    if (effect == nullptr && !raw) continue;
    registers_.on_written(reg, [this, reg, effect, raw](const RegisterWrite& write) {
      if (raw) owner_.host.write(reg, write.index, write.value);
      if (effect != nullptr) (this->*effect)(reg, write);
    });
  }
  hide_foreign_channels();
}

// Other guests' channels are not there: reads give 0, so that a driver which scans the table sees none of
// them.
void RegisterEffects::hide_foreign_channels() {
  const unsigned own = owner_.own().channels;
  for (const Reg reg : {Reg::kPfifoChan, Reg::kPfifoChanState}) {
    registers_.on_read(reg, [this, reg, own](unsigned i) { return i < own ? registers_.peek(reg, i) : 0; });
    registers_.on_write(reg, [this, reg, own](unsigned i, uint32_t value) {
      if (i < own) registers_.poke(reg, i, value);
    });
  }
}

// False, and counted: the channel is another guest's, or nobody's.
bool RegisterEffects::own_channel(uint32_t chid) {
  if (chid < owner_.own().channels) return true;
  ++owner_.meters.refused;
  return false;
}

std::optional<uint64_t> RegisterEffects::page_of_card(uint64_t guest) {
  const auto host = owner_.partition.to_host(Aperture::kVram, guest, kPageRegisterBytes);
  if (!host) ++owner_.meters.refused;
  return host;
}

void RegisterEffects::vram_page8(Reg reg, const RegisterWrite& write) {
  const auto host = page_of_card(uint64_t{write.value} << 8);
  owner_.host.write(reg, write.index, host ? static_cast<uint32_t>(*host >> 8) : 0);
}

// The memory target is dropped: what is translated is in VRAM.
void RegisterEffects::vram_page12(Reg reg, const RegisterWrite& write) {
  const auto host = page_of_card(fermi::instance_address(write.value));
  const uint32_t flags = write.value & ~kListTarget.mask();
  owner_.host.write(reg, write.index, host ? fermi::with_instance(flags, *host) : 0);
}

void RegisterEffects::channel_id(Reg reg, const RegisterWrite& write) {
  if (own_channel(write.value)) {
    owner_.host.write(reg, write.index, write.value + owner_.own().first_channel);
  }
}

void RegisterEffects::engine_pointer(Reg reg, const RegisterWrite& write) {
  owner_.host.write(reg, write.index, parts_.channels.use_engine(reg, write.value, UseKind::kCopyEngine));
}

void RegisterEffects::pmc_enable(Reg, const RegisterWrite& write) {
  if (kPfifoOn.any(write.before & ~write.value)) stop_channels();
}

void RegisterEffects::stop_channels() {
  const PartitionView& own = owner_.own();
  for (unsigned chid = 0; chid < own.channels; ++chid) {
    if (!parts_.channels.bound(chid)) continue;
    owner_.host.write(Reg::kPfifoChan, own.first_channel + chid, 0);
    parts_.channels.unbind(chid);
  }
  parts_.runlist.replace(own, {}, 0, nullptr);
}

void RegisterEffects::bar1_instance(Reg, const RegisterWrite& write) {
  parts_.bar1.set_instance(write.value);
}

void RegisterEffects::bar3_instance(Reg, const RegisterWrite& write) {
  parts_.bar3.set_instance(write.value);
}

void RegisterEffects::poll_area(Reg, const RegisterWrite&) {
  parts_.bar1.publish();
}

void RegisterEffects::run_list(Reg, const RegisterWrite& write) {
  const uint32_t where = registers_.peek(Reg::kPfifoPlaylist);
  const PartitionView& own = owner_.own();
  std::bitset<Fifo::kChannels> set;
  for (uint32_t i = 0; i < kRunlistLength.get(write.value); ++i) {
    const MemoryPlace entry{fermi::instance_aperture(where),
                            fermi::instance_address(where) + 8 * uint64_t{i}};
    const uint64_t chid = owner_.read(entry, 4);
    const uint64_t on_card = own.first_channel + chid;
    const bool foreign = owner_.holes().foreign_channels_in_list && on_card < set.size();
    if (chid < own.channels || foreign) {
      set.set(on_card);
    } else {
      ++owner_.meters.refused;
    }
  }
  for (unsigned chid = 0; chid < own.channels; ++chid) {
    if (set[own.first_channel + chid] && parts_.channels.has_work(chid)) parts_.channels.use(chid);
  }
  parts_.runlist.replace(own, set, write.value, &parts_.events);
}

void RegisterEffects::channel_table(Reg reg, const RegisterWrite& write) {
  if (!own_channel(write.index)) return;
  const uint32_t pointer = parts_.channels.bind(write.index, write.value);
  owner_.host.write(reg, owner_.own().first_channel + write.index, pointer);
}

void RegisterEffects::channel_state(Reg reg, const RegisterWrite& write) {
  if (!own_channel(write.index)) return;
  if (parts_.channels.has_work(write.index)) parts_.channels.use(write.index);
  owner_.host.write(reg, owner_.own().first_channel + write.index, write.value);
}

void RegisterEffects::page_sizes(Reg, const RegisterWrite&) {
  owner_.geometry = fermi::geometry_of(registers_.peek(Reg::kPffbVmCfg));
  parts_.channels.geometry_changed();
  parts_.bar1.geometry_changed();
  parts_.bar3.geometry_changed();
}

void RegisterEffects::tlb_flush(Reg, const RegisterWrite& write) {
  if (owner_.mode().para_virtual) return;  // VM_FLUSH is what counts there
  ++owner_.meters.tlb_flushes;
  std::optional<uint64_t> directory;
  if (!fermi::kFlushAllDirectories.any(write.value)) {
    directory = fermi::directory_address(registers_.peek(Reg::kPffbVmPd));
  }
  parts_.bar1.flush(directory);
  parts_.bar3.flush(directory);
  parts_.channels.flush(directory, write.value);
}

void RegisterEffects::fecs_command(Reg reg, const RegisterWrite& write) {
  uint32_t data = registers_.peek(Reg::kFecsWrcmdData);
  const bool pointer = gf100::fecs_takes_instance(write.value) && !owner_.holes().raw_engine_pointers;
  if (pointer || fermi::instance_valid(data)) {
    data = parts_.channels.use_engine(Reg::kFecsWrcmdData, data, UseKind::kFecs);
    // The card would take 0 for the block at address 0, which is a guest's.
    if (pointer && data == 0) return;
  }
  owner_.host.write(Reg::kFecsWrcmdData, 0, data);
  owner_.host.write(reg, 0, write.value);
}

}  // namespace gpuvm
