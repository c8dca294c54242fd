#include "emulator/card/front_end.h"

#include <cstring>

#include "emulator/card/graph.h"
#include "emulator/card/vbios.h"

namespace gpuvm {
namespace {

using gf100::Reg;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint32_t kPbdmas = 0x7;
constexpr uint32_t kVmCfgAlwaysSet = gf100::field(Reg::kPffbVmCfg, "FLUSH_SLOTS").mask() |  // all are free
                                     gf100::field(Reg::kPffbVmCfg, "FLUSH_DONE").mask();
constexpr uint64_t kMaxFbps = 6;  // of the real card

// The driver wants the same size on every memory controller: as many controllers as divide the size evenly.
uint64_t fbp_count(uint64_t vram_mib) {
  for (uint64_t n = kMaxFbps; n > 1; --n) {
    if (vram_mib % n == 0) return n;
  }
  return 1;
}

}  // namespace

FrontEnd::FrontEnd(const CardConfig& config, Clock clock, InterruptSink& interrupts)
    : info_(device_info(config)),
      clock_(std::move(clock)),
      interrupts_(interrupts),
      config_space_(info_),
      fifo_interrupts_(registers_, [this](bool level) { set_interrupt_line(level); }),
      vbios_(make_vbios(info_)) {
  const uint64_t mib = config.vram_bytes / kMiB;
  const uint64_t fbps = fbp_count(mib);
  registers_.set_reset(Reg::kPstraps, 0, config.straps);
  registers_.set_reset(Reg::kPstrapsFbps, 0, static_cast<uint32_t>(fbps));
  registers_.set_reset(Reg::kPbfbBroadcastSize, 0, static_cast<uint32_t>(mib / fbps));
  for (unsigned i = 0; i < fbps; ++i)
    registers_.set_reset(Reg::kPbfbSize, i, static_cast<uint32_t>(mib / fbps));
  attach();
  attach_graph(registers_);
}

void FrontEnd::attach() {
  registers_.on_read(Reg::kPtimerTimeLow,
                     [this](unsigned) { return static_cast<uint32_t>(timer_ns()) & ~0x1fu; });
  registers_.on_read(Reg::kPtimerTimeHigh,
                     [this](unsigned) { return static_cast<uint32_t>(timer_ns() >> 32); });
  registers_.on_write(Reg::kPtimerTimeLow, [this](unsigned, uint32_t value) {
    timer_offset_ns_ += uint64_t{value} - static_cast<uint32_t>(timer_ns());
  });
  registers_.on_write(Reg::kPtimerTimeHigh, [this](unsigned, uint32_t value) {
    timer_offset_ns_ += (uint64_t{value} << 32) - (timer_ns() & ~uint64_t{0xffffffff});
  });
  registers_.on_read(Reg::kProm, [this](unsigned word) {
    uint32_t value = ~0u;
    if ((word + 1) * 4 <= vbios_.size()) std::memcpy(&value, &vbios_[word * 4], 4);
    return value;
  });
  registers_.on_write(Reg::kProm, [](unsigned, uint32_t) {});
  registers_.on_read(Reg::kPpciMirror, [this](unsigned word) { return config_space_.read(word * 4, 4); });
  // Drivers count the PBDMAs by the bits that stay: nouveau up to Linux 6.1 here, later ones at PMC's.
  for (const Reg enable : {Reg::kPfifoSubfifoEnable, Reg::kPmcSubfifoEnable}) {
    registers_.on_write(
        enable, [this, enable](unsigned, uint32_t value) { registers_.poke(enable, value & kPbdmas); });
  }
  registers_.on_write(Reg::kPffbVmCfg, [this](unsigned, uint32_t value) {
    registers_.poke(Reg::kPffbVmCfg, value | kVmCfgAlwaysSet);
  });
}

void FrontEnd::set_interrupt_line(bool level) {
  if (level == interrupt_line_) return;
  interrupt_line_ = level;
  if (const auto msi = config_space_.msi(); msi && level) interrupts_.send_msi(msi->address, msi->data);
  update_intx();
}

void FrontEnd::update_intx() {
  // A level: it also changes when the guest switches to messages, or switches the pin off, while it is
  // asserted.
  const bool asserted = interrupt_line_ && !config_space_.msi() && !config_space_.intx_disabled();
  if (asserted == intx_asserted_) return;
  intx_asserted_ = asserted;
  interrupts_.set_intx(asserted);
}

void FrontEnd::config_write(unsigned offset, unsigned width, uint32_t value) {
  config_space_.write(offset, width, value);
  update_intx();
}

void FrontEnd::reset() {
  set_interrupt_line(false);
  registers_.reset();
  config_space_.reset();
  timer_offset_ns_ = 0;
}

}  // namespace gpuvm
