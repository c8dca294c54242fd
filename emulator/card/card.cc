#include "emulator/card/card.h"

#include "emulator/card/windows.h"
#include "traces/event.h"

namespace gpuvm {
namespace {

using gf100::Reg;

constexpr Field kPfifoOn = gf100::field(Reg::kPmcEnable, "PFIFO");

}  // namespace

Card::Card(const CardConfig& config, DmaPort& dma, InterruptSink& interrupts)
    : front_end_(
          config, [this] { return timeline_.now_ns(); }, interrupts),
      registers_(front_end_.registers()),
      vram_(config.vram_bytes),
      memory_(vram_, dma),
      fifo_(registers_, memory_, timeline_, config.delay_ns),
      bar1_(memory_),
      bar3_(memory_) {
  fifo_.set_events(&front_end_.fifo_interrupts());
  registers_.on_written(Reg::kPmcEnable, [this](const RegisterWrite& write) {
    if (kPfifoOn.any(write.before & ~write.value)) fifo_.reset();
  });
  attach_memory_windows();
}

void Card::attach_memory_windows() {
  registers_.on_written(Reg::kPbusBar1,
                        [this](const RegisterWrite& w) { bar1_.set_instance(w.value, geometry()); });
  registers_.on_written(Reg::kPbusBar3,
                        [this](const RegisterWrite& w) { bar3_.set_instance(w.value, geometry()); });
  registers_.on_written(Reg::kPffbVmCfg, [this](const RegisterWrite&) {
    bar1_.set_instance(registers_.peek(Reg::kPbusBar1), geometry());
    bar3_.set_instance(registers_.peek(Reg::kPbusBar3), geometry());
  });
  registers_.on_written(Reg::kPffbVmFlush, [this](const RegisterWrite&) {
    bar1_.flush();
    bar3_.flush();
  });
}

uint64_t Card::bar_read(unsigned bar, uint64_t offset, unsigned width) {
  switch (bar) {
    case 0:
      if (const auto at = pramin_target(offset, registers_.peek(Reg::kPbusHostMem))) {
        return memory_.read(at->aperture, at->address, width);
      }
      return registers_.read(offset, width);
    case 1:
      return offset < info().bars[1].size ? bar1_.read(offset, width) : width_mask(width);
    case 3:
      return offset < info().bars[3].size ? bar3_.read(offset, width) : width_mask(width);
    default:
      return width_mask(width);
  }
}

void Card::bar_write(unsigned bar, uint64_t offset, unsigned width, uint64_t value) {
  switch (bar) {
    case 0:
      if (const auto at = pramin_target(offset, registers_.peek(Reg::kPbusHostMem))) {
        return memory_.write(at->aperture, at->address, width, value);
      }
      return registers_.write(offset, width, value);
    case 1: {
      if (offset >= info().bars[1].size) return;
      bar1_.write(offset, width, value);
      const auto place = userd_place(offset, registers_.peek(Reg::kPfifoBar1Base));
      if (place && place->offset == fermi::kUserdIbPut && place->slot < Fifo::kChannels) {
        fifo_.doorbell(static_cast<unsigned>(place->slot), static_cast<uint32_t>(value));
      }
      return;
    }
    case 3:
      if (offset < info().bars[3].size) bar3_.write(offset, width, value);
      return;
    default:
      return;
  }
}

void Card::reset() {
  timeline_.clear();
  fifo_.timeline_cleared();
  fifo_.reset();
  front_end_.reset();
  bar1_.set_instance(0, geometry());
  bar3_.set_instance(0, geometry());
}

}  // namespace gpuvm
