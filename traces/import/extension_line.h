// What 20070824 has no line for, written as the text of a MARK, so that other tools read past it and ours
// loses nothing:
//
//   gvt:KIND SPACE ADDRESS VALUE WIDTH FLAGS [PAYLOAD]   one event; VALUE is 0 where there is a payload
//   gvt:irq SPACE ADDRESS VALUE WIDTH FLAGS [VECTOR + 1]
//   gvt:use ID                                           the next access has context ID
//
// KIND is the spelling of kind_name(); numbers are hexadecimal with 0x, PAYLOAD plain hexadecimal bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "traces/event.h"
#include "traces/stream.h"

namespace gpuvm {

inline constexpr std::string_view kExtensionPrefix = "gvt:";
// "# gvt: time 0 is 11385566630": the stamp, in microseconds, of Event::time_ns 0.
inline constexpr std::string_view kTimeBasePrefix = "# gvt: time 0 is ";

struct ExtensionLine {
  std::optional<uint32_t> use_context;
  Event event;          // time is not set
  std::string payload;  //
};

// Nothing if it is not well-formed (then it is somebody's mark). *(end of text) must be readable.
std::optional<ExtensionLine> parse_extension(std::string_view text);

std::string format_extension(const Event& event, Bytes payload);
std::string format_use_context(uint32_t id);

}  // namespace gpuvm
