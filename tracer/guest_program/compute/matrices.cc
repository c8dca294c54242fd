// Sums and products of matrices, the programs of the GPUvm paper's evaluation.
#include "tracer/guest_program/compute/workloads.h"

namespace gpuvm::guest {
namespace {

constexpr uint32_t kSumSize = 256, kProductSize = 128, kGroup = 16;

constexpr std::string_view kIntegers = R"(
#define T uint
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
)";
constexpr std::string_view kFloats = R"(
#define T float
#define MULTIPLY_ADD(a, b, c) fma(a, b, c)
)";
constexpr std::string_view kBuffers = R"(
layout(local_size_x = 16, local_size_y = 16) in;
layout(std430, binding = 0) readonly buffer A { T a[]; };
layout(std430, binding = 1) readonly buffer B { T b[]; };
layout(std430, binding = 2) writeonly buffer C { T c[]; };
uniform uint n;
)";
constexpr std::string_view kSum = R"(
void main() {
  uint i = gl_GlobalInvocationID.y * n + gl_GlobalInvocationID.x;
  c[i] = a[i] + b[i];
}
)";
// A tile of each factor at a time in shared memory.
constexpr std::string_view kProduct = R"(
shared T left[16][16];
shared T right[16][16];
void main() {
  uint x = gl_LocalInvocationID.x, y = gl_LocalInvocationID.y;
  uint row = gl_GlobalInvocationID.y, column = gl_GlobalInvocationID.x;
  T sum = T(0);
  for (uint tile = 0u; tile < n; tile += 16u) {
    left[y][x] = a[row * n + tile + x];
    right[y][x] = b[(tile + y) * n + column];
    barrier();
    for (uint k = 0u; k < 16u; ++k) sum = MULTIPLY_ADD(left[y][k], right[k][x], sum);
    barrier();
  }
  c[row * n + column] = sum;
}
)";

template <typename T>
std::vector<T> matrix(uint32_t size, uint32_t seed) {
  Numbers numbers(seed);
  std::vector<T> out(size_t{size} * size);
  for (T& value : out) {
    if constexpr (std::is_same_v<T, float>) {
      value = numbers.fraction() - 0.5f;
    } else {
      value = numbers.word();
    }
  }
  return out;
}

template <typename T>
std::vector<T> result_of(const WordBuffer& buffer) {
  if constexpr (std::is_same_v<T, float>) {
    return buffer.floats();
  } else {
    return buffer.words();
  }
}

template <typename T>
std::vector<T> sum_of(const std::vector<T>& a, const std::vector<T>& b) {
  std::vector<T> c(a.size());
  for (size_t i = 0; i < a.size(); ++i) c[i] = a[i] + b[i];
  return c;
}

template <typename T>
std::vector<T> product_of(const std::vector<T>& a, const std::vector<T>& b) {
  const uint32_t n = kProductSize;
  std::vector<T> c(a.size());
  for (uint32_t row = 0; row < n; ++row) {
    for (uint32_t column = 0; column < n; ++column) {
      T sum = 0;
      for (uint32_t k = 0; k < n; ++k) {
        if constexpr (std::is_same_v<T, float>) {
          sum = std::fma(a[row * n + k], b[k * n + column], sum);
        } else {
          sum += a[row * n + k] * b[k * n + column];
        }
      }
      c[row * n + column] = sum;
    }
  }
  return c;
}

template <typename T>
Result<std::string> run(Gl& gl, Session& session, std::string_view main, uint32_t n,
                        std::vector<T> (*reference)(const std::vector<T>&, const std::vector<T>&)) {
  const std::string_view types = std::is_same_v<T, float> ? kFloats : kIntegers;
  GPUVM_TRY(const ComputeProgram program,
            ComputeProgram::compile(gl, fmt::format("{}{}{}", types, kBuffers, main)));
  const std::vector<T> a = matrix<T>(n, 1), b = matrix<T>(n, 2);
  GPUVM_TRY_STATUS(session.phase("HtoD"));
  const WordBuffer left(gl, std::span<const T>(a)), right(gl, std::span<const T>(b));
  const WordBuffer out(gl, std::span<const T>(std::vector<T>(a.size())));
  gl.Finish();
  GPUVM_TRY_STATUS(session.phase("launch"));
  const WordBuffer* buffers[] = {&left, &right, &out};
  program.dispatch(buffers, {{"n", n}}, n / kGroup, n / kGroup);
  gl.Finish();
  GPUVM_TRY_STATUS(session.phase("DtoH"));
  const std::vector<T> got = result_of<T>(out);
  GPUVM_TRY_STATUS(gl.check("a matrix"));
  GPUVM_TRY_STATUS(session.phase("close"));
  const std::vector<T> expected = reference(a, b);
  GPUVM_TRY_STATUS(check_same(std::span<const T>(got), std::span<const T>(expected), "the result"));
  return fmt::format("{} elements", got.size());
}

}  // namespace

Result<std::string> run_madd(Gl& gl, Session& session) {
  return run<uint32_t>(gl, session, kSum, kSumSize, sum_of<uint32_t>);
}
Result<std::string> run_fmadd(Gl& gl, Session& session) {
  return run<float>(gl, session, kSum, kSumSize, sum_of<float>);
}
Result<std::string> run_mmul(Gl& gl, Session& session) {
  return run<uint32_t>(gl, session, kProduct, kProductSize, product_of<uint32_t>);
}
Result<std::string> run_fmmul(Gl& gl, Session& session) {
  return run<float>(gl, session, kProduct, kProductSize, product_of<float>);
}

}  // namespace gpuvm::guest
