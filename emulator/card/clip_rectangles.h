// The eight clip rectangles of class 0x9097, which leave what is inside of any, or outside of all of them.
// Source: envytools rnndb graph/gf100_3d.xml, CLIP_RECT_HORIZ.
#pragma once

#include <vector>

#include "emulator/card/method_state.h"
#include "emulator/card/rectangle.h"

namespace gpuvm {

// The parts of `area` that they leave, none of which overlaps another: at most 17 lines of 17.
std::vector<Rectangle> clipped(const MethodState& state, const Rectangle& area);

}  // namespace gpuvm
