#include "tracer/guest_program/compute/gl.h"

#include <EGL/eglext.h>

#include <utility>

namespace gpuvm::guest {
namespace {

constexpr size_t kMaxLog = 4096;

std::string first_line(const char* text) {
  const std::string_view all(text);
  return std::string(all.substr(0, all.find('\n')));
}

}  // namespace

Result<Gl> Gl::open() {
  Gl gl;
  gl.display_ = eglGetPlatformDisplay(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, nullptr);
  if (gl.display_ == EGL_NO_DISPLAY || eglInitialize(gl.display_, nullptr, nullptr) == EGL_FALSE)
    return error("EGL cannot open the surfaceless display: {:#x}", eglGetError());
  if (eglBindAPI(EGL_OPENGL_API) == EGL_FALSE) return error("EGL has no OpenGL: {:#x}", eglGetError());
  const EGLint attributes[] = {EGL_CONTEXT_MAJOR_VERSION,
                               4,
                               EGL_CONTEXT_MINOR_VERSION,
                               3,
                               EGL_CONTEXT_OPENGL_PROFILE_MASK,
                               EGL_CONTEXT_OPENGL_CORE_PROFILE_BIT,
                               EGL_NONE};
  gl.context_ = eglCreateContext(gl.display_, EGL_NO_CONFIG_KHR, EGL_NO_CONTEXT, attributes);
  if (gl.context_ == EGL_NO_CONTEXT ||
      eglMakeCurrent(gl.display_, EGL_NO_SURFACE, EGL_NO_SURFACE, gl.context_) == EGL_FALSE)
    return error("EGL cannot make an OpenGL 4.3 context: {:#x}", eglGetError());
#define GPUVM_GL_LOAD(type, name)                                  \
  gl.name = reinterpret_cast<type>(eglGetProcAddress("gl" #name)); \
  if (gl.name == nullptr) return error("EGL does not know gl" #name);
  GPUVM_GL_FUNCTIONS(GPUVM_GL_LOAD)
#undef GPUVM_GL_LOAD
  return gl;
}

Gl::Gl(Gl&& other) noexcept
    : display_(std::exchange(other.display_, EGL_NO_DISPLAY)),
      context_(std::exchange(other.context_, EGL_NO_CONTEXT)) {
#define GPUVM_GL_MOVE(type, name) name = other.name;
  GPUVM_GL_FUNCTIONS(GPUVM_GL_MOVE)
#undef GPUVM_GL_MOVE
}

Gl::~Gl() {
  if (display_ == EGL_NO_DISPLAY) return;
  eglMakeCurrent(display_, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
  if (context_ != EGL_NO_CONTEXT) eglDestroyContext(display_, context_);
  eglTerminate(display_);
}

std::string Gl::description() const {
  return fmt::format("{}, OpenGL {}", reinterpret_cast<const char*>(GetString(GL_RENDERER)),
                     reinterpret_cast<const char*>(GetString(GL_VERSION)));
}

Status Gl::check(std::string_view what) const {
  const GLenum code = GetError();
  if (code == GL_NO_ERROR) return Ok{};
  return error("{}: OpenGL error {:#x}", what, code);
}

WordBuffer::WordBuffer(Gl& gl, std::span<const uint32_t> words) : gl_(gl), bytes_(words.size_bytes()) {
  gl_.GenBuffers(1, &name_);
  gl_.BindBuffer(GL_SHADER_STORAGE_BUFFER, name_);
  gl_.BufferData(GL_SHADER_STORAGE_BUFFER, static_cast<GLsizeiptr>(bytes_), words.data(), GL_STATIC_DRAW);
}
WordBuffer::WordBuffer(Gl& gl, std::span<const float> values)
    : WordBuffer(gl, std::span(reinterpret_cast<const uint32_t*>(values.data()), values.size())) {}

void WordBuffer::read(void* to) const {
  gl_.BindBuffer(GL_SHADER_STORAGE_BUFFER, name_);
  gl_.GetBufferSubData(GL_SHADER_STORAGE_BUFFER, 0, static_cast<GLsizeiptr>(bytes_), to);
}
std::vector<uint32_t> WordBuffer::words() const {
  std::vector<uint32_t> out(bytes_ / 4);
  read(out.data());
  return out;
}
std::vector<float> WordBuffer::floats() const {
  std::vector<float> out(bytes_ / 4);
  read(out.data());
  return out;
}

Result<ComputeProgram> ComputeProgram::compile(Gl& gl, std::string_view source) {
  const std::string text = "#version 430 core\n" + std::string(source);
  const char* lines = text.c_str();
  const GLuint shader = gl.CreateShader(GL_COMPUTE_SHADER);
  gl.ShaderSource(shader, 1, &lines, nullptr);
  gl.CompileShader(shader);
  GLint ok = 0;
  char log[kMaxLog] = "";
  gl.GetShaderiv(shader, GL_COMPILE_STATUS, &ok);
  if (ok == 0) {
    gl.GetShaderInfoLog(shader, kMaxLog, nullptr, log);
    return error("the shader does not compile: {}", first_line(log));
  }
  ComputeProgram program(gl, gl.CreateProgram());
  gl.AttachShader(program.name_, shader);
  gl.LinkProgram(program.name_);
  gl.DeleteShader(shader);
  gl.GetProgramiv(program.name_, GL_LINK_STATUS, &ok);
  if (ok == 0) {
    gl.GetProgramInfoLog(program.name_, kMaxLog, nullptr, log);
    return error("the program does not link: {}", first_line(log));
  }
  return program;
}

void ComputeProgram::dispatch(std::span<const WordBuffer* const> buffers,
                              std::initializer_list<Uniform> uniforms, unsigned x, unsigned y) const {
  gl_->UseProgram(name_);
  for (unsigned i = 0; i < buffers.size(); ++i) buffers[i]->bind(i);
  for (const Uniform& uniform : uniforms)
    gl_->Uniform1ui(gl_->GetUniformLocation(name_, uniform.name), uniform.value);
  gl_->DispatchCompute(x, y, 1);
  gl_->MemoryBarrier(GL_SHADER_STORAGE_BARRIER_BIT | GL_BUFFER_UPDATE_BARRIER_BIT);
}

}  // namespace gpuvm::guest
