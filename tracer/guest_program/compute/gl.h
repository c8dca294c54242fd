// OpenGL without a window: a 4.3 core context on EGL's surfaceless platform, buffers and compute programs.
#pragma once

#include <EGL/egl.h>
#include <GL/glcorearb.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "traces/core/result.h"

namespace gpuvm::guest {

// The functions that we use, as eglGetProcAddress gives them.
// clang-format off
#define GPUVM_GL_FUNCTIONS(X)                                                                             \
  X(PFNGLGETSTRINGPROC, GetString)                                                                        \
  X(PFNGLGETERRORPROC, GetError)                                                                          \
  X(PFNGLFINISHPROC, Finish) X(PFNGLGENBUFFERSPROC, GenBuffers) X(PFNGLBINDBUFFERPROC, BindBuffer)        \
      X(PFNGLBUFFERDATAPROC, BufferData) X(PFNGLGETBUFFERSUBDATAPROC, GetBufferSubData)                   \
          X(PFNGLBINDBUFFERBASEPROC, BindBufferBase) X(PFNGLDELETEBUFFERSPROC, DeleteBuffers)             \
              X(PFNGLCREATESHADERPROC, CreateShader) X(PFNGLSHADERSOURCEPROC, ShaderSource)               \
                  X(PFNGLCOMPILESHADERPROC, CompileShader) X(PFNGLGETSHADERIVPROC, GetShaderiv)           \
                      X(PFNGLGETSHADERINFOLOGPROC, GetShaderInfoLog)                                      \
                          X(PFNGLCREATEPROGRAMPROC, CreateProgram) X(PFNGLATTACHSHADERPROC, AttachShader) \
                              X(PFNGLLINKPROGRAMPROC, LinkProgram) X(PFNGLGETPROGRAMIVPROC, GetProgramiv) \
                                  X(PFNGLGETPROGRAMINFOLOGPROC, GetProgramInfoLog)                        \
                                      X(PFNGLUSEPROGRAMPROC, UseProgram)                                  \
                                          X(PFNGLGETUNIFORMLOCATIONPROC, GetUniformLocation)              \
                                              X(PFNGLUNIFORM1UIPROC, Uniform1ui)                          \
                                                  X(PFNGLDISPATCHCOMPUTEPROC, DispatchCompute)            \
                                                      X(PFNGLMEMORYBARRIERPROC, MemoryBarrier)            \
                                                          X(PFNGLDELETEPROGRAMPROC, DeleteProgram)        \
                                                              X(PFNGLDELETESHADERPROC, DeleteShader)      \
  X(PFNGLGENTEXTURESPROC, GenTextures) X(PFNGLBINDTEXTUREPROC, BindTexture)                               \
  X(PFNGLDELETETEXTURESPROC, DeleteTextures) X(PFNGLTEXSTORAGE2DPROC, TexStorage2D)                       \
  X(PFNGLTEXSUBIMAGE2DPROC, TexSubImage2D) X(PFNGLGETTEXIMAGEPROC, GetTexImage)                           \
  X(PFNGLGENFRAMEBUFFERSPROC, GenFramebuffers) X(PFNGLBINDFRAMEBUFFERPROC, BindFramebuffer)               \
  X(PFNGLDELETEFRAMEBUFFERSPROC, DeleteFramebuffers)                                                      \
  X(PFNGLFRAMEBUFFERTEXTURE2DPROC, FramebufferTexture2D)                                                  \
  X(PFNGLCHECKFRAMEBUFFERSTATUSPROC, CheckFramebufferStatus)                                              \
  X(PFNGLCLEARBUFFERFVPROC, ClearBufferfv) X(PFNGLCLEARBUFFERUIVPROC, ClearBufferuiv)                     \
  X(PFNGLENABLEPROC, Enable) X(PFNGLDISABLEPROC, Disable) X(PFNGLSCISSORPROC, Scissor)                    \
  X(PFNGLREADPIXELSPROC, ReadPixels)                                                       \
  X(PFNGLTEXSTORAGE3DPROC, TexStorage3D) X(PFNGLTEXSUBIMAGE3DPROC, TexSubImage3D)                         \
  X(PFNGLTEXPARAMETERIPROC, TexParameteri) X(PFNGLTEXPARAMETERFVPROC, TexParameterfv)                     \
  X(PFNGLTEXBUFFERPROC, TexBuffer) X(PFNGLBINDIMAGETEXTUREPROC, BindImageTexture)
// clang-format on

class Gl {
 public:
  // Opens the first render node that Mesa finds.
  static Result<Gl> open();
  Gl(Gl&& other) noexcept;
  Gl& operator=(Gl&&) = delete;
  ~Gl();

  // "NVC0, OpenGL 4.3 (Core Profile) Mesa 22.3.6"
  std::string description() const;
  // What the last calls have come to.
  Status check(std::string_view what) const;

#define GPUVM_GL_MEMBER(type, name) type name = nullptr;
  GPUVM_GL_FUNCTIONS(GPUVM_GL_MEMBER)
#undef GPUVM_GL_MEMBER

 private:
  Gl() = default;
  EGLDisplay display_ = EGL_NO_DISPLAY;
  EGLContext context_ = EGL_NO_CONTEXT;
};

// A shader storage buffer of words.
class WordBuffer {
 public:
  WordBuffer(Gl& gl, std::span<const uint32_t> words);
  WordBuffer(Gl& gl, std::span<const float> values);
  WordBuffer(const WordBuffer&) = delete;
  ~WordBuffer() { gl_.DeleteBuffers(1, &name_); }

  GLuint name() const { return name_; }
  void bind(unsigned binding) const { gl_.BindBufferBase(GL_SHADER_STORAGE_BUFFER, binding, name_); }
  std::vector<uint32_t> words() const;
  std::vector<float> floats() const;

 private:
  void read(void* to) const;

  Gl& gl_;
  size_t bytes_;
  GLuint name_ = 0;
};

class ComputeProgram {
 public:
  // GLSL without its #version line. Errors: the compiler's first line.
  static Result<ComputeProgram> compile(Gl& gl, std::string_view source);
  ComputeProgram(ComputeProgram&& other) noexcept : gl_(other.gl_), name_(std::exchange(other.name_, 0)) {}
  ~ComputeProgram() {
    if (name_ != 0) gl_->DeleteProgram(name_);
  }

  struct Uniform {
    const char* name;
    uint32_t value;
  };
  // Runs work groups; what comes after sees what they have written.
  void dispatch(std::span<const WordBuffer* const> buffers, std::initializer_list<Uniform> uniforms,
                unsigned x, unsigned y = 1) const;

 private:
  ComputeProgram(Gl& gl, GLuint name) : gl_(&gl), name_(name) {}
  Gl* gl_;
  GLuint name_;
};

}  // namespace gpuvm::guest
