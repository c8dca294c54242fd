// hotspot and srad, after the Rodinia benchmarks of these names: stencils on a grid.
#include "tracer/guest_program/compute/workloads.h"

namespace gpuvm::guest {
namespace {

constexpr uint32_t kSize = 64, kGroup = 16;
constexpr uint32_t kHotspotSteps = 16, kSradSteps = 4;

constexpr std::string_view kGrid = R"(
layout(local_size_x = 16, local_size_y = 16) in;
uniform uint n;
uint at(uint y, uint x) { return y * n + x; }
uint up(uint i) { return i == 0u ? 0u : i - 1u; }
uint down(uint i) { return min(i + 1u, n - 1u); }
)";

// Heat: each cell's temperature follows its neighbours', the surroundings' and the power at the place.
constexpr std::string_view kHotspot = R"(
layout(std430, binding = 0) readonly buffer Power { float power[]; };
layout(std430, binding = 1) readonly buffer From { float from[]; };
layout(std430, binding = 2) writeonly buffer To { float to[]; };
void main() {
  uint x = gl_GlobalInvocationID.x, y = gl_GlobalInvocationID.y;
  float t = from[at(y, x)];
  float vertical = fma(-2.0, t, from[at(up(y), x)] + from[at(down(y), x)]);
  float horizontal = fma(-2.0, t, from[at(y, up(x))] + from[at(y, down(x))]);
  float sum = fma(vertical, 0.1, power[at(y, x)]);
  sum = fma(horizontal, 0.1, sum);
  sum = fma(80.0 - t, 0.05, sum);
  to[at(y, x)] = fma(0.5, sum, t);
}
)";

// Speckle-reducing anisotropic diffusion: how much flows over an edge depends on how steep it is there.
constexpr std::string_view kCoefficients = R"(
layout(std430, binding = 0) readonly buffer Image { float image[]; };
layout(std430, binding = 1) writeonly buffer Coefficient { float coefficient[]; };
void main() {
  uint x = gl_GlobalInvocationID.x, y = gl_GlobalInvocationID.y;
  float j = image[at(y, x)];
  float a = image[at(up(y), x)] - j, b = image[at(down(y), x)] - j;
  float c = image[at(y, up(x))] - j, d = image[at(y, down(x))] - j;
  float gradient = (a * a + b * b + c * c + d * d) / (j * j);
  float laplacian = (a + b + c + d) / j;
  float numerator = 0.5 * gradient - 0.0625 * laplacian * laplacian;
  float denominator = 1.0 + 0.25 * laplacian;
  float q = numerator / (denominator * denominator);
  coefficient[at(y, x)] = clamp(1.0 / (1.0 + (q - 0.05) / (0.05 * 1.05)), 0.0, 1.0);
}
)";
constexpr std::string_view kDiffuse = R"(
layout(std430, binding = 0) readonly buffer Image { float image[]; };
layout(std430, binding = 1) readonly buffer Coefficient { float coefficient[]; };
layout(std430, binding = 2) writeonly buffer To { float to[]; };
void main() {
  uint x = gl_GlobalInvocationID.x, y = gl_GlobalInvocationID.y;
  float j = image[at(y, x)], c = coefficient[at(y, x)];
  float sum = c * (image[at(up(y), x)] - j) + coefficient[at(down(y), x)] * (image[at(down(y), x)] - j);
  sum += c * (image[at(y, up(x))] - j) + coefficient[at(y, down(x))] * (image[at(y, down(x))] - j);
  to[at(y, x)] = j + 0.125 * sum;
}
)";

using Grid = std::vector<float>;
uint32_t at(uint32_t y, uint32_t x) {
  return y * kSize + x;
}
uint32_t up(uint32_t i) {
  return i == 0 ? 0 : i - 1;
}
uint32_t down(uint32_t i) {
  return std::min(i + 1, kSize - 1);
}

template <typename Cell>
Grid for_each_cell(Cell cell) {
  Grid out(size_t{kSize} * kSize);
  for (uint32_t y = 0; y < kSize; ++y)
    for (uint32_t x = 0; x < kSize; ++x) out[at(y, x)] = cell(y, x);
  return out;
}

Grid hotspot_step(const Grid& power, const Grid& from) {
  return for_each_cell([&](uint32_t y, uint32_t x) {
    const float t = from[at(y, x)];
    const float vertical = std::fma(-2.0f, t, from[at(up(y), x)] + from[at(down(y), x)]);
    const float horizontal = std::fma(-2.0f, t, from[at(y, up(x))] + from[at(y, down(x))]);
    float sum = std::fma(vertical, 0.1f, power[at(y, x)]);
    sum = std::fma(horizontal, 0.1f, sum);
    sum = std::fma(80.0f - t, 0.05f, sum);
    return std::fma(0.5f, sum, t);
  });
}

Grid srad_step(const Grid& image) {
  const Grid coefficient = for_each_cell([&](uint32_t y, uint32_t x) {
    const float j = image[at(y, x)];
    const float a = image[at(up(y), x)] - j, b = image[at(down(y), x)] - j;
    const float c = image[at(y, up(x))] - j, d = image[at(y, down(x))] - j;
    const float gradient = (a * a + b * b + c * c + d * d) / (j * j);
    const float laplacian = (a + b + c + d) / j;
    const float numerator = 0.5f * gradient - 0.0625f * laplacian * laplacian;
    const float denominator = 1.0f + 0.25f * laplacian;
    const float q = numerator / (denominator * denominator);
    return std::fmin(std::fmax(1.0f / (1.0f + (q - 0.05f) / (0.05f * 1.05f)), 0.0f), 1.0f);
  });
  return for_each_cell([&](uint32_t y, uint32_t x) {
    const float j = image[at(y, x)], c = coefficient[at(y, x)];
    float sum = c * (image[at(up(y), x)] - j) + coefficient[at(down(y), x)] * (image[at(down(y), x)] - j);
    sum += c * (image[at(y, up(x))] - j) + coefficient[at(y, down(x))] * (image[at(y, down(x))] - j);
    return j + 0.125f * sum;
  });
}

Grid random_grid(uint32_t seed, float from, float range) {
  Numbers numbers(seed);
  return for_each_cell([&](uint32_t, uint32_t) { return from + range * numbers.fraction(); });
}

std::string with_grid(std::string_view source) {
  return fmt::format("{}{}", kGrid, source);
}

}  // namespace

Result<std::string> run_hotspot(Gl& gl, Session& session) {
  GPUVM_TRY(const ComputeProgram program, ComputeProgram::compile(gl, with_grid(kHotspot)));
  const Grid power = random_grid(3, 0, 1), start = random_grid(4, 320, 20);
  GPUVM_TRY_STATUS(session.phase("HtoD"));
  const WordBuffer powers(gl, power), even(gl, start), odd(gl, start);
  gl.Finish();
  GPUVM_TRY_STATUS(session.phase("launch"));
  for (uint32_t step = 0; step < kHotspotSteps; ++step) {
    const WordBuffer* buffers[] = {&powers, step % 2 == 0 ? &even : &odd, step % 2 == 0 ? &odd : &even};
    program.dispatch(buffers, {{"n", kSize}}, kSize / kGroup, kSize / kGroup);
  }
  gl.Finish();
  GPUVM_TRY_STATUS(session.phase("DtoH"));
  const Grid got = even.floats();
  GPUVM_TRY_STATUS(gl.check("hotspot"));
  GPUVM_TRY_STATUS(session.phase("close"));
  Grid expected = start;
  for (uint32_t step = 0; step < kHotspotSteps; ++step) expected = hotspot_step(power, expected);
  GPUVM_TRY_STATUS(check_same<float>(got, expected, "the temperature"));
  return fmt::format("{} temperatures after {} steps", got.size(), kHotspotSteps);
}

Result<std::string> run_srad(Gl& gl, Session& session) {
  GPUVM_TRY(const ComputeProgram coefficients, ComputeProgram::compile(gl, with_grid(kCoefficients)));
  GPUVM_TRY(const ComputeProgram diffuse, ComputeProgram::compile(gl, with_grid(kDiffuse)));
  const Grid start = random_grid(5, 1, 1);
  GPUVM_TRY_STATUS(session.phase("HtoD"));
  const WordBuffer even(gl, start), odd(gl, start), coefficient(gl, start);
  gl.Finish();
  GPUVM_TRY_STATUS(session.phase("launch"));
  for (uint32_t step = 0; step < kSradSteps; ++step) {
    const WordBuffer *from = step % 2 == 0 ? &even : &odd, *to = step % 2 == 0 ? &odd : &even;
    const WordBuffer* first[] = {from, &coefficient};
    const WordBuffer* second[] = {from, &coefficient, to};
    coefficients.dispatch(first, {{"n", kSize}}, kSize / kGroup, kSize / kGroup);
    diffuse.dispatch(second, {{"n", kSize}}, kSize / kGroup, kSize / kGroup);
  }
  gl.Finish();
  GPUVM_TRY_STATUS(session.phase("DtoH"));
  const Grid got = even.floats();
  GPUVM_TRY_STATUS(gl.check("srad"));
  GPUVM_TRY_STATUS(session.phase("close"));
  Grid expected = start;
  for (uint32_t step = 0; step < kSradSteps; ++step) expected = srad_step(expected);
  GPUVM_TRY_STATUS(check_close(got, expected, 1e-4f, "the picture"));
  return fmt::format("{} pixels after {} steps", got.size(), kSradSteps);
}

}  // namespace gpuvm::guest
