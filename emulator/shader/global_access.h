// Global memory for a warp: the lanes' accesses go line by line, as few transfers as there are lines.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "emulator/shader/executor.h"

namespace gpuvm::shader {

using Addresses = std::array<uint64_t, kLanes>;
using Element = std::array<uint32_t, 4>;  // up to 16 bytes

// Calls `visit(lanes, line)` for every line that the lanes touch, in the order of their first lanes.
template <typename Visit>
void for_each_line(Executor& e, uint32_t mask, const Addresses& at, unsigned bytes, Visit visit) {
  constexpr uint64_t kLine = GlobalMemory::kLineBytes;
  for (unsigned l = 0; l < kLanes; ++l) {
    if (((mask >> l) & 1) != 0 && at[l] % bytes != 0) return e.fail(Trap::Kind::kMisaligned, at[l]);
  }
  while (mask != 0 && !e.trap) {
    const auto first = static_cast<unsigned>(std::countr_zero(mask));
    const uint64_t line = at[first] / kLine;
    uint32_t lanes = 0;
    for (unsigned l = first; l < kLanes; ++l) lanes |= uint32_t{at[l] / kLine == line} << l;
    lanes &= mask;
    mask &= ~lanes;
    ++e.counters.lines;
    visit(lanes, line * kLine);
  }
}

// What a warp has of one line: its bytes, and which of them.
struct Line {
  std::array<std::byte, GlobalMemory::kLineBytes> bytes;
  unsigned first = GlobalMemory::kLineBytes, end = 0;

  void cover(unsigned offset, unsigned count) {
    first = std::min(first, offset);
    end = std::max(end, offset + count);
  }
};

inline bool read_line(Executor& e, uint32_t lanes, const Addresses& at, uint64_t base, unsigned bytes,
                      Line& line) {
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
    line.cover(static_cast<unsigned>(at[static_cast<unsigned>(std::countr_zero(rest))] - base), bytes);
  }
  const auto span = std::span(line.bytes).subspan(line.first, line.end - line.first);
  if (!e.memory.read(base + line.first, span)) {
    e.fail(Trap::Kind::kMemory, base + line.first);
    return false;
  }
  e.counters.bytes_read += span.size();
  return true;
}

inline void load_words(Executor& e, uint32_t mask, const Addresses& at, Lanes& out) {
  for_each_line(e, mask, at, 4, [&](uint32_t lanes, uint64_t base) {
    Line line;
    if (!read_line(e, lanes, at, base, 4, line)) return;
    for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
      const auto l = static_cast<unsigned>(std::countr_zero(rest));
      std::memcpy(&out[l], &line.bytes[at[l] - base], 4);
    }
  });
}

// `set(lane, element)` for each.
template <typename Set>
void load_elements(Executor& e, uint32_t mask, const Addresses& at, unsigned bytes, Set set) {
  for_each_line(e, mask, at, bytes, [&](uint32_t lanes, uint64_t base) {
    Line line;
    if (!read_line(e, lanes, at, base, bytes, line)) return;
    for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
      const auto l = static_cast<unsigned>(std::countr_zero(rest));
      Element element{};
      std::memcpy(element.data(), &line.bytes[at[l] - base], bytes);
      set(l, element);
    }
  });
}

// Of lanes that store to the same place the highest wins.
template <typename Get>
void store_elements(Executor& e, uint32_t mask, const Addresses& at, unsigned bytes, Get get) {
  for_each_line(e, mask, at, bytes, [&](uint32_t lanes, uint64_t base) {
    std::array<std::byte, GlobalMemory::kLineBytes> data;
    std::array<bool, GlobalMemory::kLineBytes + 1> written{};
    for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
      const auto l = static_cast<unsigned>(std::countr_zero(rest));
      const Element element = get(l);
      const auto offset = static_cast<unsigned>(at[l] - base);
      std::memcpy(&data[offset], element.data(), bytes);
      std::memset(&written[offset], 1, bytes);
    }
    for (unsigned begin = 0; begin < data.size(); ++begin) {
      if (!written[begin]) continue;
      unsigned end = begin;
      while (written[end]) ++end;
      if (!e.memory.write(base + begin, std::span(data).subspan(begin, end - begin))) {
        return e.fail(Trap::Kind::kMemory, base + begin, true);
      }
      e.counters.bytes_written += end - begin;
      begin = end;
    }
  });
}

}  // namespace gpuvm::shader
