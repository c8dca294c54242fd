#include "traces/regmap/chips.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace gpuvm {
namespace {

struct Chip {
  uint32_t id;
  std::string_view name;
};

// Source: envytools' list of GPUs (rnndb chipset enumeration) and, from TU100 on, the tables of nouveau's
// nvkm/engine/device/base.c.
constexpr std::array kChips = std::to_array<Chip>({
    {0x010, "NV10"},  {0x011, "NV11"},   {0x015, "NV15"},  {0x017, "NV17"},   {0x018, "NV18"},
    {0x01a, "NV1A"},  {0x01f, "NV1F"},   {0x020, "NV20"},  {0x025, "NV25"},   {0x028, "NV28"},
    {0x02a, "NV2A"},  {0x030, "NV30"},   {0x031, "NV31"},  {0x034, "NV34"},   {0x035, "NV35"},
    {0x036, "NV36"},  {0x040, "NV40"},   {0x041, "NV41"},  {0x042, "NV42"},   {0x043, "NV43"},
    {0x044, "NV44"},  {0x045, "NV45"},   {0x046, "G72"},   {0x047, "G70"},    {0x049, "G71"},
    {0x04a, "NV44A"}, {0x04b, "G73"},    {0x04c, "MCP61"}, {0x04d, "RSX"},    {0x04e, "C51"},
    {0x050, "G80"},   {0x063, "MCP73"},  {0x067, "MCP67"}, {0x068, "MCP68"},  {0x084, "G84"},
    {0x086, "G86"},   {0x092, "G92"},    {0x094, "G94"},   {0x096, "G96"},    {0x098, "G98"},
    {0x0a0, "G200"},  {0x0a3, "GT215"},  {0x0a5, "GT216"}, {0x0a8, "GT218"},  {0x0aa, "MCP77"},
    {0x0ac, "MCP79"}, {0x0af, "MCP89"},  {0x0c0, "GF100"}, {0x0c1, "GF108"},  {0x0c3, "GF106"},
    {0x0c4, "GF104"}, {0x0c8, "GF110"},  {0x0ce, "GF114"}, {0x0cf, "GF116"},  {0x0d7, "GF117"},
    {0x0d9, "GF119"}, {0x0e4, "GK104"},  {0x0e6, "GK106"}, {0x0e7, "GK107"},  {0x0ea, "GK20A"},
    {0x0f0, "GK110"}, {0x0f1, "GK110B"}, {0x0f2, "GK210"}, {0x106, "GK208B"}, {0x108, "GK208"},
    {0x117, "GM107"}, {0x118, "GM108"},  {0x120, "GM200"}, {0x124, "GM204"},  {0x126, "GM206"},
    {0x12b, "GM20B"}, {0x130, "GP100"},  {0x132, "GP102"}, {0x134, "GP104"},  {0x136, "GP106"},
    {0x137, "GP107"}, {0x138, "GP108"},  {0x13b, "GP10B"}, {0x140, "GV100"},  {0x15b, "GV11B"},
    {0x162, "TU102"}, {0x164, "TU104"},  {0x166, "TU106"}, {0x167, "TU117"},  {0x168, "TU116"},
    {0x170, "GA100"}, {0x172, "GA102"},  {0x173, "GA103"}, {0x174, "GA104"},  {0x176, "GA106"},
    {0x177, "GA107"}, {0x180, "GH100"},  {0x192, "AD102"}, {0x193, "AD103"},  {0x194, "AD104"},
    {0x196, "AD106"}, {0x197, "AD107"},  {0x1a0, "GB100"}, {0x1a2, "GB102"},  {0x1b2, "GB202"},
    {0x1b3, "GB203"}, {0x1b5, "GB205"},  {0x1b6, "GB206"}, {0x1b7, "GB207"},
});
static_assert(std::is_sorted(kChips.begin(), kChips.end(),
                             [](const Chip& a, const Chip& b) { return a.id < b.id; }));

bool same_letters(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::toupper(x) == std::toupper(y); });
}

std::optional<uint32_t> hex_number(std::string_view text) {
  uint32_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (problem != std::errc{} || end != text.data() + text.size() || text.empty() || value > 0xfff)
    return std::nullopt;
  return value;
}

}  // namespace

std::optional<uint32_t> chip_id_of_boot0(uint32_t boot0) {
  // 0xffffffff (no card answers) and PRI errors are not chips; before NV10 the word had another layout.
  if ((boot0 & 0x1f000000) == 0 || boot0 == 0xffffffff || (boot0 >> 16) == 0xbad0 || (boot0 >> 20) == 0xbad) {
    return std::nullopt;
  }
  return boot0 >> 20 & 0x1ff;
}

bool is_fermi(uint32_t boot0) {
  const auto chip = chip_id_of_boot0(boot0);
  return chip && is_fermi_chip(*chip);
}

std::string_view chip_name(uint32_t chip_id) {
  const auto found = std::lower_bound(kChips.begin(), kChips.end(), chip_id,
                                      [](const Chip& chip, uint32_t id) { return chip.id < id; });
  return found != kChips.end() && found->id == chip_id ? found->name : std::string_view{};
}

std::optional<uint32_t> chip_id_of(const DeviceInfo& device) {
  if (const std::optional<uint32_t> chip = chip_id_of_boot0(device.boot0)) return chip;
  return device.chip.empty() ? std::nullopt : chip_id_of_name(device.chip);
}

bool own_map_applies(const DeviceInfo& device) {
  if (device.vendor != 0 && device.vendor != kNvidiaVendor) return false;
  const std::optional<uint32_t> chip = chip_id_of(device);
  return chip && is_fermi_chip(*chip);
}

std::optional<uint32_t> chip_id_of_name(std::string_view name) {
  for (const Chip& chip : kChips) {
    if (same_letters(chip.name, name)) return chip.id;
  }
  if (name.size() > 2 && (same_letters(name.substr(0, 2), "0x") || same_letters(name.substr(0, 2), "nv"))) {
    return hex_number(name.substr(2));
  }
  return hex_number(name);
}

}  // namespace gpuvm
