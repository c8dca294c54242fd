// The language of `gpuvm dump --filter`: which events to show.
//
//   bar==0 && offset>=0x2000 && kind==write && register~"PFIFO" || !(width==4)
//
// Numbers: seq time_us bar offset address value width context length phys, with == != < <= > >= & (any of
// these bits). Texts: kind register phase text flag label, with == != ~ (contains) !~. A comparison with
// something that an event has not (the register of an interrupt) does not hold, whatever the operator.
// `bar==none` is an access outside every BAR; `kind==read` and `kind==write` mean the MMIO ones; `phys` is
// the physical address of an access, where the BAR's base is known.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "traces/core/result.h"
#include "traces/meta.h"
#include "traces/regmap/namer.h"
#include "traces/stream.h"

namespace gpuvm {

class EventFilter {
 public:
  // What a filter looks at.
  struct Subject {
    const Event* event = nullptr;
    Bytes payload;
    uint64_t seq = 0;
    std::string_view phase;
    AccessNamer* names = nullptr;                  // none: no event has a register
    std::string_view label = {};                   // of the access's context
    const std::array<BarInfo, 7>* bars = nullptr;  // where the BARs are; none: only what is outside is placed
  };

  // Errors: one line with the column and what would be right there.
  static Result<EventFilter> parse(std::string_view text);

  bool matches(const Subject& subject) const { return nodes_.empty() || holds(root_, subject); }

 private:
  friend class FilterParser;
  enum class Field : uint8_t {
    kSeq,
    kTime,
    kBar,
    kOffset,
    kAddress,
    kValue,
    kWidth,
    kContext,
    kLength,
    kPhysical,  // numbers
    kKind,
    kRegister,
    kPhase,
    kText,
    kFlag,
    kLabel,  // texts
  };
  enum class Operator : uint8_t {
    kEqual,
    kUnequal,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual,
    kBits,
    kContains,
    kLacks
  };
  enum class NodeKind : uint8_t { kAnd, kOr, kNot, kNumber, kText };
  struct Node {
    NodeKind kind = NodeKind::kNumber;
    Field field = Field::kSeq;
    Operator op = Operator::kEqual;
    uint32_t left = 0, right = 0;  // kAnd, kOr; kNot: left
    uint64_t number = 0;
    std::string text;
  };
  struct FieldName;
  struct OperatorName;
  static const FieldName* find_field(std::string_view name);

  bool holds(uint32_t node, const Subject& subject) const;
  static bool number_of(Field field, const Subject& subject, uint64_t* value);
  static bool text_of(Field field, const Subject& subject, std::string* buffer, std::string_view* value);
  static bool compare(const Node& node, uint64_t value);
  static bool compare(const Node& node, std::string_view value);

  std::vector<Node> nodes_;
  uint32_t root_ = 0;
};

}  // namespace gpuvm
