// The spelling of an event's kind in JSON lines, `dump`, filters and reports.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "traces/event.h"

namespace gpuvm {

inline constexpr std::array<std::string_view, kEventKinds> kKindNames = {
    "mmio_read", "mmio_write", "config_read", "config_write", "dma_read",   "dma_write",
    "irq",       "reset",      "mark",        "loss",         "digest",     "context",
    "map",       "unmap",      "note",        "wide_read",    "wide_write", "update"};

constexpr std::string_view kind_name(EventKind kind) {
  const size_t index = static_cast<size_t>(kind);
  return index < kKindNames.size() ? kKindNames[index] : std::string_view("unknown");
}

constexpr std::optional<EventKind> kind_of_name(std::string_view name) {
  for (size_t i = 0; i < kKindNames.size(); ++i) {
    if (kKindNames[i] == name) return static_cast<EventKind>(i);
  }
  return std::nullopt;
}

}  // namespace gpuvm
