// gpuvm-guest-compute NAME [FD]: runs a compute workload; FD is the socket to /init. By hand, on any machine
// whose Mesa has OpenGL 4.3, or for clmmul any OpenCL: gpuvm-guest-compute mmul
#include <cstdlib>

#include "tracer/guest_program/compute/workloads.h"

namespace gpuvm::guest {
namespace {

constexpr ComputeWorkload kTable[] = {
    {"madd", run_madd},
    {"mmul", run_mmul},
    {"fmadd", run_fmadd},
    {"fmmul", run_fmmul},
    {"hotspot", run_hotspot},
    {"lud", run_lud},
    {"nw", run_nw},
    {"bfs", run_bfs},
    {"backprop", run_backprop},
    {"srad", run_srad},
    {"nn", run_nn},
    {"clear", run_clear},
    {"textures", run_textures},
    {"images", run_images},
    {"clmmul", nullptr, run_clmmul},
    {"bench", run_bench},
};

Result<std::string> run(std::string_view name, Session& session) {
  for (const ComputeWorkload& workload : kTable) {
    if (workload.name != name) continue;
    GPUVM_TRY_STATUS(session.phase("init"));
    if (workload.run_alone != nullptr) return workload.run_alone(session);
    std::string description, checked;
    {
      GPUVM_TRY(Gl gl, Gl::open());
      description = gl.description();
      session.log(description);
      GPUVM_TRY(checked, workload.run(gl, session));
    }
    return fmt::format("all {} are right, computed by {}", checked, description);
  }
  return error("there is no compute workload \"{}\"", name);
}

}  // namespace

std::span<const ComputeWorkload> compute_workloads() {
  return kTable;
}

}  // namespace gpuvm::guest

int main(int argc, char** argv) {
  using namespace gpuvm::guest;
  if (argc < 2) {
    fmt::print(stderr, "usage: {} WORKLOAD, one of:\n", argv[0]);
    for (const ComputeWorkload& workload : compute_workloads()) fmt::print(stderr, "  {}\n", workload.name);
    return 2;
  }
  Session session(argc > 2 ? std::atoi(argv[2]) : -1);
  const auto outcome = run(argv[1], session);
  session.result(outcome.ok(), outcome.ok() ? outcome.value() : outcome.error().message);
  return outcome.ok() ? 0 : 1;
}
