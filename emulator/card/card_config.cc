#include "emulator/card/card_config.h"

#include "traces/regmap/chips.h"
#include "traces/regmap/gf100.h"

namespace gpuvm {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

}  // namespace

DeviceInfo device_info(const CardConfig& config) {
  DeviceInfo info;
  info.vendor = 0x10de;
  info.device = 0x06d8;  // Quadro 6000
  info.subsystem_vendor = 0x10de;
  info.subsystem_device = 0x076f;
  info.revision = 0xa3;
  info.class_code = config.vga_class ? 0x030000 : 0x030200;
  info.chip = gf100::kChip;
  info.boot0 = gf100::describe(gf100::Reg::kPmcId).reset;
  info.vram_bytes = config.vram_bytes;
  info.delay_ns = config.delay_ns;
  info.bars[0] = {.size = gf100::kBar0Bytes};
  info.bars[1] = {.size = 128 * kMiB, .prefetchable = true, .is_64bit = config.bars_64bit};
  info.bars[3] = {.size = config.bar3_bytes, .prefetchable = true, .is_64bit = config.bars_64bit};
  return info;
}

Result<CardConfig> config_of(const DeviceInfo& info) {
  CardConfig config;
  config.vga_class = info.class_code == 0x030000;
  config.delay_ns = info.delay_ns;
  // Foreign logs do not say: the card's usual size, so that they can be replayed and their traps counted.
  if (info.vram_bytes != 0) config.vram_bytes = info.vram_bytes;
  if (info.bars[1].size != 0 && info.bars[1].flags_known) config.bars_64bit = info.bars[1].is_64bit;
  if (!own_map_applies(info)) {
    return error(
        "the recorded device {:04x}:{:04x} '{}' is not known to be of the GF100 family, whose page tables "
        "and "
        "channels this emulator models; such a trace can be shown, compared and exported",
        info.vendor, info.device, info.chip);
  }
  if (info.vram_bytes % kMiB != 0 || info.vram_bytes > (uint64_t{16} << 30)) {
    return error("the recorded VRAM size of {} bytes is not a multiple of 1 MiB up to 16 GiB",
                 info.vram_bytes);
  }
  return config;
}

}  // namespace gpuvm
