#include "emulator/page_tables/text.h"

#include <fmt/format.h>

namespace gpuvm {
namespace {

// What no field of fermi.h covers: envytools gf100_vm.xml, nouveau mmu/vmmgf100.c.
constexpr bool is_encrypted(uint64_t pte) {
  return (pte >> 3) & 1;
}
constexpr bool is_volatile(uint64_t pte) {
  return (pte >> 32) & 1;
}
constexpr uint64_t compression_tag(uint64_t pte) {
  return (pte >> 44) & 0x1ffff;
}

const char* table_target_name(unsigned target) {
  switch (target) {
    case 1:
      return "VRAM";
    case 2:
      return "system";
    default:
      return "system no-snoop";
  }
}

void append(std::string& text, std::string_view separator, std::string_view part) {
  if (!text.empty()) text += separator;
  text += part;
}

}  // namespace

std::string describe(const RootNames& names) {
  std::string text;
  if (names.bar1) append(text, " + ", "BAR1");
  if (names.bar3) append(text, " + ", "BAR3");
  if (names.channels.any()) {
    std::string ids;
    for (size_t id = 0; id < names.channels.size(); ++id) {
      if (names.channels[id]) append(ids, ",", fmt::format("{}", id));
    }
    append(text, " + ", "channel " + ids);
  }
  if (names.fecs) append(text, " + ", "FECS");
  // Nearly every root is flushed: it says something only when nothing else names the root.
  if (names.flush && text.empty()) text = "flush";
  return text.empty() ? "unknown" : text;
}

const char* level_name(PageTableLevel level) {
  switch (level) {
    case PageTableLevel::kDirectory:
      return "PDE";
    case PageTableLevel::kSmall:
      return "PTE small";
    case PageTableLevel::kLarge:
      return "PTE large";
  }
  return "";
}

const char* aperture_name(Aperture aperture) {
  switch (aperture) {
    case Aperture::kVram:
      return "VRAM";
    case Aperture::kInvalid:
      return "peer";  // of a page table entry
    case Aperture::kSystem:
      return "system";
    case Aperture::kSystemNoSnoop:
      return "system no-snoop";
  }
  return "";
}

std::string describe(fermi::Pde pde) {
  std::string text;
  if (pde.large_target() != 0) {
    text = fmt::format("large {:#x} {}", pde.large_address(), table_target_name(pde.large_target()));
    if (pde.size_code() != 0) text += fmt::format(" 1/{}", 1u << pde.size_code());
  }
  if (pde.small_target() != 0) {
    append(text, " | ",
           fmt::format("small {:#x} {}", pde.small_address(), table_target_name(pde.small_target())));
  }
  return text.empty() ? "none" : text;
}

std::string describe(fermi::Pte pte) {
  if (!pte.present()) return pte.raw == 0 ? "none" : fmt::format("not present ({:#x})", pte.raw);
  std::string text = fmt::format("{:#x} {}", pte.address(), aperture_name(pte.aperture()));
  if (pte.read_only()) text += " ro";
  if (pte.privileged()) text += " priv";
  if (is_encrypted(pte.raw)) text += " encrypted";
  if (is_volatile(pte.raw)) text += " volatile";
  if (pte.kind() != 0) text += fmt::format(" kind {:#x}", pte.kind());
  if (compression_tag(pte.raw) != 0) text += fmt::format(" tag {:#x}", compression_tag(pte.raw));
  return text;
}

std::string describe_value(PageTableLevel level, uint64_t value) {
  return level == PageTableLevel::kDirectory ? describe(fermi::Pde{value}) : describe(fermi::Pte{value});
}

std::string describe_scope(uint32_t flush_scope) {
  std::string text;
  if ((flush_scope & 1) != 0) append(text, ", ", "all pages");
  if ((flush_scope & 2) != 0) append(text, ", ", "all directories");
  if ((flush_scope & 4) != 0) append(text, ", ", "hub only");
  if ((flush_scope & ~7u) != 0) append(text, ", ", fmt::format("unknown bits {:#x}", flush_scope & ~7u));
  return text.empty() ? "nothing" : text;
}

}  // namespace gpuvm
