// lud and backprop, after the Rodinia benchmarks of these names: a decomposition, and a layer of a neural
// network.
#include "tracer/guest_program/compute/workloads.h"

namespace gpuvm::guest {
namespace {

constexpr uint32_t kSize = 48, kGroup = 16;
constexpr uint32_t kInputs = 1024, kHidden = 16;

constexpr std::string_view kScale = R"(
layout(local_size_x = 64) in;
layout(std430, binding = 0) buffer A { float a[]; };
uniform uint n;
uniform uint k;
void main() {
  uint row = k + 1u + gl_GlobalInvocationID.x;
  if (row < n) a[row * n + k] /= a[k * n + k];
}
)";
constexpr std::string_view kEliminate = R"(
layout(local_size_x = 16, local_size_y = 16) in;
layout(std430, binding = 0) buffer A { float a[]; };
uniform uint n;
uniform uint k;
void main() {
  uint row = k + 1u + gl_GlobalInvocationID.y, column = k + 1u + gl_GlobalInvocationID.x;
  if (row < n && column < n) a[row * n + column] = fma(-a[row * n + k], a[k * n + column], a[row * n + column]);
}
)";

// A work group a hidden unit: its threads' products are summed in shared memory.
constexpr std::string_view kForward = R"(
layout(local_size_x = 256) in;
layout(std430, binding = 0) readonly buffer Input { float x[]; };
layout(std430, binding = 1) readonly buffer Weight { float w[]; };
layout(std430, binding = 2) writeonly buffer Output { float y[]; };
shared float part[256];
void main() {
  uint unit = gl_WorkGroupID.x, i = gl_LocalInvocationID.x;
  float sum = 0.0;
  for (uint k = i; k < 1024u; k += 256u) sum = fma(x[k], w[unit * 1024u + k], sum);
  part[i] = sum;
  barrier();
  for (uint half_size = 128u; half_size > 0u; half_size /= 2u) {
    if (i < half_size) part[i] += part[i + half_size];
    barrier();
  }
  if (i == 0u) y[unit] = 1.0 / (1.0 + exp(-part[0]));
}
)";
constexpr std::string_view kAdjust = R"(
layout(local_size_x = 64) in;
layout(std430, binding = 0) readonly buffer Input { float x[]; };
layout(std430, binding = 1) buffer Weight { float w[]; };
layout(std430, binding = 2) readonly buffer Output { float y[]; };
void main() {
  uint k = gl_GlobalInvocationID.x, unit = gl_GlobalInvocationID.y;
  float delta = y[unit] * (1.0 - y[unit]) * (0.5 - y[unit]);
  w[unit * 1024u + k] = fma(0.3 * delta, x[k], w[unit * 1024u + k]);
}
)";

}  // namespace

Result<std::string> run_lud(Gl& gl, Session& session) {
  GPUVM_TRY(const ComputeProgram scale, ComputeProgram::compile(gl, kScale));
  GPUVM_TRY(const ComputeProgram eliminate, ComputeProgram::compile(gl, kEliminate));
  Numbers numbers(10);
  std::vector<float> matrix(size_t{kSize} * kSize);
  for (uint32_t i = 0; i < matrix.size(); ++i) {
    matrix[i] = numbers.fraction() + (i % (kSize + 1) == 0 ? static_cast<float>(kSize) : 0.0f);
  }
  GPUVM_TRY_STATUS(session.phase("HtoD"));
  const WordBuffer a(gl, matrix);
  gl.Finish();
  GPUVM_TRY_STATUS(session.phase("launch"));
  const WordBuffer* buffers[] = {&a};
  for (uint32_t k = 0; k + 1 < kSize; ++k) {
    const uint32_t groups = (kSize - k - 1 + kGroup - 1) / kGroup;
    scale.dispatch(buffers, {{"n", kSize}, {"k", k}}, 1);
    eliminate.dispatch(buffers, {{"n", kSize}, {"k", k}}, groups, groups);
  }
  gl.Finish();
  GPUVM_TRY_STATUS(session.phase("DtoH"));
  const std::vector<float> got = a.floats();
  GPUVM_TRY_STATUS(gl.check("lud"));
  GPUVM_TRY_STATUS(session.phase("close"));
  for (uint32_t k = 0; k + 1 < kSize; ++k) {
    for (uint32_t row = k + 1; row < kSize; ++row) {
      matrix[row * kSize + k] /= matrix[k * kSize + k];
      for (uint32_t column = k + 1; column < kSize; ++column) {
        float& element = matrix[row * kSize + column];
        element = std::fma(-matrix[row * kSize + k], matrix[k * kSize + column], element);
      }
    }
  }
  GPUVM_TRY_STATUS(check_close(got, matrix, 1e-5f, "the decomposition"));
  return fmt::format("{} elements", got.size());
}

Result<std::string> run_backprop(Gl& gl, Session& session) {
  GPUVM_TRY(const ComputeProgram forward, ComputeProgram::compile(gl, kForward));
  GPUVM_TRY(const ComputeProgram adjust, ComputeProgram::compile(gl, kAdjust));
  Numbers numbers(11);
  std::vector<float> x(kInputs), w(size_t{kInputs} * kHidden);
  for (float& value : x) value = numbers.fraction();
  for (float& value : w) value = (numbers.fraction() - 0.5f) / 16;
  GPUVM_TRY_STATUS(session.phase("HtoD"));
  const WordBuffer input(gl, x), weight(gl, w), output(gl, std::vector<float>(kHidden));
  gl.Finish();
  GPUVM_TRY_STATUS(session.phase("launch"));
  const WordBuffer* buffers[] = {&input, &weight, &output};
  forward.dispatch(buffers, {}, kHidden);
  adjust.dispatch(buffers, {}, kInputs / 64, kHidden);
  gl.Finish();
  GPUVM_TRY_STATUS(session.phase("DtoH"));
  const std::vector<float> got_output = output.floats(), got_weights = weight.floats();
  GPUVM_TRY_STATUS(gl.check("backprop"));
  GPUVM_TRY_STATUS(session.phase("close"));
  std::vector<float> y(kHidden);
  for (uint32_t unit = 0; unit < kHidden; ++unit) {
    double sum = 0;
    for (uint32_t k = 0; k < kInputs; ++k) sum += static_cast<double>(x[k]) * w[unit * kInputs + k];
    y[unit] = static_cast<float>(1 / (1 + std::exp(-sum)));
    const float delta = y[unit] * (1 - y[unit]) * (0.5f - y[unit]);
    for (uint32_t k = 0; k < kInputs; ++k) {
      float& value = w[unit * kInputs + k];
      value = std::fma(0.3f * delta, x[k], value);
    }
  }
  GPUVM_TRY_STATUS(check_close(got_output, y, 1e-5f, "the output"));
  GPUVM_TRY_STATUS(check_close(got_weights, w, 1e-5f, "the weight"));
  return fmt::format("{} outputs and {} weights", y.size(), w.size());
}

}  // namespace gpuvm::guest
