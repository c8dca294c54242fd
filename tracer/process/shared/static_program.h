// A program without a dynamic linker takes no preloaded library. So another program, which does, is run in
// its place: it maps the static one, and jumps into it.
#pragma once

namespace gpuvm::trace_channel {

inline constexpr char kStaticHost[] =
    "gpuvm-static-host";  // beside the agent; arguments: PATH ARGV0 ARGUMENTS
inline constexpr char kStaticVariable[] = "GPUVM_STATIC";  // tells the agent in it: PATH

}  // namespace gpuvm::trace_channel
