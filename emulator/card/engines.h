// The classes that this card executes.
#pragma once

#include <memory>

#include "emulator/card/engine.h"

namespace gpuvm {

struct EngineClass {
  uint32_t id;
  const char* name;
  FaultUnit fault;
  std::unique_ptr<EngineObject> (*make)();
};

// nullptr: the card does not implement the class.
const EngineClass* find_engine_class(uint32_t class_id);

std::unique_ptr<EngineObject> make_copy_object();  // 0x90b5, 0x90b8
std::unique_ptr<EngineObject> make_m2mf_object();  // 0x9039
std::unique_ptr<EngineObject> make_twod_object();  // 0x902d
std::unique_ptr<EngineObject>
make_shader_object();  // 0x9097, 0x90c0: queries are answered, shaders do not run

}  // namespace gpuvm
