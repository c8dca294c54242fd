#include "emulator/card/engines.h"

#include <algorithm>
#include <array>

namespace gpuvm {
namespace {

// Class ids: nouveau include/nvif/class.h.
constexpr std::array kClasses{
    EngineClass{0x902d, "GF100_TWOD", kFaultGraph, make_twod_object},
    EngineClass{0x9039, "GF100_M2MF", kFaultGraph, make_m2mf_object},
    EngineClass{0x9097, "GF100_3D", kFaultGraph, make_threed_object},
    EngineClass{0x90b5, "GF100_COPY0", kFaultCopy0, make_copy_object},
    EngineClass{0x90b8, "GF100_COPY1", kFaultCopy1, make_copy_object},
    EngineClass{0x90c0, "GF100_COMPUTE", kFaultGraph, make_compute_object},
};

}  // namespace

const EngineClass* find_engine_class(uint32_t class_id) {
  const auto found = std::ranges::find(kClasses, class_id, &EngineClass::id);
  return found == kClasses.end() ? nullptr : &*found;
}

}  // namespace gpuvm
