// One track of a Perfetto trace, written as a packet sequence of its own: what its packets have in common
// (the track, the clock) is said once, names and texts are sent once and then numbered, and a packet's time
// is what has passed since the one before.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace gpuvm {

// Names of what stands beside an event; their numbers are those in the file.
enum class PerfettoKey : uint8_t { kSeq = 1, kAddress, kValue, kMeaning, kLength, kText, kOld, kInstruction };

// One of them, with its value: a number, a number for people to read in hex, or a text.
struct PerfettoNote {
  enum class Form : uint8_t { kNumber, kHex, kText, kRepeatedText };
  PerfettoKey key = PerfettoKey::kSeq;
  Form form = Form::kNumber;
  uint64_t value = 0;
  std::string_view text = {};
};

struct PerfettoEvent {
  enum class Type : uint8_t { kSliceBegin = 1, kSliceEnd = 2, kInstant = 3 };
  Type type = Type::kInstant;
  uint64_t time_ns = 0;
  std::string_view name = {};    // none: the end of a slice
  bool name_is_repeated = true;  // false: a text of its own, which would only fill the table of names
  std::span<const PerfettoNote> notes = {};
};

// Texts that are sent once. Bounded: what comes when the table is full has no number.
class PerfettoTexts {
 public:
  // 0: there are too many already, or the text is too long to keep.
  uint64_t number_of(std::string_view text);
  // Those numbered since the last call: their texts are the table's own.
  std::vector<std::pair<uint64_t, std::string_view>> take_new() { return std::exchange(new_, {}); }
  bool has_new() const { return !new_.empty(); }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, uint64_t, Hash, std::equal_to<>> numbers_;
  std::vector<std::pair<uint64_t, std::string_view>> new_;
};

class PerfettoTrack {
 public:
  // `number` is both the track's and the sequence's; parent 0: this is the process that the others belong to.
  // Times that are multiples of `unit_ns` take less space.
  PerfettoTrack(uint32_t number, uint32_t parent, uint64_t unit_ns)
      : number_(number), parent_(parent), unit_ns_(std::max<uint64_t>(unit_ns, 1)) {}

  // The track's description and what its packets share. Before any event.
  void begin(std::string_view name, std::string* out) const;
  void write(const PerfettoEvent& event, std::string* out);

 private:
  uint32_t number_;
  uint32_t parent_;
  uint64_t unit_ns_;
  uint64_t last_time_ = 0;
  PerfettoTexts names_, texts_;
};

}  // namespace gpuvm
