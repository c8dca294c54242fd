// The end that all importers write to: numbers the events and counts them.
#pragma once

#include "traces/import/import.h"
#include "traces/import/log_clock.h"

namespace gpuvm {

class EventEmitter {
 public:
  EventEmitter(EventSink& sink, ImportReport& report) : sink_(sink), report_(report) {}

  uint64_t seq() const { return report_.events; }
  // Counts, but writes nothing.
  void mute(bool muted) { muted_ = muted; }

  Status emit(const Event& event, Bytes payload = {}) {
    ++report_.events;
    if (muted_) return Ok{};
    return sink_.write(event, payload);
  }

  // A line that has no event of its own, as it was.
  Status note(std::string_view line, uint64_t time_ns) {
    ++report_.notes;
    return emit({.time_ns = time_ns, .kind = EventKind::kNote}, as_bytes(line));
  }
  // The same for one that nobody understands: the first is shown to the user.
  Status not_understood(std::string_view line, uint64_t time_ns) {
    if (report_.first_note_line == 0) {
      report_.first_note_line = report_.lines;
      report_.first_note = line.substr(0, 200);
    }
    return note(line, time_ns);
  }

 private:
  EventSink& sink_;
  ImportReport& report_;
  bool muted_ = false;
};

}  // namespace gpuvm
