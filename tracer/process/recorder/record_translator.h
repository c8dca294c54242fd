// Turns what the agents record into events of a trace.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "tracer/process/shared/channel.h"
#include "traces/meta.h"
#include "traces/stream.h"

namespace gpuvm {

// What a trace holds about the files whose mappings were traced; also its attachment "mappings.json".
struct TracedFile {
  std::string path;
  uint64_t base = 0;     // address of its offset 0 in the trace; BARs: 0
  uint8_t space = 0xff;  // BAR, or kNoBar
  uint64_t mappings = 0;
  uint64_t accesses = 0;
};

struct TranslatorCounts {
  uint64_t accesses = 0;
  uint64_t system_calls = 0;
  uint64_t unnamed_calls = 0;  // of these, those whose request we do not know
  uint64_t processes = 0;
  uint64_t unknown = 0;  // records of a kind that we do not know
  // What did not fit: memory is bounded, whatever a program maps and runs.
  uint64_t other_files = 0;      // mappings of files beyond the greatest number, which share one entry
  uint64_t unknown_maps = 0;     // mappings beyond the greatest number at once: their accesses name no file
  uint64_t forgotten_sites = 0;  // then shown as addresses
  uint64_t other_modules = 0;    // sites in files beyond the greatest number, whose build-ids are not kept
};

class RecordTranslator {
 public:
  // `start_ns`: CLOCK_MONOTONIC at time 0 of the trace; nothing: the first record's.
  RecordTranslator(EventSink& sink, std::optional<uint64_t> start_ns) : sink_(sink), start_ns_(start_ns) {}
  // For records of another machine: which file of this one a module of that one is. Nothing else of this
  // machine is looked at.
  void set_host_file(std::function<std::string(const std::string&)> find) { host_file_ = std::move(find); }

  // Errors: those of the sink.
  Status translate(const trace_channel::Record& record, Bytes data);
  // Lines for the user that have come since the last call.
  std::vector<std::string> take_notes();
  // Writes the attachments that name files and modules, if they have changed.
  Status attach_names();

  const TranslatorCounts& counts() const { return counts_; }
  const std::vector<TracedFile>& files() const { return files_; }
  // The PCI device whose BARs were mapped; empty if there is none.
  const DeviceInfo& device() const { return device_; }

 private:
  struct Mapping {
    size_t file = 0;
  };
  struct ContextKey {
    uint32_t pid, tid;
    int32_t map;
    uint64_t pc;
    friend bool operator==(const ContextKey&, const ContextKey&) = default;
  };
  struct ContextKeyHash {
    size_t operator()(const ContextKey& k) const {
      return (k.pc * 0x9e3779b97f4a7c15u) ^ (uint64_t{k.tid} << 20) ^ (uint64_t{k.pid} << 40) ^
             static_cast<uint64_t>(k.map) * 0xc2b2ae3d27d4eb4fu;
    }
  };
  struct Process {
    uint32_t parent = 0;
    std::unordered_map<uint64_t, std::string> sites;  // "module+0xoffset"
  };

  Status access(const trace_channel::Record& record, Bytes data);
  Status accesses(Event event, const trace_channel::Record& record, Bytes data, size_t unit,
                  uint32_t context);
  Status map(const trace_channel::Record& record, Bytes data);
  Status call(const trace_channel::Record& record, Bytes data);
  Status process(const trace_channel::Record& record, Bytes data);
  void site(const trace_channel::Record& record, Bytes data);
  std::string label_of(uint32_t pid, uint64_t pc) const;
  // The id of the context; writes its event if it is new.
  Result<uint32_t> context_of(const trace_channel::Record& record);
  size_t file_of(const std::string& path);
  // Of a process that may be new.
  Process& process_of(uint32_t pid);
  void forget_sites();
  Event event_at(const trace_channel::Record& record, EventKind kind);
  // Never before that of an earlier record.
  uint64_t time_of(const trace_channel::Record& record);

  EventSink& sink_;
  std::optional<uint64_t> start_ns_;
  uint64_t latest_ns_ = 0;
  std::function<std::string(const std::string&)> host_file_;
  TranslatorCounts counts_;
  std::vector<TracedFile> files_;
  std::map<std::string, size_t> file_by_path_;
  std::unordered_map<int32_t, Mapping> mappings_;
  std::unordered_map<ContextKey, uint32_t, ContextKeyHash> contexts_;
  std::deque<ContextKey> context_order_;
  uint32_t next_context_ = 1;
  std::unordered_map<uint32_t, Process> processes_;
  size_t sites_ = 0, site_bytes_ = 0;           // of all processes
  std::map<std::string, std::string> modules_;  // path: build-id
  std::vector<std::string> notes_;
  bool names_changed_ = false;
  std::string pci_address_;
  DeviceInfo device_;
};

}  // namespace gpuvm
