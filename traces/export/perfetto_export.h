// Perfetto's protobuf trace: a track per BAR and per kind of event, phases as slices, accesses as instants
// with register, place and value. It opens in ui.perfetto.dev and trace_processor.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "traces/export/export.h"
#include "traces/export/perfetto_track.h"

namespace gpuvm {

class PerfettoExporter : public Exporter {
 public:
  explicit PerfettoExporter(const ExportInput& input);

  Status begin(ByteSink& sink) override;
  Status event(const Event& event, Bytes payload, uint64_t seq, ByteSink& sink) override;
  Status end(ByteSink& sink) override;

 private:
  // Of tracks_, counted from 1.
  enum Track : uint32_t {
    kProcess = 1,
    kPhases,
    kConfig,
    kDma,
    kInterrupts,
    kMarks,
    kLosses,
    kBar0,
    kOutside = kBar0 + 7
  };
  PerfettoTrack& track(uint32_t number) { return tracks_[number - 1]; }
  PerfettoTrack& track_of(const Event& event);
  void phase_edge(uint64_t time_ns, std::string_view name, bool begin);
  void note(PerfettoKey key, PerfettoNote::Form form, uint64_t value) {
    notes_.push_back({key, form, value});
  }
  void note(PerfettoKey key, PerfettoNote::Form form, std::string_view text) {
    notes_.push_back({key, form, 0, text});
  }
  // To name_: whether it says where the access went.
  bool name_access(const Event& event);
  void note_access(const Event& event, Bytes payload);
  void note_program_access(const Event& event, Bytes payload);
  Status flush(ByteSink& sink, bool all);

  const ExportInput& input_;
  std::optional<AccessNamer> names_;
  std::vector<PerfettoTrack> tracks_;
  bool in_phase_ = false;
  uint64_t last_time_ = 0;
  uint64_t next_seq_ = 0;  // of an event whose number need not be said
  uint64_t told_seq_ = 0;  // the last one that was said
  bool told_any_ = false;
  std::vector<PerfettoNote> notes_;
  std::string name_, old_, value_;  // of the event at hand
  std::string out_;
};

}  // namespace gpuvm
