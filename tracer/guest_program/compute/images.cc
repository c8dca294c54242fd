// clear: textures are filled from here and read back; colour, depth and stencil targets are cleared, whole
// and within a scissor, and read back. Nothing is drawn.
#include <cstring>

#include "tracer/guest_program/compute/workloads.h"

namespace gpuvm::guest {
namespace {

constexpr GLsizei kWidth = 100, kHeight = 60;  // no whole number of tiles
constexpr size_t kPixels = size_t{kWidth} * kHeight;
constexpr GLint kLeft = 17, kBottom = 9;
constexpr GLsizei kAcross = 50, kUp = 33;

// A colour format, what its pixels are to the program, and what a clear to kColour must leave.
struct Format {
  const char* name;
  GLenum internal, format, type;
  size_t pixel_bytes;
  std::array<uint32_t, 4> cleared;
};
constexpr float kColour[] = {0.25f, 0.5f, 0.75f, 1.0f};
constexpr GLuint kWords[] = {200, 3, 70000, 0xffffffff};
constexpr Format kFormats[] = {
    {"RGBA8", GL_RGBA8, GL_RGBA, GL_UNSIGNED_BYTE, 4, {0xffbf8040}},
    {"RGBA32F", GL_RGBA32F, GL_RGBA, GL_FLOAT, 16, {0x3e800000, 0x3f000000, 0x3f400000, 0x3f800000}},
    {"RG16F", GL_RG16F, GL_RG, GL_HALF_FLOAT, 4, {0x38003400}},
    {"R32F", GL_R32F, GL_RED, GL_FLOAT, 4, {0x3e800000}},
    {"R8", GL_R8, GL_RED, GL_UNSIGNED_BYTE, 1, {0x40}},
    {"R32UI", GL_R32UI, GL_RED_INTEGER, GL_UNSIGNED_INT, 4, {200}},
    {"RGBA32UI", GL_RGBA32UI, GL_RGBA_INTEGER, GL_UNSIGNED_INT, 16, {200, 3, 70000, 0xffffffff}},
};
bool is_integer(const Format& format) {
  return format.format == GL_RED_INTEGER || format.format == GL_RGBA_INTEGER;
}

using Bytes = std::vector<uint8_t>;

class Texture {
 public:
  Texture(Gl& gl, GLenum internal) : gl_(gl) {
    gl_.GenTextures(1, &name_);
    gl_.BindTexture(GL_TEXTURE_2D, name_);
    gl_.TexStorage2D(GL_TEXTURE_2D, 1, internal, kWidth, kHeight);
  }
  Texture(const Texture&) = delete;
  ~Texture() { gl_.DeleteTextures(1, &name_); }
  GLuint name() const { return name_; }

 private:
  Gl& gl_;
  GLuint name_ = 0;
};

class Framebuffer {
 public:
  Framebuffer(Gl& gl, GLenum attachment, const Texture& texture) : gl_(gl) {
    gl_.GenFramebuffers(1, &name_);
    gl_.BindFramebuffer(GL_FRAMEBUFFER, name_);
    gl_.FramebufferTexture2D(GL_FRAMEBUFFER, attachment, GL_TEXTURE_2D, texture.name(), 0);
  }
  Framebuffer(const Framebuffer&) = delete;
  ~Framebuffer() { gl_.DeleteFramebuffers(1, &name_); }
  bool complete() const { return gl_.CheckFramebufferStatus(GL_FRAMEBUFFER) == GL_FRAMEBUFFER_COMPLETE; }

 private:
  Gl& gl_;
  GLuint name_ = 0;
};

Bytes random_bytes(size_t count, uint32_t seed) {
  Numbers numbers(seed);
  Bytes bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(numbers.below(0x3c));  // floats of it are no NaN
  return bytes;
}

bool in_scissor(size_t pixel) {
  const auto x = static_cast<GLint>(pixel % kWidth), y = static_cast<GLint>(pixel / kWidth);
  return x >= kLeft && x < kLeft + kAcross && y >= kBottom && y < kBottom + kUp;
}

Status same_pixels(const Format& format, const Bytes& got, const Bytes& expected, std::string_view what) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (got[i] == expected[i]) continue;
    return error("{} of {}: byte {} of pixel {} is {:#x}, should be {:#x}", what, format.name,
                 i % format.pixel_bytes, i / format.pixel_bytes, got[i], expected[i]);
  }
  return Ok{};
}

void clear_colour(Gl& gl, const Format& format) {
  if (is_integer(format)) {
    gl.ClearBufferuiv(GL_COLOR, 0, kWords);
  } else {
    gl.ClearBufferfv(GL_COLOR, 0, kColour);
  }
}

// Filled, read back; cleared within the scissor, read back.
Status check_colour(Gl& gl, const Format& format) {
  const Texture texture(gl, format.internal);
  Bytes expected = random_bytes(kPixels * format.pixel_bytes, format.internal);
  gl.TexSubImage2D(GL_TEXTURE_2D, 0, 0, 0, kWidth, kHeight, format.format, format.type, expected.data());
  Bytes got(expected.size());
  gl.GetTexImage(GL_TEXTURE_2D, 0, format.format, format.type, got.data());
  GPUVM_TRY_STATUS(gl.check(format.name));
  GPUVM_TRY_STATUS(same_pixels(format, got, expected, "the texture"));

  const Framebuffer target(gl, GL_COLOR_ATTACHMENT0, texture);
  if (!target.complete()) return error("{} is no target that OpenGL takes", format.name);
  gl.Enable(GL_SCISSOR_TEST);
  gl.Scissor(kLeft, kBottom, kAcross, kUp);
  clear_colour(gl, format);
  gl.Disable(GL_SCISSOR_TEST);
  for (size_t i = 0; i < kPixels; ++i) {
    if (in_scissor(i))
      std::memcpy(&expected[i * format.pixel_bytes], format.cleared.data(), format.pixel_bytes);
  }
  gl.ReadPixels(0, 0, kWidth, kHeight, format.format, format.type, got.data());
  GPUVM_TRY_STATUS(gl.check(format.name));
  return same_pixels(format, got, expected, "the clear");
}

Status check_depth(Gl& gl) {
  static constexpr Format kDepth = {
      "DEPTH_COMPONENT32F", GL_DEPTH_COMPONENT32F, GL_DEPTH_COMPONENT, GL_FLOAT, 4, {}};
  const Texture texture(gl, kDepth.internal);
  const Framebuffer target(gl, GL_DEPTH_ATTACHMENT, texture);
  if (!target.complete()) return error("{} is no target that OpenGL takes", kDepth.name);
  constexpr float kFar = 0.625f, kNear = 0.125f;
  gl.ClearBufferfv(GL_DEPTH, 0, &kFar);
  gl.Enable(GL_SCISSOR_TEST);
  gl.Scissor(kLeft, kBottom, kAcross, kUp);
  gl.ClearBufferfv(GL_DEPTH, 0, &kNear);
  gl.Disable(GL_SCISSOR_TEST);
  Bytes got(kPixels * 4), expected(kPixels * 4);
  for (size_t i = 0; i < kPixels; ++i) std::memcpy(&expected[i * 4], in_scissor(i) ? &kNear : &kFar, 4);
  gl.ReadPixels(0, 0, kWidth, kHeight, GL_DEPTH_COMPONENT, GL_FLOAT, got.data());
  GPUVM_TRY_STATUS(gl.check(kDepth.name));
  return same_pixels(kDepth, got, expected, "the clear");
}

}  // namespace

Result<std::string> run_clear(Gl& gl, Session& session) {
  GPUVM_TRY_STATUS(session.phase("launch"));
  for (const Format& format : kFormats) GPUVM_TRY_STATUS(check_colour(gl, format));
  GPUVM_TRY_STATUS(check_depth(gl));
  gl.Finish();
  GPUVM_TRY_STATUS(session.phase("close"));
  return fmt::format("pixels of {} formats, filled and cleared,", std::size(kFormats) + 1);
}

}  // namespace gpuvm::guest
