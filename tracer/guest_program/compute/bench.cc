// bench: by hand, how fast a Mesa driver runs the loop of tests/bench/shader_bench.cc, eight fused products a
// turn by 256 threads. Counted as that benchmark counts: eleven instructions a turn.
#include <chrono>

#include "tracer/guest_program/compute/workloads.h"

namespace gpuvm::guest {
namespace {

constexpr uint32_t kThreads = 256, kTurns = 1000, kInstructions = 11, kDispatches = 200;
constexpr std::string_view kSource = R"(
layout(local_size_x = 256) in;
layout(std430, binding = 0) buffer Out { float out_[]; };
uniform uint turns;
void main() {
  float a = uintBitsToFloat(0x3f800001u), r[8];
  for (uint i = 0u; i < 8u; ++i) r[i] = out_[gl_LocalInvocationID.x] + float(i);
  for (uint n = 0u; n < turns; ++n) {
    for (uint i = 0u; i < 8u; ++i) r[i] = fma(a, a, r[i]);
  }
  float sum = 0.0;
  for (uint i = 0u; i < 8u; ++i) sum += r[i];
  out_[gl_LocalInvocationID.x] = sum;
}
)";

}  // namespace

Result<std::string> run_bench(Gl& gl, Session& session) {
  GPUVM_TRY(const ComputeProgram program, ComputeProgram::compile(gl, kSource));
  const std::vector<float> zeroes(kThreads);
  const WordBuffer out(gl, zeroes);
  const WordBuffer* const buffers[] = {&out};
  program.dispatch(buffers, {{"turns", kTurns}}, 1);  // compiles
  gl.Finish();
  const auto start = std::chrono::steady_clock::now();
  for (uint32_t i = 0; i < kDispatches; ++i) program.dispatch(buffers, {{"turns", kTurns}}, 1);
  gl.Finish();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  GPUVM_TRY_STATUS(gl.check("the loop"));
  const double instructions = double{kThreads} * kTurns * kInstructions * kDispatches;
  session.log(
      fmt::format("{:.0f} million instructions by threads a second", instructions / took.count() / 1e6));
  for (const float value : out.floats()) {
    if (!(value > static_cast<float>(kTurns))) return error("a sum is {}, too little", value);
  }
  return fmt::format("{} sums", kThreads);
}

}  // namespace gpuvm::guest
