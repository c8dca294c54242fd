// The compute workloads: each makes its input, has the GPU work on it through OpenGL, and checks every
// element of what comes back against the same done here.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string>
#include <string_view>

#include "tracer/guest_program/compute/gl.h"
#include "tracer/guest_program/compute/session.h"

namespace gpuvm::guest {

struct ComputeWorkload {
  std::string_view name;
  // What was checked, "65536 elements".
  Result<std::string> (*run)(Gl& gl, Session& session);
  // Instead: one that opens what it needs; its whole verdict.
  Result<std::string> (*run_alone)(Session& session) = nullptr;
};
std::span<const ComputeWorkload> compute_workloads();

Result<std::string> run_madd(Gl& gl, Session& session);
Result<std::string> run_mmul(Gl& gl, Session& session);
Result<std::string> run_fmadd(Gl& gl, Session& session);
Result<std::string> run_fmmul(Gl& gl, Session& session);
Result<std::string> run_hotspot(Gl& gl, Session& session);
Result<std::string> run_lud(Gl& gl, Session& session);
Result<std::string> run_nw(Gl& gl, Session& session);
Result<std::string> run_bfs(Gl& gl, Session& session);
Result<std::string> run_backprop(Gl& gl, Session& session);
Result<std::string> run_srad(Gl& gl, Session& session);
Result<std::string> run_nn(Gl& gl, Session& session);
Result<std::string> run_clear(Gl& gl, Session& session);
Result<std::string> run_textures(Gl& gl, Session& session);
Result<std::string> run_images(Gl& gl, Session& session);
Result<std::string> run_bench(Gl& gl, Session& session);
Result<std::string> run_clmmul(Session& session);

// A fixed sequence of numbers: two runs do the same.
class Numbers {
 public:
  explicit Numbers(uint32_t seed) : state_(seed) {}
  uint32_t word() {
    state_ = state_ * 1664525 + 1013904223;
    return state_ ^ state_ >> 15;
  }
  uint32_t below(uint32_t limit) { return word() % limit; }
  // From 0 up to 1, in steps of 2^-16.
  float fraction() { return static_cast<float>(word() >> 16) / 65536.0f; }

 private:
  uint32_t state_;
};

template <typename T>
Status check_same(std::span<const T> got, std::span<const T> expected, std::string_view what) {
  if (got.size() != expected.size()) return error("{}: {} elements of {}", what, got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    if (got[i] != expected[i])
      return error("{}: element {} is {}, should be {}", what, i, got[i], expected[i]);
  }
  return Ok{};
}

// Where a function of the GPU is an approximation: within `relative` of the larger of the value and 1.
inline Status check_close(std::span<const float> got, std::span<const float> expected, float relative,
                          std::string_view what) {
  if (got.size() != expected.size()) return error("{}: {} elements of {}", what, got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    const float bound = relative * std::fmax(1.0f, std::fabs(expected[i]));
    if (!(std::fabs(got[i] - expected[i]) <= bound))
      return error("{}: element {} is {}, should be {}", what, i, got[i], expected[i]);
  }
  return Ok{};
}

}  // namespace gpuvm::guest
