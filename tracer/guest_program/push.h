// Builds command streams for Fermi's engines. Method numbers: nouveau nouveau_bo90b5.c, nouveau_bo9039.c,
// nvc0_fence.c; envytools rnndb graph/g80_2d.xml.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

namespace gpuvm::guest {

// An engine class, the subchannel that we use for it and what SET_OBJECT takes: class | engine << 16.
struct EngineClass {
  uint32_t class_id;
  uint32_t subchannel;
  uint32_t object;
};
inline constexpr EngineClass kM2mf = {0x9039, 2, 0x00009039};
inline constexpr EngineClass kTwod = {0x902d, 3, 0x0000902d};
inline constexpr EngineClass kCopy = {0x90b5, 4, 0x000490b5};  // copy engine 0

// Lines of bytes; a source and a destination address go with it.
struct LineCopy {
  uint32_t line_bytes;
  uint32_t lines;
  uint32_t source_pitch;
  uint32_t destination_pitch;
};

// A pitch-linear surface for the 2D engine.
struct Surface {
  uint64_t address;
  uint32_t format;
  uint32_t pitch;   // bytes
  uint32_t width;   // pixels
  uint32_t height;  // pixels
};
inline constexpr uint32_t kFormatA8R8G8B8 = 0xcf;
inline constexpr uint32_t kFormatR5G6B5 = 0xe8;
inline constexpr uint32_t kFormatY8 = 0xf3;

struct Rectangle {
  uint32_t x, y, width, height;
};

class Push {
 public:
  // `data` for consecutive methods.
  Push& methods(uint32_t subchannel, uint32_t first, std::initializer_list<uint32_t> data);
  // A value that fits in the header.
  Push& immediate(uint32_t subchannel, uint32_t method, uint32_t value);
  Push& bind(const EngineClass& engine) { return methods(engine.subchannel, 0, {engine.object}); }

  // By `engine`, kCopy or kM2mf.
  Push& copy_lines(const EngineClass& engine, uint64_t to, uint64_t from, const LineCopy& shape);
  // Consecutive bytes, in as many copies as the engines' limits ask for.
  Push& copy(const EngineClass& engine, uint64_t to, uint64_t from, uint64_t bytes);
  // Host method: writes {payload, 0, 64-bit time} to `address` (16 bytes) once what came before is done.
  Push& release_semaphore(uint64_t address, uint32_t payload);
  Push& fill(const Surface& to, const Rectangle& where, uint32_t color);
  // Copies to.width × to.height pixels of `from` starting at (source_x, source_y); the formats must be the
  // same.
  Push& blit(const Surface& to, const Rectangle& where, const Surface& from, uint32_t source_x,
             uint32_t source_y);

  std::span<const uint32_t> words() const { return words_; }
  void clear() { words_.clear(); }

 private:
  Push& surface(uint32_t first_method, const Surface& surface);

  std::vector<uint32_t> words_;
};

}  // namespace gpuvm::guest
