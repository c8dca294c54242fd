// A texture of OpenGL that a test fills and gives to a compute program.
#pragma once

#include <array>
#include <vector>

#include "tracer/guest_program/compute/gl.h"

namespace gpuvm::guest {

// What OpenGL calls a pixel's form in memory.
struct PixelForm {
  GLenum internal, format, type;
};

class Texture {
 public:
  struct Size {
    GLsizei width, height = 1, depth = 1;
    GLsizei levels = 1;
  };
  // With storage, which is undefined. `target`: of two or three dimensions, or GL_TEXTURE_BUFFER, which gets
  // its storage from `buffer`.
  Texture(Gl& gl, GLenum target, const PixelForm& form, const Size& size) : gl_(gl), target_(target) {
    gl_.GenTextures(1, &name_);
    gl_.BindTexture(target_, name_);
    if (target_ == GL_TEXTURE_2D || target_ == GL_TEXTURE_CUBE_MAP) {
      gl_.TexStorage2D(target_, size.levels, form.internal, size.width, size.height);
    } else {
      gl_.TexStorage3D(target_, size.levels, form.internal, size.width, size.height, size.depth);
    }
    set(GL_TEXTURE_MIN_FILTER, GL_NEAREST);
    set(GL_TEXTURE_MAG_FILTER, GL_NEAREST);
  }
  Texture(Gl& gl, const PixelForm& form, const WordBuffer& buffer) : gl_(gl), target_(GL_TEXTURE_BUFFER) {
    gl_.GenTextures(1, &name_);
    gl_.BindTexture(target_, name_);
    gl_.TexBuffer(target_, form.internal, buffer.name());
  }
  Texture(const Texture&) = delete;
  ~Texture() { gl_.DeleteTextures(1, &name_); }

  GLuint name() const { return name_; }
  void set(GLenum parameter, GLenum value) const {
    gl_.TexParameteri(target_, parameter, static_cast<GLint>(value));
  }

 private:
  Gl& gl_;
  GLenum target_;
  GLuint name_ = 0;
};

}  // namespace gpuvm::guest
