// images: compute programs store to images, read them, and add to them by atomic operations; every texel is
// checked, by the program that reads and from here.
#include "tracer/guest_program/compute/texture.h"
#include "tracer/guest_program/compute/workloads.h"

namespace gpuvm::guest {
namespace {

constexpr GLsizei kWidth = 37, kHeight = 29, kDepth = 5;
constexpr size_t kPixels = size_t{kWidth} * kHeight;
constexpr uint32_t kGroup = 8;

struct Kind {
  const char* name;
  GLenum target;
  const char* image;  // "image2D", after a prefix of the type
  const char* at;     // of a thread
  GLsizei depth;
};
constexpr Kind kKinds[] = {
    {"2D", GL_TEXTURE_2D, "image2D", "at.xy", 1},
    {"2D array", GL_TEXTURE_2D_ARRAY, "image2DArray", "at", kDepth},
    {"3D", GL_TEXTURE_3D, "image3D", "at", kDepth},
};

// What thread n stores of a word that depends on n alone, and what stands in memory then.
struct Format {
  const char* name;
  const char* prefix;  // of "image2D"
  PixelForm form;
  const char* value;  // of `w`
  size_t words;       // a pixel
  std::array<uint32_t, 4> (*stored)(uint32_t w);
};
constexpr Format kFormats[] = {
    {"r32ui",
     "u",
     {GL_R32UI, GL_RED_INTEGER, GL_UNSIGNED_INT},
     "uvec4(w)",
     1,
     [](uint32_t w) -> std::array<uint32_t, 4> { return {w}; }},
    {"rgba32ui",
     "u",
     {GL_RGBA32UI, GL_RGBA_INTEGER, GL_UNSIGNED_INT},
     "uvec4(w, w + 1u, w * 3u, ~w)",
     4,
     [](uint32_t w) -> std::array<uint32_t, 4> {
       return {w, w + 1, w * 3, ~w};
     }},
    {"rgba8",
     "",
     {GL_RGBA8, GL_RGBA, GL_UNSIGNED_BYTE},
     "unpackUnorm4x8(w)",
     1,
     [](uint32_t w) -> std::array<uint32_t, 4> { return {w}; }},
    {"rgba8i",
     "i",
     {GL_RGBA8I, GL_RGBA_INTEGER, GL_BYTE},
     "ivec4(int(w << 24), int(w << 16), int(w << 8), int(w)) >> 24",
     1,
     [](uint32_t w) -> std::array<uint32_t, 4> { return {w}; }},
    {"rg16f",
     "",
     {GL_RG16F, GL_RG, GL_HALF_FLOAT},
     "vec4(float(w & 1023u), -float(w >> 20 & 1023u), 9.0, 9.0)",
     1,
     [](uint32_t w) -> std::array<uint32_t, 4> {
       // Halves of whole numbers below 1024, which are exact.
       const auto half = [](uint32_t n) {
         const unsigned width = static_cast<unsigned>(std::bit_width(n));
         return n == 0 ? 0 : (width + 14) << 10 | (n << (11 - width) & 0x3ff);
       };
       return {half(w & 1023) | (half(w >> 20 & 1023) | 0x8000) << 16};
     }},
};

uint32_t word_of(size_t n) {
  return static_cast<uint32_t>(n) * 2654435761u + 12345u;
}

// GLSL: where the thread is, its number, and its word.
std::string head(std::string_view format, std::string_view image, bool write_only = false) {
  return fmt::format(
      "layout(local_size_x = {0}, local_size_y = {0}) in;\nlayout(binding = 0, {1}) uniform {4} {2} img;\n"
      "layout(std430, binding = 0) buffer Out {{ uint wrong; }};\n"
      "const ivec3 size = ivec3({3});\nuniform uint slice;\n"
      "void main() {{\n  ivec3 at = ivec3(gl_GlobalInvocationID.xy, slice);\n"
      "  if (any(greaterThanEqual(at, size))) return;\n"
      "  uint n = uint((at.z * size.y + at.y) * size.x + at.x), w = n * 2654435761u + 12345u;\n",
      kGroup, format, image, fmt::format("{}, {}, {}", kWidth, kHeight, kDepth),
      write_only ? "writeonly" : "");
}

class Images {
 public:
  explicit Images(Gl& gl) : gl_(gl), wrong_(gl, std::span<const uint32_t>(kZero)) {}

  // Runs the program for every slice.
  Status run(const std::string& source, GLsizei depth) {
    GPUVM_TRY(const ComputeProgram program, ComputeProgram::compile(gl_, source));
    const WordBuffer* const buffers[] = {&wrong_};
    for (uint32_t z = 0; z < static_cast<uint32_t>(depth); ++z)
      program.dispatch(buffers, {{"slice", z}}, (kWidth + kGroup - 1) / kGroup,
                       (kHeight + kGroup - 1) / kGroup);
    gl_.MemoryBarrier(GL_ALL_BARRIER_BITS);
    return gl_.check("the dispatch");
  }

  Status check(const Format& format, const Kind& kind) {
    const std::string what = fmt::format("{} image of {}", kind.name, format.name);
    const Texture texture(gl_, kind.target, format.form, {kWidth, kHeight, kind.depth});
    gl_.BindImageTexture(0, texture.name(), 0, GL_TRUE, 0, GL_READ_WRITE, format.form.internal);
    const std::string image = std::string(format.prefix) + kind.image;
    GPUVM_TRY_STATUS(
        run(head(format.name, image) + fmt::format("  imageStore(img, {}, {});\n}}\n", kind.at, format.value),
            kind.depth));
    // As the image's own loads see it.
    const std::string vector = std::string(format.prefix) + "vec4";
    // What a load gives besides the components that there are; of normalised ones its last bit is open.
    const std::string differs = format.form.type == GL_UNSIGNED_BYTE   ? "packUnorm4x8(got) != w"
                                : format.form.format == GL_RG          ? "got != vec4(want.xy, 0.0, 1.0)"
                                : format.form.format == GL_RED_INTEGER ? "got != uvec4(w, 0u, 0u, 1u)"
                                                                       : "got != want";
    GPUVM_TRY_STATUS(run(
        head(format.name, image) +
            fmt::format("  {} want = {}, got = imageLoad(img, {});\n"
                        "  if ({}) atomicAdd(wrong, 1u);\n"
                        "  if (imageLoad(img, {} + {}(100)).x != {}(0).x) atomicAdd(wrong, 65536u);\n}}\n",
                        vector, format.value, kind.at, differs, kind.at,
                        kind.depth > 1 ? "ivec3(1, 1, 0) * ivec3" : "ivec2", vector),
        kind.depth));
    const uint32_t wrong = wrong_.words()[0];
    if (wrong != 0)
      return error("{}: {} loads are wrong, and {} outside of it", what, wrong % 65536, wrong / 65536);
    // And as it lies in memory.
    std::vector<uint32_t> got(kPixels * static_cast<size_t>(kind.depth) * format.words);
    gl_.GetTexImage(kind.target, 0, format.form.format, format.form.type, got.data());
    GPUVM_TRY_STATUS(gl_.check(what));
    for (size_t n = 0; n < got.size(); ++n) {
      const uint32_t expected = format.stored(word_of(n / format.words))[n % format.words];
      if (got[n] != expected)
        return error("{}: word {} of pixel {} is {:#x}, should be {:#x}", what, n % format.words,
                     n / format.words, got[n], expected);
    }
    return Ok{};
  }

  // Every thread adds to a pixel that it shares with others, and exchanges another.
  Status check_atomics(const Kind& kind) {
    static constexpr PixelForm kWord{GL_R32UI, GL_RED_INTEGER, GL_UNSIGNED_INT};
    const Texture texture(gl_, kind.target, kWord, {kWidth, kHeight, kind.depth});
    gl_.BindImageTexture(0, texture.name(), 0, GL_TRUE, 0, GL_READ_WRITE, GL_R32UI);
    const std::string image = std::string("u") + kind.image;
    GPUVM_TRY_STATUS(run(
        head("r32ui", image) + fmt::format("  imageStore(img, {}, uvec4(n));\n}}\n", kind.at), kind.depth));
    GPUVM_TRY_STATUS(
        run(head("r32ui", image) +
                fmt::format("  at.x = at.x / 4 * 4;\n  imageAtomicAdd(img, {0}, 1000u);\n"
                            "  at.x = min(at.x + 1, size.x - 1);\n  imageAtomicMax(img, {0}, w);\n"
                            "  at.x = min(at.x + 1, size.x - 1);\n"
                            "  imageAtomicCompSwap(img, {0}, n, n + 7u);\n}}\n",
                            kind.at),
            kind.depth));
    std::vector<uint32_t> got(kPixels * static_cast<size_t>(kind.depth)), expected(got.size());
    gl_.GetTexImage(kind.target, 0, kWord.format, kWord.type, got.data());
    GPUVM_TRY_STATUS(gl_.check("atomic operations"));
    for (size_t n = 0; n < expected.size(); ++n) expected[n] = static_cast<uint32_t>(n);
    for (size_t n = 0; n < expected.size(); ++n) {
      const size_t x = n % kWidth, row = n - x, first = x / 4 * 4;
      expected[row + first] += 1000;
      if (first + 2 >= kWidth) continue;  // the last column is on its own
      uint32_t& most = expected[row + first + 1];
      most = std::max(most, word_of(n));
      if (x == first + 2) expected[n] += 7;
    }
    // In the last column the three operations meet, in any order: it is left out.
    for (size_t n = kWidth - 1; n < expected.size(); n += kWidth) expected[n] = got[n] = 0;
    return check_same<uint32_t>(got, expected, fmt::format("atomic operations on a {} image", kind.name));
  }

  Status check_buffer() {
    static constexpr PixelForm kWord{GL_R32UI, GL_RED_INTEGER, GL_UNSIGNED_INT};
    const std::vector<uint32_t> zeroes(kPixels);
    const WordBuffer words(gl_, zeroes);
    const Texture texture(gl_, kWord, words);
    gl_.BindImageTexture(0, texture.name(), 0, GL_FALSE, 0, GL_READ_WRITE, GL_R32UI);
    GPUVM_TRY_STATUS(
        run(head("r32ui", "uimageBuffer") +
                "  imageStore(img, int(n), uvec4(w));\n  imageAtomicXor(img, int(n), n);\n"
                "  if (imageLoad(img, int(n)).x != (w ^ n) || imageSize(img) != size.x * size.y)\n"
                "    atomicAdd(wrong, 1u);\n}\n",
            1));
    if (wrong_.words()[0] != 0) return error("a buffer image: {} loads are wrong", wrong_.words()[0]);
    std::vector<uint32_t> expected(kPixels);
    for (size_t n = 0; n < kPixels; ++n) expected[n] = word_of(n) ^ static_cast<uint32_t>(n);
    return check_same<uint32_t>(words.words(), expected, "a buffer image");
  }

 private:
  static constexpr uint32_t kZero[1] = {0};
  Gl& gl_;
  WordBuffer wrong_;
};

}  // namespace

Result<std::string> run_images(Gl& gl, Session& session) {
  GPUVM_TRY_STATUS(session.phase("launch"));
  Images images(gl);
  for (const Kind& kind : kKinds) {
    for (const Format& format : kFormats) GPUVM_TRY_STATUS(images.check(format, kind));
    GPUVM_TRY_STATUS(images.check_atomics(kind));
  }
  GPUVM_TRY_STATUS(images.check_buffer());
  gl.Finish();
  GPUVM_TRY_STATUS(session.phase("close"));
  return fmt::format("pixels of {} formats in images of {} kinds, stored, loaded and updated,",
                     std::size(kFormats), std::size(kKinds) + 1);
}

}  // namespace gpuvm::guest
