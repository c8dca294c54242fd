// The classes that this card executes.
#pragma once

#include <memory>

#include "emulator/card/engine.h"
#include "emulator/card/macro_engine.h"

namespace gpuvm {

// What the objects of a channel share.
struct ChannelParts {
  MacroMemory macros;
};

struct EngineClass {
  uint32_t id;
  const char* name;
  FaultUnit fault;
  std::unique_ptr<EngineObject> (*make)(ChannelParts& parts);
};

// nullptr: the card does not implement the class.
const EngineClass* find_engine_class(uint32_t class_id);

std::unique_ptr<EngineObject> make_copy_object(ChannelParts& parts);     // 0x90b5, 0x90b8
std::unique_ptr<EngineObject> make_m2mf_object(ChannelParts& parts);     // 0x9039
std::unique_ptr<EngineObject> make_twod_object(ChannelParts& parts);     // 0x902d
std::unique_ptr<EngineObject> make_threed_object(ChannelParts& parts);   // 0x9097
std::unique_ptr<EngineObject> make_compute_object(ChannelParts& parts);  // 0x90c0

}  // namespace gpuvm
