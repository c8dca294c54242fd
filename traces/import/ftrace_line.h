// What stands before the text of an event in Linux's trace buffer, as trace and trace_pipe, trace-cmd report
// and perf script print it:
//
//            Xorg-612     [003] d..1.   123.456789: rwmmio_write: ...
//   CPU 2/KVM 4321 [005] 123.456789: kvm:kvm_mmio: ...
#pragma once

#include <optional>
#include <string_view>

#include "traces/import/access_line.h"

namespace gpuvm {

// The text of the event whose name begins with `event`, behind its name, colon and blanks; `name` gets the
// rest of the name, `line` stamp, thread and CPU as far as they are there. Nothing: the line has no such
// event in its first 512 bytes.
std::optional<std::string_view> ftrace_event(std::string_view text, std::string_view event,
                                             std::string_view* name, AccessLine* line);

}  // namespace gpuvm
