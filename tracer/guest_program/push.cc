#include "tracer/guest_program/push.h"

#include <algorithm>

#include "traces/core/result.h"

namespace gpuvm::guest {
namespace {

constexpr uint32_t kIncreasing = 1u << 29;
constexpr uint32_t kImmediate = 4u << 29;
constexpr uint32_t kMaxImmediate = 0x1fff;
constexpr uint32_t kHostSubchannel = 0;  // host methods (below 0x100) are the same on all of them
constexpr uint32_t kSemaphore = 0x10;
constexpr uint32_t kSemaphoreRelease = 0x2;  // 16-byte form, wait for idle first

constexpr uint32_t kLaunch = 0x300;  // of both copying classes
constexpr uint32_t kCopyLaunchLinear = 0x110;
constexpr uint32_t kM2mfLaunchLinear = 0x100110;
constexpr uint32_t kLongLine = 4096;
constexpr uint32_t kMaxLines = 2047;  // M2MF's; the copy engine takes more

constexpr uint32_t kTwodDestination = 0x200;
constexpr uint32_t kTwodSource = 0x230;
constexpr uint32_t kTwodClipEnable = 0x290;
constexpr uint32_t kTwodOperation = 0x2ac;
constexpr uint32_t kTwodSourceCopy = 3;
constexpr uint32_t kTwodDrawShape = 0x580;
constexpr uint32_t kTwodRectangles = 4;
constexpr uint32_t kTwodDrawPoints = 0x600;
constexpr uint32_t kTwodBlit = 0x8b0;

constexpr uint32_t high(uint64_t address) {
  return static_cast<uint32_t>(address >> 32);
}
constexpr uint32_t low(uint64_t address) {
  return static_cast<uint32_t>(address);
}

}  // namespace

Push& Push::methods(uint32_t subchannel, uint32_t first, std::initializer_list<uint32_t> data) {
  words_.push_back(kIncreasing | static_cast<uint32_t>(data.size()) << 16 | subchannel << 13 | first >> 2);
  words_.insert(words_.end(), data);
  return *this;
}

Push& Push::immediate(uint32_t subchannel, uint32_t method, uint32_t value) {
  GPUVM_CHECK(value <= kMaxImmediate);
  words_.push_back(kImmediate | value << 16 | subchannel << 13 | method >> 2);
  return *this;
}

Push& Push::copy_lines(const EngineClass& engine, uint64_t to, uint64_t from, const LineCopy& shape) {
  const uint32_t channel = engine.subchannel;
  if (engine.class_id == kM2mf.class_id)
    return methods(channel, 0x238, {high(to), low(to)})
        .methods(channel, 0x30c,
                 {high(from), low(from), shape.source_pitch, shape.destination_pitch, shape.line_bytes,
                  shape.lines})
        .methods(channel, kLaunch, {kM2mfLaunchLinear});
  return methods(channel, 0x30c,
                 {high(from), low(from), high(to), low(to), shape.source_pitch, shape.destination_pitch,
                  shape.line_bytes, shape.lines})
      .immediate(channel, kLaunch, kCopyLaunchLinear);
}

Push& Push::copy(const EngineClass& engine, uint64_t to, uint64_t from, uint64_t bytes) {
  while (bytes > 0) {
    const uint32_t lines = static_cast<uint32_t>(std::min<uint64_t>(bytes / kLongLine, kMaxLines));
    const LineCopy shape = lines > 0 ? LineCopy{kLongLine, lines, kLongLine, kLongLine}
                                     : LineCopy{low(bytes), 1, low(bytes), low(bytes)};
    copy_lines(engine, to, from, shape);
    const uint64_t done = uint64_t{shape.line_bytes} * shape.lines;
    to += done, from += done, bytes -= done;
  }
  return *this;
}

Push& Push::release_semaphore(uint64_t address, uint32_t payload) {
  return methods(kHostSubchannel, kSemaphore, {high(address), low(address), payload, kSemaphoreRelease});
}

Push& Push::surface(uint32_t first_method, const Surface& surface) {
  // format, linear; the tiling methods in between do not matter then; pitch, width, height, address
  methods(kTwod.subchannel, first_method, {surface.format, 1});
  return methods(kTwod.subchannel, first_method + 0x14,
                 {surface.pitch, surface.width, surface.height, high(surface.address), low(surface.address)});
}

Push& Push::fill(const Surface& to, const Rectangle& where, uint32_t color) {
  return surface(kTwodDestination, to)
      .immediate(kTwod.subchannel, kTwodClipEnable, 0)
      .immediate(kTwod.subchannel, kTwodOperation, kTwodSourceCopy)
      .methods(kTwod.subchannel, kTwodDrawShape, {kTwodRectangles, to.format, color})
      .methods(kTwod.subchannel, kTwodDrawPoints,
               {where.x, where.y, where.x + where.width, where.y + where.height});
}

Push& Push::blit(const Surface& to, const Rectangle& where, const Surface& from, uint32_t source_x,
                 uint32_t source_y) {
  return surface(kTwodDestination, to)
      .surface(kTwodSource, from)
      .immediate(kTwod.subchannel, kTwodClipEnable, 0)
      .immediate(kTwod.subchannel, kTwodOperation, kTwodSourceCopy)
      // where; du/dx and dv/dy as fraction, integer (1:1); source x and y as fraction, integer
      .methods(kTwod.subchannel, kTwodBlit,
               {where.x, where.y, where.width, where.height, 0, 1, 0, 1, 0, source_x, 0, source_y});
}

}  // namespace gpuvm::guest
