// What a grid is started with, and what it reaches outside of the shader cores.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "emulator/shader/instruction.h"

namespace gpuvm::shader {

// Memory as shaders see it: virtual addresses of the channel. False: a fault, which the implementation keeps.
// No access crosses a line.
class GlobalMemory {
 public:
  static constexpr uint64_t kLineBytes = 128;

  virtual ~GlobalMemory() = default;
  virtual bool read(uint64_t va, std::span<std::byte> out) = 0;
  virtual bool write(uint64_t va, std::span<const std::byte> in) = 0;
};

struct Dimensions {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t{x} * y * z; }
};

struct ConstantBank {
  bool bound = false;
  uint64_t address = 0;
  uint32_t bytes = 0;
};

// A surface that SULD, SUST and SULEA address by coordinates.
struct Image {
  uint64_t address = 0;
  uint32_t width = 0;   // elements; bytes of a line if linear
  uint32_t height = 0;  // 1 for a buffer
  uint32_t element_bytes = 4;
  uint32_t format = 0;  // G80_SURFACE_FORMAT
  bool linear = false;
  uint32_t tile_mode = 0;  // block dimensions, log2 of GOBs: y in 7:4, z in 11:8
};

// The texture units' tables: headers in memory, and which of them an instruction's numbers stand for.
struct TextureUnits {
  struct Binding {
    bool bound = false;
    uint32_t index = 0;  // of a header
  };
  uint64_t headers = 0, samplers = 0;  // addresses
  uint32_t last_header = 0, last_sampler = 0;
  std::array<Binding, 256> texture_bindings{};
  std::array<Binding, 256> sampler_bindings{};
  bool linked = false;    // a texture's number is its sampler's, too
  bool seamless = false;  // filters go over the edges of a cube's faces
};

struct Launch {
  Dimensions grid, block;
  uint64_t code = 0;   // virtual address of the code segment
  uint32_t entry = 0;  // of the program, from there
  uint32_t registers = kRegisters;
  uint32_t shared_bytes = 0;
  uint32_t local_bytes = 0;    // of each thread
  uint32_t stack_tokens = 64;  // of each warp
  uint32_t shared_window = 0xfe000000;
  uint32_t local_window = 0xff000000;
  uint32_t grid_id = 0;
  std::array<ConstantBank, kConstantBanks> constants{};
  std::array<Image, 8> images{};
  TextureUnits textures{};
};

// Why a grid could not go on. `what` names it in our words.
struct Trap {
  enum class Kind : uint8_t { kIllegalInstruction, kMemory, kMisaligned, kStackOverflow, kLimit };
  Kind kind = Kind::kMemory;
  uint32_t pc = 0;
  uint64_t word = 0;  // of the instruction
  uint64_t address = 0;
  bool write = false;
};
std::string to_text(const Trap& trap);

}  // namespace gpuvm::shader
