// What a guest can be told to do. The guest program has a function for each name
// (tracer/guest_program/workloads.cc).
#pragma once

#include <string_view>

namespace gpuvm {

// What of Debian's Mesa is in the guest's image (graphics_stack.h). With it the guest's other program runs.
enum class MesaPart : unsigned char { kNone, kOpenGl, kOpenCl };

struct WorkloadInfo {
  std::string_view name;
  std::string_view summary;         // for --help
  std::string_view module_options;  // further options of nouveau, "noaccel=1"
  unsigned memory_mib;              // of the guest
  unsigned vram_mib;      // at most this much on the card, 0: no wish. "stress" must be able to fill it
  unsigned time_limit_s;  // generous: the machine may be busy, and a trap costs microseconds
  MesaPart mesa = MesaPart::kNone;
  bool scales = false;  // its sizes can be multiplied
};

inline constexpr WorkloadInfo kWorkloads[] = {
    {"none", "boot and power off; the driver is not loaded", "", 1024, 0, 60},
    {"load", "load the driver", "", 1024, 0, 300},
    {"load-noaccel", "load the driver with noaccel=1: no channels", "noaccel=1", 1024, 0, 300},
    {"copy", "load, then copies by copy engine, M2MF and BAR1, every byte verified", "", 1024, 0, 300},
    {"twod", "load, then 2D fills and copies, verified", "", 1024, 0, 300},
    {"channels", "load, then several clients with several channels each, at once", "", 1024, 0, 300},
    {"reload", "load, unload and load the driver again, then copy", "", 1024, 0, 600},
    {"fault", "load, then a push buffer that touches an unmapped address, then a fresh channel", "", 1024, 0,
     300},
    {"stress", "load, then random copies and more VRAM buffers than there is VRAM", "", 1024, 128, 900},
    {"intruder", "load, then search and overwrite VRAM beyond its own; for --guests 2", "", 1024, 0, 600},
    {"madd", "GL compute on Mesa: a sum of integer matrices", "", 1536, 0, 900, MesaPart::kOpenGl},
    {"mmul", "GL compute on Mesa: a product of integer matrices", "", 1536, 0, 900, MesaPart::kOpenGl},
    {"fmadd", "GL compute on Mesa: a sum of float matrices", "", 1536, 0, 900, MesaPart::kOpenGl},
    {"fmmul", "GL compute on Mesa: a product of float matrices", "", 1536, 0, 900, MesaPart::kOpenGl},
    {"hotspot", "GL compute on Mesa: heat on a chip", "", 1536, 0, 900, MesaPart::kOpenGl},
    {"lud", "GL compute on Mesa: LU decomposition", "", 1536, 0, 900, MesaPart::kOpenGl},
    {"nw", "GL compute on Mesa: Needleman-Wunsch alignment", "", 1536, 0, 900, MesaPart::kOpenGl},
    {"bfs", "GL compute on Mesa: breadth-first search", "", 1536, 0, 900, MesaPart::kOpenGl},
    {"backprop", "GL compute on Mesa: a layer of a neural network, forth and back", "", 1536, 0, 900,
     MesaPart::kOpenGl},
    {"srad", "GL compute on Mesa: diffusion that keeps edges", "", 1536, 0, 900, MesaPart::kOpenGl},
    {"nn", "GL compute on Mesa: nearest neighbours", "", 1536, 0, 900, MesaPart::kOpenGl},
    {"clear", "GL on Mesa: textures filled, targets cleared, read back", "", 1536, 0, 900, MesaPart::kOpenGl},
    {"textures", "GL compute on Mesa: textures fetched and sampled in every way", "", 1536, 0, 900,
     MesaPart::kOpenGl},
    {"images", "GL compute on Mesa: images loaded, stored and updated", "", 1536, 0, 900, MesaPart::kOpenGl},
    {"clmmul", "OpenCL on Mesa's rusticl: a product of integer matrices", "", 2048, 0, 900,
     MesaPart::kOpenCl},
    {"flooder", "load, then as much work of every kind as it can ask for; for --guests 2", "", 1024, 0, 600},
    {"poll", "load without channels, then poll a register without end; for ci, which names it", "noaccel=1",
     1024, 0, 180},
    {"rescan", "load, remove the card from the bus and find it again, then copy", "", 1024, 0, 600},
    {"nop", "load, then an empty launch", "", 1024, 0, 300, MesaPart::kNone, true},
    {"loop", "load, then 20 launches without data, each 5 MiB moved within VRAM", "", 1024, 0, 600,
     MesaPart::kNone, true},
    {"cpy", "load, then 4 MiB in and out through a buffer of 256 KiB, verified", "", 1024, 0, 600,
     MesaPart::kNone, true},
    {"pincpy", "load, then 4 MiB in and out at once, verified", "", 1024, 0, 600, MesaPart::kNone, true},
};

// Those that are a client of the driver, and so can be a program of its own as well.
inline constexpr std::string_view kClientWorkloads[] = {"copy",  "twod",   "channels",
                                                        "fault", "stress", "intruder"};
constexpr bool is_client(std::string_view name) {
  for (const std::string_view client : kClientWorkloads)
    if (client == name) return true;
  return false;
}

constexpr const WorkloadInfo* find_workload(std::string_view name) {
  for (const WorkloadInfo& workload : kWorkloads)
    if (workload.name == name) return &workload;
  return nullptr;
}

// Keys on the guest's kernel command line.
inline constexpr std::string_view kWorkloadKey = "gpuvm.workload";
inline constexpr std::string_view kScaleKey = "gpuvm.scale";
inline constexpr std::string_view kMmiotraceKey = "gpuvm.mmiotrace";
inline constexpr std::string_view kTraceProgramKey = "gpuvm.trace-program";  // =1: trace the client
inline constexpr std::string_view kSymbolsKey = "gpuvm.symbols";             // =1: attach kallsyms

}  // namespace gpuvm
