// clmmul: a product of integer matrices as mmul's, in OpenCL C through Mesa's rusticl.
#include "tracer/guest_program/compute/opencl.h"
#include "tracer/guest_program/compute/workloads.h"

namespace gpuvm::guest {
namespace {

constexpr uint32_t kSize = 128, kGroup = 16;
constexpr char kSource[] = R"(
kernel void product(global const uint *a, global const uint *b, global uint *c, uint n) {
  local uint left[16][16], right[16][16];
  size_t x = get_local_id(0), y = get_local_id(1), column = get_global_id(0), row = get_global_id(1);
  uint sum = 0;
  for (uint tile = 0; tile < n; tile += 16) {
    left[y][x] = a[row * n + tile + x];
    right[y][x] = b[(tile + y) * n + column];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint k = 0; k < 16; ++k) sum += left[y][k] * right[k][x];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  c[row * n + column] = sum;
}
)";

std::vector<uint32_t> matrix(uint32_t seed) {
  Numbers numbers(seed);
  std::vector<uint32_t> out(size_t{kSize} * kSize);
  for (uint32_t& value : out) value = numbers.word();
  return out;
}

}  // namespace

Result<std::string> run_clmmul(Session& session) {
  GPUVM_TRY(OpenCl cl, OpenCl::open());
  session.log(cl.description());
  GPUVM_TRY_STATUS(cl.build(kSource, "product"));
  const std::vector<uint32_t> a = matrix(1), b = matrix(2);
  std::vector<OpenCl::Handle> buffers;
  for (int i = 0; i < 3; ++i) {
    GPUVM_TRY(const OpenCl::Handle buffer, cl.buffer(a.size() * 4));
    buffers.push_back(buffer);
  }
  GPUVM_TRY_STATUS(session.phase("HtoD"));
  GPUVM_TRY_STATUS(cl.write(buffers[0], a));
  GPUVM_TRY_STATUS(cl.write(buffers[1], b));
  GPUVM_TRY_STATUS(session.phase("launch"));
  GPUVM_TRY_STATUS(cl.run(buffers, kSize, kSize, kSize, kGroup));
  GPUVM_TRY_STATUS(session.phase("DtoH"));
  GPUVM_TRY(const std::vector<uint32_t> got, cl.read(buffers[2], a.size()));
  GPUVM_TRY_STATUS(session.phase("close"));
  std::vector<uint32_t> expected(a.size());
  for (size_t row = 0; row < kSize; ++row) {
    for (size_t column = 0; column < kSize; ++column) {
      for (size_t k = 0; k < kSize; ++k)
        expected[row * kSize + column] += a[row * kSize + k] * b[k * kSize + column];
    }
  }
  GPUVM_TRY_STATUS(check_same<uint32_t>(got, expected, "the product"));
  return fmt::format("all {} elements are right, computed by {}", got.size(), cl.description());
}

}  // namespace gpuvm::guest
