// textures: compute programs fetch and sample textures of every kind; each of their results is compared with
// what OpenGL's equations give for it.
#include <cmath>
#include <functional>

#include "tracer/guest_program/compute/texture.h"
#include "tracer/guest_program/compute/workloads.h"

namespace gpuvm::guest {
namespace {

constexpr uint32_t kAcross = 64, kDown = 32;  // points at which a program samples
constexpr size_t kPoints = size_t{kAcross} * kDown;
constexpr GLsizei kWidth = 37, kHeight = 29, kDepth = 5;  // no whole number of tiles
constexpr PixelForm kFloats{GL_RGBA32F, GL_RGBA, GL_FLOAT};

using Vector = std::array<float, 4>;
using Words = std::array<uint32_t, 4>;

uint32_t bits(float value) {
  return std::bit_cast<uint32_t>(value);
}

// What stands in texel (x, y) of slice, layer or face z of level l.
Vector texel(int64_t x, int64_t y, int64_t z = 0, int64_t l = 0) {
  const auto number = [](int64_t n) { return static_cast<float>(n) / 8; };
  return {number(x * 3), number(y * 5 - x), number(z * 16 + l * 64), number(x * y % 17)};
}
std::vector<Vector> level(int64_t width, int64_t height, int64_t depth, int64_t l = 0, int64_t first = 0) {
  std::vector<Vector> out;
  for (int64_t z = first; z < first + depth; ++z) {
    for (int64_t y = 0; y < height; ++y) {
      for (int64_t x = 0; x < width; ++x) out.push_back(texel(x, y, z, l));
    }
  }
  return out;
}

// A program that sets `r` from (x, y), the point's number on two axes. The results' bits, point after point.
Result<std::vector<uint32_t>> sampled(Gl& gl, std::string_view sampler, std::string_view body) {
  const std::vector<uint32_t> zeroes(kPoints * 4);
  const WordBuffer out(gl, zeroes);
  const std::string source = fmt::format(
      "layout(local_size_x = 64) in;\nlayout(binding = 0) uniform {} t;\n"
      "layout(std430, binding = 0) buffer Out {{ uvec4 words[]; }};\n"
      "void main() {{\n  int x = int(gl_GlobalInvocationID.x) % {}, y = int(gl_GlobalInvocationID.x) / {};\n"
      "  uvec4 r;\n  {}\n  words[gl_GlobalInvocationID.x] = r;\n}}\n",
      sampler, kAcross, kAcross, body);
  GPUVM_TRY(const ComputeProgram program, ComputeProgram::compile(gl, source));
  const WordBuffer* const buffers[] = {&out};
  program.dispatch(buffers, {}, kPoints / 64);
  GPUVM_TRY_STATUS(gl.check(sampler));
  return out.words();
}

using Expected = std::function<Vector(int x, int y)>;
// Within `bound` of the expected, which is exact at 0.
Status check_floats(Gl& gl, std::string_view what, std::string_view sampler, std::string_view expression,
                    const Expected& expected, float bound) {
  GPUVM_TRY(const auto got, sampled(gl, sampler, fmt::format("r = floatBitsToUint({});", expression)));
  for (size_t n = 0; n < kPoints; ++n) {
    const Vector value = expected(static_cast<int>(n % kAcross), static_cast<int>(n / kAcross));
    for (size_t i = 0; i < 4; ++i) {
      const float found = std::bit_cast<float>(got[4 * n + i]);
      if (!(std::fabs(found - value[i]) <= bound))
        return error("{}: component {} at ({}, {}) is {}, should be {}", what, i, n % kAcross, n / kAcross,
                     found, value[i]);
    }
  }
  return Ok{};
}

// Formats: what texelFetch gives of a word of memory.
struct Format {
  const char* name;
  PixelForm form;
  const char* sampler;
  Words (*expected)(uint32_t word);
};
float unorm(uint32_t value, unsigned count) {
  const uint32_t most = (1u << count) - 1;
  return static_cast<float>(static_cast<double>(value & most) / most);
}
uint32_t field(uint32_t word, unsigned low, unsigned count) {
  return word >> low & ((1u << count) - 1);
}
uint32_t extended(uint32_t word, unsigned low, unsigned count) {
  return static_cast<uint32_t>(static_cast<int32_t>(word << (32 - low - count)) >> (32 - count));
}
constexpr Format kFormats[] = {
    {"RGBA8",
     {GL_RGBA8, GL_RGBA, GL_UNSIGNED_BYTE},
     "sampler2D",
     [](uint32_t w) -> Words {
       return {bits(unorm(w, 8)), bits(unorm(w >> 8, 8)), bits(unorm(w >> 16, 8)), bits(unorm(w >> 24, 8))};
     }},
    {"RG16",
     {GL_RG16, GL_RG, GL_UNSIGNED_SHORT},
     "sampler2D",
     [](uint32_t w) -> Words {
       return {bits(unorm(w, 16)), bits(unorm(w >> 16, 16)), 0, bits(1)};
     }},
    {"RGB10_A2",
     {GL_RGB10_A2, GL_RGBA, GL_UNSIGNED_INT_2_10_10_10_REV},
     "sampler2D",
     [](uint32_t w) -> Words {
       return {bits(unorm(w, 10)), bits(unorm(w >> 10, 10)), bits(unorm(w >> 20, 10)),
               bits(unorm(w >> 30, 2))};
     }},
    {"R32F",
     {GL_R32F, GL_RED, GL_FLOAT},
     "sampler2D",
     [](uint32_t w) -> Words {
       return {w, 0, 0, bits(1)};
     }},
    {"R32UI",
     {GL_R32UI, GL_RED_INTEGER, GL_UNSIGNED_INT},
     "usampler2D",
     [](uint32_t w) -> Words {
       return {w, 0, 0, 1};
     }},
    {"RGBA8I",
     {GL_RGBA8I, GL_RGBA_INTEGER, GL_BYTE},
     "isampler2D",
     [](uint32_t w) -> Words {
       return {extended(w, 0, 8), extended(w, 8, 8), extended(w, 16, 8), extended(w, 24, 8)};
     }},
    {"RG16UI",
     {GL_RG16UI, GL_RG_INTEGER, GL_UNSIGNED_SHORT},
     "usampler2D",
     [](uint32_t w) -> Words {
       return {field(w, 0, 16), field(w, 16, 16), 0, 1};
     }},
};

Status check_format(Gl& gl, const Format& format) {
  const Texture texture(gl, GL_TEXTURE_2D, format.form, {kWidth, kHeight});
  Numbers numbers(format.form.internal);
  std::vector<uint32_t> words(size_t{kWidth} * kHeight);
  for (uint32_t& word : words) word = numbers.word() & 0xbfffffff;  // as a float no NaN
  gl.TexSubImage2D(GL_TEXTURE_2D, 0, 0, 0, kWidth, kHeight, format.form.format, format.form.type,
                   words.data());
  const bool floats = format.sampler[0] == 's';
  const char* convert = floats ? "floatBitsToUint" : "uvec4";
  GPUVM_TRY(const auto got, sampled(gl, format.sampler,
                                    fmt::format("r = {}(texelFetch(t, ivec2(x % {}, y % {}), 0));", convert,
                                                kWidth, kHeight)));
  for (size_t n = 0; n < kPoints; ++n) {
    const Words expected = format.expected(words[n / kAcross % kHeight * kWidth + n % kAcross % kWidth]);
    for (size_t i = 0; i < 4; ++i) {
      // A normalised number is within a unit of the last place: some divide, some multiply.
      const uint32_t found = got[4 * n + i],
                     distance = std::max(found, expected[i]) - std::min(found, expected[i]);
      if (distance > (floats ? 1 : 0))
        return error("a texel of {}: component {} of point {} is {:#x}, should be {:#x}", format.name, i, n,
                     found, expected[i]);
    }
  }
  return Ok{};
}

// Coordinates of a point: exact in floats, and so are their products with a size.
constexpr char kAt[] = "vec2(float(x) * 3.0 - 60.0, float(y) * 5.0 - 50.0) / 64.0";
double s_of(int x) {
  return (x * 3.0 - 60) / 64;
}
double t_of(int y) {
  return (y * 5.0 - 50) / 64;
}

int64_t wrapped(GLenum wrap, int64_t i, int64_t size) {
  switch (wrap) {
    case GL_REPEAT:
      return (i % size + size) % size;
    case GL_MIRRORED_REPEAT: {
      const int64_t two = (i % (2 * size) + 2 * size) % (2 * size);
      return two < size ? two : 2 * size - 1 - two;
    }
    case GL_CLAMP_TO_EDGE:
      return std::clamp<int64_t>(i, 0, size - 1);
    default:
      return i < 0 || i >= size ? -1 : i;
  }
}
constexpr Vector kBorder{-7, 5, 0.5f, 100};

Vector nearest(GLenum wrap, double s, double t, int64_t width, int64_t height, int64_t z = 0, int64_t l = 0) {
  const int64_t x = wrapped(wrap, static_cast<int64_t>(std::floor(s * static_cast<double>(width))), width);
  const int64_t y = wrapped(wrap, static_cast<int64_t>(std::floor(t * static_cast<double>(height))), height);
  return x < 0 || y < 0 ? kBorder : texel(x, y, z, l);
}
Vector linear(GLenum wrap, double s, double t, int64_t width, int64_t height, int64_t z = 0) {
  const double u = s * static_cast<double>(width) - 0.5, v = t * static_cast<double>(height) - 0.5;
  const double a = u - std::floor(u), b = v - std::floor(v);
  std::array<double, 4> sum{};
  for (int corner = 0; corner < 4; ++corner) {
    const int64_t x = wrapped(wrap, static_cast<int64_t>(std::floor(u)) + (corner & 1), width);
    const int64_t y = wrapped(wrap, static_cast<int64_t>(std::floor(v)) + (corner >> 1), height);
    const Vector found = x < 0 || y < 0 ? kBorder : texel(x, y, z);
    const double weight = ((corner & 1) != 0 ? a : 1 - a) * ((corner >> 1) != 0 ? b : 1 - b);
    for (size_t i = 0; i < 4; ++i) sum[i] += weight * found[i];
  }
  Vector out;
  for (size_t i = 0; i < 4; ++i) out[i] = static_cast<float>(sum[i]);
  return out;
}
// Weights have eight bits in the hardware: so much of the largest difference between texels.
constexpr float kFilterBound = 128.0f / 256;

Status check_wraps(Gl& gl) {
  const Texture texture(gl, GL_TEXTURE_2D, kFloats, {kWidth, kHeight});
  const auto texels = level(kWidth, kHeight, 1);
  gl.TexSubImage2D(GL_TEXTURE_2D, 0, 0, 0, kWidth, kHeight, GL_RGBA, GL_FLOAT, texels.data());
  gl.TexParameterfv(GL_TEXTURE_2D, GL_TEXTURE_BORDER_COLOR, kBorder.data());
  const std::string expression = fmt::format("textureLod(t, {}, 0.0)", kAt);
  for (const GLenum wrap : {GL_REPEAT, GL_MIRRORED_REPEAT, GL_CLAMP_TO_EDGE, GL_CLAMP_TO_BORDER}) {
    texture.set(GL_TEXTURE_WRAP_S, wrap);
    texture.set(GL_TEXTURE_WRAP_T, wrap);
    texture.set(GL_TEXTURE_MIN_FILTER, GL_NEAREST);
    texture.set(GL_TEXTURE_MAG_FILTER, GL_NEAREST);
    GPUVM_TRY_STATUS(check_floats(
        gl, "the nearest texel", "sampler2D", expression,
        [&](int x, int y) { return nearest(wrap, s_of(x), t_of(y), kWidth, kHeight); }, 0));
    texture.set(GL_TEXTURE_MIN_FILTER, GL_LINEAR);
    texture.set(GL_TEXTURE_MAG_FILTER, GL_LINEAR);
    GPUVM_TRY_STATUS(check_floats(
        gl, "the mean of four texels", "sampler2D", expression,
        [&](int x, int y) { return linear(wrap, s_of(x), t_of(y), kWidth, kHeight); }, kFilterBound));
  }
  return check_floats(
      gl, "four gathered texels", "sampler2D", fmt::format("textureGather(t, {}, 1)", kAt),
      [](int x, int y) -> Vector {
        const auto at = [&](int dx, int dy) {
          const auto u = static_cast<int64_t>(std::floor(s_of(x) * kWidth - 0.5)) + dx;
          const auto v = static_cast<int64_t>(std::floor(t_of(y) * kHeight - 0.5)) + dy;
          const int64_t i = wrapped(GL_CLAMP_TO_BORDER, u, kWidth),
                        j = wrapped(GL_CLAMP_TO_BORDER, v, kHeight);
          return i < 0 || j < 0 ? kBorder[1] : texel(i, j)[1];
        };
        return {at(0, 1), at(1, 1), at(1, 0), at(0, 0)};
      },
      0);
}

Status check_levels(Gl& gl) {
  constexpr GLsizei kLevels = 4;
  const Texture texture(gl, GL_TEXTURE_2D, kFloats, {kWidth, kHeight, 1, kLevels});
  for (GLint l = 0; l < kLevels; ++l) {
    const auto texels = level(kWidth >> l, kHeight >> l, 1, l);
    gl.TexSubImage2D(GL_TEXTURE_2D, l, 0, 0, kWidth >> l, kHeight >> l, GL_RGBA, GL_FLOAT, texels.data());
  }
  texture.set(GL_TEXTURE_MIN_FILTER, GL_NEAREST_MIPMAP_NEAREST);
  const auto of_level = [](int x, int y) {
    const int l = x % kLevels;
    return nearest(GL_REPEAT, s_of(x), t_of(y), kWidth >> l, kHeight >> l, 0, l);
  };
  GPUVM_TRY_STATUS(check_floats(gl, "a level's texel", "sampler2D",
                                fmt::format("textureLod(t, {}, float(x % {}))", kAt, kLevels), of_level, 0));
  // Derivatives of 2^l texels.
  GPUVM_TRY_STATUS(
      check_floats(gl, "the texel of the level that derivatives choose", "sampler2D",
                   fmt::format("textureGrad(t, {}, vec2(exp2(float(x % {})) / {}.0, 0.0), vec2(0.0))", kAt,
                               kLevels, kWidth),
                   of_level, 0));
  return check_floats(
      gl, "the sizes of levels", "sampler2D",
      fmt::format("vec4(textureSize(t, y % {}), textureQueryLevels(t), 0)", kLevels),
      [](int, int y) -> Vector {
        const int l = y % kLevels;
        return {static_cast<float>(kWidth >> l), static_cast<float>(kHeight >> l), kLevels, 0};
      },
      0);
}

Status check_layers(Gl& gl) {
  const auto texels = level(kWidth, kHeight, kDepth);
  {
    const Texture texture(gl, GL_TEXTURE_2D_ARRAY, kFloats, {kWidth, kHeight, kDepth});
    gl.TexSubImage3D(GL_TEXTURE_2D_ARRAY, 0, 0, 0, 0, kWidth, kHeight, kDepth, GL_RGBA, GL_FLOAT,
                     texels.data());
    GPUVM_TRY_STATUS(check_floats(
        gl, "a layer's texel", "sampler2DArray",
        fmt::format("textureLod(t, vec3({}, float(y % {})), 0.0)", kAt, kDepth),
        [](int x, int y) { return nearest(GL_REPEAT, s_of(x), t_of(y), kWidth, kHeight, y % kDepth); }, 0));
  }
  const Texture texture(gl, GL_TEXTURE_3D, kFloats, {kWidth, kHeight, kDepth});
  gl.TexSubImage3D(GL_TEXTURE_3D, 0, 0, 0, 0, kWidth, kHeight, kDepth, GL_RGBA, GL_FLOAT, texels.data());
  GPUVM_TRY_STATUS(check_floats(
      gl, "a slice's texel", "sampler3D",
      fmt::format("texelFetch(t, ivec3(x % {}, y % {}, y % {}), 0)", kWidth, kHeight, kDepth),
      [](int x, int y) { return texel(x % kWidth, y % kHeight, y % kDepth); }, 0));
  texture.set(GL_TEXTURE_MIN_FILTER, GL_LINEAR);
  texture.set(GL_TEXTURE_MAG_FILTER, GL_LINEAR);
  texture.set(GL_TEXTURE_WRAP_R, GL_CLAMP_TO_EDGE);
  // Half way between the second and the third slice.
  return check_floats(
      gl, "the mean of eight texels", "sampler3D",
      fmt::format("textureLod(t, vec3({}, 2.0 / {}.0), 0.0)", kAt, kDepth),
      [](int x, int y) {
        const Vector a = linear(GL_REPEAT, s_of(x), t_of(y), kWidth, kHeight, 1);
        const Vector b = linear(GL_REPEAT, s_of(x), t_of(y), kWidth, kHeight, 2);
        return Vector{(a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2, (a[3] + b[3]) / 2};
      },
      kFilterBound);
}

Status check_cube(Gl& gl) {
  constexpr GLsizei kSize = 16;
  const Texture texture(gl, GL_TEXTURE_CUBE_MAP, kFloats, {kSize, kSize});
  for (GLint face = 0; face < 6; ++face) {
    const auto texels = level(kSize, kSize, 1, 0, face);
    gl.TexSubImage2D(GL_TEXTURE_CUBE_MAP_POSITIVE_X + static_cast<GLenum>(face), 0, 0, 0, kSize, kSize,
                     GL_RGBA, GL_FLOAT, texels.data());
  }
  // The centres of texels of each face in turn.
  return check_floats(
      gl, "a texel of a cube's face", "samplerCube",
      "textureLod(t, mat3[6](mat3(0,0,-1, 0,-1,0, 1,0,0), mat3(0,0,1, 0,-1,0, -1,0,0), mat3(1,0,0, 0,0,1, "
      "0,1,0),"
      " mat3(1,0,0, 0,0,-1, 0,-1,0), mat3(1,0,0, 0,-1,0, 0,0,1), mat3(-1,0,0, 0,-1,0, 0,0,-1))[y % 6]"
      " * vec3((float(x % 16) - 7.5) / 8.0, (float(y % 16) - 7.5) / 8.0, 1.0), 0.0)",
      [](int x, int y) { return texel(x % kSize, y % kSize, y % 6); }, 0);
}

Status check_buffer(Gl& gl) {
  std::vector<float> numbers(kPoints * 4);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i) / 4;
  const WordBuffer words(gl, numbers);
  const Texture texture(gl, kFloats, words);
  return check_floats(
      gl, "a texel of a buffer", "samplerBuffer", fmt::format("texelFetch(t, y * {} + x)", kAcross),
      [&](int x, int y) {
        const float* at = &numbers[4 * (static_cast<size_t>(y) * kAcross + static_cast<size_t>(x))];
        return Vector{at[0], at[1], at[2], at[3]};
      },
      0);
}

}  // namespace

Result<std::string> run_textures(Gl& gl, Session& session) {
  GPUVM_TRY_STATUS(session.phase("launch"));
  for (const Format& format : kFormats) GPUVM_TRY_STATUS(check_format(gl, format));
  for (const auto check : {check_wraps, check_levels, check_layers, check_cube, check_buffer})
    GPUVM_TRY_STATUS(check(gl));
  gl.Finish();
  GPUVM_TRY_STATUS(session.phase("close"));
  return fmt::format("texels of {} formats, and filters, wraps, levels, layers and faces",
                     std::size(kFormats));
}

}  // namespace gpuvm::guest
