#include "emulator/card/card.h"

#include <algorithm>
#include <cstring>

#include "emulator/card/graph.h"
#include "emulator/card/vbios.h"
#include "traces/event.h"

namespace gpuvm {
namespace {

using gf100::Reg;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint32_t kPraminOffset = 0x700000;
constexpr uint32_t kPraminBytes = 0x100000;
constexpr uint32_t kVmCfgAlwaysSet = 0x00ff8000;  // free flush slots, flush done
constexpr uint32_t kPmcFifo = 1u << 8;
constexpr uint64_t kMaxFbps = 6;  // of the real card

// The driver wants the same size on every memory controller: as many controllers as divide the size evenly.
uint64_t fbp_count(uint64_t vram_mib) {
  for (uint64_t n = kMaxFbps; n > 1; --n) {
    if (vram_mib % n == 0) return n;
  }
  return 1;
}

}  // namespace

DeviceInfo device_info(const CardConfig& config) {
  DeviceInfo info;
  info.vendor = 0x10de;
  info.device = 0x06d8;  // Quadro 6000
  info.subsystem_vendor = 0x10de;
  info.subsystem_device = 0x076f;
  info.revision = 0xa3;
  info.class_code = config.vga_class ? 0x030000 : 0x030200;
  info.chip = "GF100";
  info.boot0 = gf100::describe(Reg::kPmcId).reset;
  info.vram_bytes = config.vram_bytes;
  info.delay_ns = config.delay_ns;
  info.bars[0] = {.size = gf100::kBar0Bytes};
  info.bars[1] = {.size = 128 * kMiB, .prefetchable = true, .is_64bit = true};
  info.bars[3] = {.size = 64 * kMiB, .prefetchable = true, .is_64bit = true};
  return info;
}

Result<CardConfig> config_of(const DeviceInfo& info) {
  CardConfig config;
  config.vga_class = info.class_code == 0x030000;
  config.delay_ns = info.delay_ns;
  config.vram_bytes = info.vram_bytes;
  if (info.vendor != 0x10de || info.chip != "GF100") {
    return error("the recorded device {:04x}:{:04x} '{}' is not the GF100 that this emulator models", info.vendor,
                 info.device, info.chip);
  }
  if (info.vram_bytes == 0 || info.vram_bytes % kMiB != 0 || info.vram_bytes > (uint64_t{16} << 30)) {
    return error("the recorded VRAM size of {} bytes is not a multiple of 1 MiB up to 16 GiB", info.vram_bytes);
  }
  return config;
}

Card::Card(const CardConfig& config, DmaPort& dma, InterruptSink& interrupts)
    : info_(device_info(config)),
      interrupts_(interrupts),
      config_space_(info_),
      vram_(config.vram_bytes),
      memory_(vram_, dma),
      fifo_(registers_, memory_, timeline_, config.delay_ns),
      fifo_interrupts_(registers_, [this](bool level) { set_interrupt_line(level); }),
      bar1_(memory_),
      bar3_(memory_),
      vbios_(make_vbios(info_)) {
  const uint64_t mib = config.vram_bytes / kMiB;
  const uint64_t fbps = fbp_count(mib);
  registers_.set_reset(Reg::kPstraps, 0, config.straps);
  registers_.set_reset(Reg::kPstrapsFbps, 0, static_cast<uint32_t>(fbps));
  registers_.set_reset(Reg::kPbfbBroadcastSize, 0, static_cast<uint32_t>(mib / fbps));
  for (unsigned i = 0; i < fbps; ++i) registers_.set_reset(Reg::kPbfbSize, i, static_cast<uint32_t>(mib / fbps));
  fifo_.set_events(&fifo_interrupts_);
  attach_host();
  attach_memory_windows();
  attach_graph(registers_);
}

void Card::attach_host() {
  registers_.on_read(Reg::kPtimerTimeLow,
                     [this](unsigned) { return static_cast<uint32_t>(timer_ns()) & ~0x1fu; });
  registers_.on_read(Reg::kPtimerTimeHigh, [this](unsigned) { return static_cast<uint32_t>(timer_ns() >> 32); });
  registers_.on_write(Reg::kPtimerTimeLow, [this](unsigned, uint32_t value) {
    timer_offset_ns_ += uint64_t{value} - static_cast<uint32_t>(timer_ns());
  });
  registers_.on_write(Reg::kPtimerTimeHigh, [this](unsigned, uint32_t value) {
    timer_offset_ns_ += (uint64_t{value} << 32) - (timer_ns() & ~uint64_t{0xffffffff});
  });
  registers_.on_write(Reg::kPmcEnable, [this](unsigned, uint32_t value) {
    const uint32_t before = registers_.peek(Reg::kPmcEnable);
    registers_.poke(Reg::kPmcEnable, value);
    if ((before & ~value & kPmcFifo) != 0) fifo_.reset();
  });
  registers_.on_read(Reg::kProm, [this](unsigned word) {
    uint32_t value = ~0u;
    if ((word + 1) * 4 <= vbios_.size()) std::memcpy(&value, &vbios_[word * 4], 4);
    return value;
  });
  registers_.on_write(Reg::kProm, [](unsigned, uint32_t) {});
  registers_.on_read(Reg::kPpciMirror, [this](unsigned word) { return config_space_.read(word * 4, 4); });
}

void Card::attach_memory_windows() {
  registers_.on_write(Reg::kPbusBar1, [this](unsigned, uint32_t value) {
    registers_.poke(Reg::kPbusBar1, value);
    bar1_.set_instance(value, geometry());
  });
  registers_.on_write(Reg::kPbusBar3, [this](unsigned, uint32_t value) {
    registers_.poke(Reg::kPbusBar3, value);
    bar3_.set_instance(value, geometry());
  });
  registers_.on_write(Reg::kPffbVmCfg, [this](unsigned, uint32_t value) {
    registers_.poke(Reg::kPffbVmCfg, value | kVmCfgAlwaysSet);
    bar1_.set_instance(registers_.peek(Reg::kPbusBar1), geometry());
    bar3_.set_instance(registers_.peek(Reg::kPbusBar3), geometry());
  });
  registers_.on_write(Reg::kPffbVmFlush, [this](unsigned, uint32_t) {
    bar1_.flush();
    bar3_.flush();
  });
}

uint64_t Card::bar_read(unsigned bar, uint64_t offset, unsigned width) {
  switch (bar) {
    case 0:
      if (offset - kPraminOffset < kPraminBytes) {
        const uint32_t window = registers_.peek(Reg::kPbusHostMem);
        return memory_.read(static_cast<Aperture>((window >> 24) & 3),
                            (uint64_t{window & 0xffffff} << 16) + (offset - kPraminOffset), width);
      }
      return registers_.read(offset, width);
    case 1: return offset < info_.bars[1].size ? bar1_.read(offset, width) : width_mask(width);
    case 3: return offset < info_.bars[3].size ? bar3_.read(offset, width) : width_mask(width);
    default: return width_mask(width);
  }
}

void Card::bar_write(unsigned bar, uint64_t offset, unsigned width, uint64_t value) {
  switch (bar) {
    case 0:
      if (offset - kPraminOffset < kPraminBytes) {
        const uint32_t window = registers_.peek(Reg::kPbusHostMem);
        return memory_.write(static_cast<Aperture>((window >> 24) & 3),
                             (uint64_t{window & 0xffffff} << 16) + (offset - kPraminOffset), width, value);
      }
      return registers_.write(offset, width, value);
    case 1: {
      if (offset >= info_.bars[1].size) return;
      bar1_.write(offset, width, value);
      const std::optional<uint64_t> userd = fifo_.userd_base();
      if (!userd || offset < *userd) return;
      const uint64_t place = offset - *userd;
      if (place % fermi::kUserdBytes == fermi::kUserdIbPut && place / fermi::kUserdBytes < Fifo::kChannels) {
        fifo_.doorbell(static_cast<unsigned>(place / fermi::kUserdBytes), static_cast<uint32_t>(value));
      }
      return;
    }
    case 3:
      if (offset < info_.bars[3].size) bar3_.write(offset, width, value);
      return;
    default: return;
  }
}

void Card::config_write(unsigned offset, unsigned width, uint32_t value) {
  config_space_.write(offset, width, value);
}

void Card::set_interrupt_line(bool level) {
  if (level == interrupt_line_) return;
  interrupt_line_ = level;
  if (const auto msi = config_space_.msi()) {
    if (level) interrupts_.send_msi(msi->address, msi->data);
    return;
  }
  if (!config_space_.intx_disabled()) interrupts_.set_intx(level);
}

void Card::reset() {
  set_interrupt_line(false);
  timeline_.clear();
  fifo_.reset();
  registers_.reset();
  config_space_.reset();
  timer_offset_ns_ = 0;
  bar1_.set_instance(0, geometry());
  bar3_.set_instance(0, geometry());
}

}  // namespace gpuvm
