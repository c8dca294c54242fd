#include "emulator/card/fifo_interrupts.h"

namespace gpuvm {
namespace {

using gf100::Reg;

using gf100::field;

constexpr uint32_t kFifoVmFault = field(Reg::kPfifoIntr, "VM_FAULT").mask();
constexpr uint32_t kFifoRunlist = field(Reg::kPfifoIntr, "RUNLIST").mask();
constexpr uint32_t kFifoEngine = field(Reg::kPfifoIntr, "ENGINE_INTR").mask();
constexpr uint32_t kPmcFifo = field(Reg::kPmcIntr, "PFIFO").mask();
constexpr uint32_t kRunlistEvent = field(Reg::kPfifoRunlistIntr, "EVENT_GLBL").mask();
constexpr Field kLineEnabled = field(Reg::kPmcIntrEnHost, "HARDWARE");
// What a fault report says: the hub's client, as no GPC runs shaders here.
constexpr Field kReason = field(Reg::kPfifoVmFaultFlags, "REASON");
constexpr Field kHub = field(Reg::kPfifoVmFaultFlags, "HUB");
constexpr Field kWrite = field(Reg::kPfifoVmFaultFlags, "WRITE");
constexpr Field kClient = field(Reg::kPfifoVmFaultFlags, "CLIENT");

}  // namespace

FifoInterrupts::FifoInterrupts(RegisterFile& registers, std::function<void(bool)> line)
    : registers_(registers), line_(std::move(line)) {
  registers_.on_read(Reg::kPmcIntr, [this](unsigned) { return pmc_pending(); });
  registers_.on_read(Reg::kPfifoIntr, [this](unsigned) { return fifo_pending(); });
  registers_.on_read(Reg::kPfifoEngineIntrSource, [this](unsigned) {
    uint32_t source = 0;
    for (unsigned i = 0; i < 16; ++i) source |= registers_.peek(Reg::kPfifoEngineIntr, i) != 0 ? 1u << i : 0;
    return source;
  });
  const auto clears = [this](Reg reg) {
    registers_.on_write(reg, [this, reg](unsigned index, uint32_t value) {
      registers_.poke(reg, index, registers_.peek(reg, index) & ~value);
      update();
    });
  };
  const auto stores = [this](Reg reg) {
    registers_.on_write(reg, [this, reg](unsigned index, uint32_t value) {
      registers_.poke(reg, index, value);
      update();
    });
  };
  clears(Reg::kPfifoIntr);
  clears(Reg::kPfifoEngineIntr);
  clears(Reg::kPfifoRunlistIntr);
  clears(Reg::kPfifoVmFaultSource);
  stores(Reg::kPfifoIntrEn);
  stores(Reg::kPmcIntrEnHost);
}

uint32_t FifoInterrupts::fifo_pending() const {
  // 31, 30 and 28 are levels: they drop when their source is acknowledged, not by a write here.
  uint32_t pending = registers_.peek(Reg::kPfifoIntr);
  for (unsigned i = 0; i < 16; ++i) {
    if (registers_.peek(Reg::kPfifoEngineIntr, i) != 0) pending |= kFifoEngine;
  }
  if (registers_.peek(Reg::kPfifoRunlistIntr) != 0) pending |= kFifoRunlist;
  if (registers_.peek(Reg::kPfifoVmFaultSource) != 0) pending |= kFifoVmFault;
  return pending;
}

uint32_t FifoInterrupts::pmc_pending() const {
  return (fifo_pending() & registers_.peek(Reg::kPfifoIntrEn)) != 0 ? kPmcFifo : 0;
}

void FifoInterrupts::update() {
  line_(pmc_pending() != 0 && kLineEnabled.any(registers_.peek(Reg::kPmcIntrEnHost)));
}

void FifoInterrupts::nonstall(unsigned) {
  registers_.poke(Reg::kPfifoEngineIntr, 0, registers_.peek(Reg::kPfifoEngineIntr, 0) | 1);
  update();
}

void FifoInterrupts::runlist_done() {
  registers_.poke(Reg::kPfifoRunlistIntr, kRunlistEvent);
  update();
}

void FifoInterrupts::mmu_fault(const ChannelFault& f) {
  const unsigned unit = f.unit.unit;
  registers_.poke(Reg::kPfifoVmFaultInst, unit, fermi::kInstanceAddress.get(f.instance_pointer));
  registers_.poke(Reg::kPfifoVmFaultLow, unit, static_cast<uint32_t>(f.fault.va));
  registers_.poke(Reg::kPfifoVmFaultHigh, unit, static_cast<uint32_t>(f.fault.va >> 32));
  registers_.poke(Reg::kPfifoVmFaultFlags, unit,
                  kReason.put(static_cast<uint32_t>(f.fault.reason)) | kHub.mask() |
                      kWrite.put(f.fault.write ? 1 : 0) | kClient.put(f.unit.client));
  registers_.poke(Reg::kPfifoVmFaultSource, registers_.peek(Reg::kPfifoVmFaultSource) | 1u << unit);
  update();
}

}  // namespace gpuvm
