#include "analysis/decode/filter.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "traces/export/text.h"
#include "traces/kind_name.h"
#include "traces/program_access.h"
#include "traces/regmap/bad_value.h"

namespace gpuvm {

struct EventFilter::FieldName {
  std::string_view name;
  Field field;
  bool text;
};
struct EventFilter::OperatorName {
  std::string_view text;
  Operator op;
  bool numbers, texts;
};

const EventFilter::FieldName* EventFilter::find_field(std::string_view name) {
  static constexpr std::array<FieldName, 16> kFields = {{
      {"seq", Field::kSeq, false},
      {"time_us", Field::kTime, false},
      {"bar", Field::kBar, false},
      {"offset", Field::kOffset, false},
      {"address", Field::kAddress, false},
      {"value", Field::kValue, false},
      {"width", Field::kWidth, false},
      {"context", Field::kContext, false},
      {"length", Field::kLength, false},
      {"phys", Field::kPhysical, false},
      {"label", Field::kLabel, true},
      {"kind", Field::kKind, true},
      {"register", Field::kRegister, true},
      {"phase", Field::kPhase, true},
      {"text", Field::kText, true},
      {"flag", Field::kFlag, true},
  }};
  const auto found =
      std::find_if(kFields.begin(), kFields.end(), [&](const FieldName& f) { return f.name == name; });
  return found == kFields.end() ? nullptr : &*found;
}

// Recursive descent; the column of a mistake is the position of the token that does not fit.
class FilterParser {
 public:
  explicit FilterParser(std::string_view text) : text_(text) {}

  Result<EventFilter> run() {
    GPUVM_TRY(filter_.root_, either(0));
    skip_spaces();
    if (at_ != text_.size()) return mistake("\"&&\", \"||\" or the end");
    return std::move(filter_);
  }

 private:
  using Filter = EventFilter;
  static constexpr int kMaxDepth = 64;
  static constexpr size_t kMaxNodes = 10000;

  Error mistake(std::string_view wanted) const {
    const std::string_view rest = text_.substr(at_);
    const std::string found = rest.empty() ? "the end" : fmt::format("\"{}\"", rest.substr(0, 16));
    return error("--filter: column {}: {} is expected, {} is there", at_ + 1, wanted, found);
  }
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  bool take(std::string_view token) {
    skip_spaces();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  uint32_t add(Filter::Node node) {
    filter_.nodes_.push_back(std::move(node));
    return static_cast<uint32_t>(filter_.nodes_.size() - 1);
  }
  static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '[' || c == ']';
  }
  std::string_view word() {
    skip_spaces();
    const size_t start = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }

  Result<uint32_t> either(int depth) {
    GPUVM_TRY(uint32_t left, both(depth));
    while (take("||")) {
      GPUVM_TRY(const uint32_t right, both(depth));
      left = add({.kind = Filter::NodeKind::kOr, .left = left, .right = right, .text = {}});
    }
    return left;
  }
  Result<uint32_t> both(int depth) {
    GPUVM_TRY(uint32_t left, one(depth));
    while (take("&&")) {
      GPUVM_TRY(const uint32_t right, one(depth));
      left = add({.kind = Filter::NodeKind::kAnd, .left = left, .right = right, .text = {}});
    }
    return left;
  }
  Result<uint32_t> one(int depth) {
    if (depth > kMaxDepth || filter_.nodes_.size() > kMaxNodes)
      return error("--filter: nests too deep or is too long");
    if (take("!")) {
      GPUVM_TRY(const uint32_t inner, one(depth + 1));
      return add({.kind = Filter::NodeKind::kNot, .left = inner, .text = {}});
    }
    if (take("(")) {
      GPUVM_TRY(const uint32_t inner, either(depth + 1));
      if (!take(")")) return mistake("\")\"");
      return inner;
    }
    return comparison();
  }

  Result<uint32_t> comparison() {
    skip_spaces();
    const size_t start = at_;
    const Filter::FieldName* field = Filter::find_field(word());
    if (field == nullptr) {
      at_ = start;
      return mistake(
          "one of seq, time_us, bar, offset, address, value, width, context, length, phys, kind, register, "
          "phase, text, flag, label, \"!\" or \"(\"");
    }
    Filter::Node node{.kind = field->text ? Filter::NodeKind::kText : Filter::NodeKind::kNumber,
                      .field = field->field,
                      .text = {}};
    GPUVM_TRY(node.op, operation(*field));
    if (field->text) {
      GPUVM_TRY(node.text, text_value(field->field));
    } else {
      GPUVM_TRY(node.number, number_value(field->field));
    }
    return add(std::move(node));
  }

  Result<Filter::Operator> operation(const Filter::FieldName& field) {
    // Longer spellings first.
    static constexpr std::array<Filter::OperatorName, 9> kOperators = {{
        {"==", Filter::Operator::kEqual, true, true},
        {"!=", Filter::Operator::kUnequal, true, true},
        {"!~", Filter::Operator::kLacks, false, true},
        {"<=", Filter::Operator::kLessEqual, true, false},
        {">=", Filter::Operator::kGreaterEqual, true, false},
        {"<", Filter::Operator::kLess, true, false},
        {">", Filter::Operator::kGreater, true, false},
        {"&", Filter::Operator::kBits, true, false},
        {"~", Filter::Operator::kContains, false, true},
    }};
    skip_spaces();
    for (const Filter::OperatorName& name : kOperators) {
      if (name.op == Filter::Operator::kBits && text_.substr(at_).starts_with("&&")) continue;
      if ((field.text ? name.texts : name.numbers) && take(name.text)) return name.op;
    }
    return mistake(field.text ? "==, !=, ~ or !~" : "==, !=, <, <=, >, >= or &");
  }

  Result<uint64_t> number_value(Filter::Field field) {
    skip_spaces();
    const size_t start = at_;
    std::string_view digits = word();
    if (field == Filter::Field::kBar && digits == "none") return uint64_t{kNoBar};
    int base = 10;
    if (digits.starts_with("0x") || digits.starts_with("0X")) {
      base = 16;
      digits.remove_prefix(2);
    }
    uint64_t value = 0;
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (digits.empty() || problem != std::errc{} || end != digits.data() + digits.size()) {
      at_ = start;
      return mistake("a number (12 or 0x1f)");
    }
    return value;
  }

  Result<std::string> text_value(Filter::Field field) {
    skip_spaces();
    const size_t start = at_;
    std::string value;
    if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'')) {
      const size_t end = text_.find(text_[at_], at_ + 1);
      if (end == std::string_view::npos) return mistake("a closing quote");
      value = text_.substr(at_ + 1, end - at_ - 1);
      at_ = end + 1;
    } else {
      value = word();
      if (value.empty()) return mistake("a word or a text in quotes");
    }
    if (field == Filter::Field::kKind) {
      if (value == "read" || value == "write") value = "mmio_" + value;
      if (filter_is_exact(start) && !kind_of_name(value)) {
        at_ = start;
        return mistake("a kind of event (read, write, update, config_read, dma_write, irq, mark, loss, …)");
      }
    }
    return value;
  }
  // Whether the operator before the value compares whole texts.
  bool filter_is_exact(size_t value_start) const {
    size_t end = value_start;
    while (end > 0 && (text_[end - 1] == ' ' || text_[end - 1] == '\t')) --end;
    return end > 0 && text_[end - 1] == '=';
  }

  std::string_view text_;
  size_t at_ = 0;
  EventFilter filter_;
};

Result<EventFilter> EventFilter::parse(std::string_view text) {
  return FilterParser(text).run();
}

// An access's value, an update's new one; a wider one has no number to compare.
static bool program_value(const EventFilter::Subject& subject, uint64_t* value) {
  const ProgramAccess access = program_access_or_none(*subject.event, subject.payload);
  const Bytes bytes = access.after.empty() ? access.before : access.after;
  if (bytes.empty() || bytes.size() > sizeof *value) return false;
  *value = 0;
  std::memcpy(value, bytes.data(), bytes.size());
  return true;
}

bool EventFilter::number_of(Field field, const Subject& subject, uint64_t* value) {
  const Event& event = *subject.event;
  const bool program = is_program_access(event.kind);
  const bool mmio = is_mmio(event.kind) || program;
  switch (field) {
    case Field::kSeq:
      *value = subject.seq;
      return true;
    case Field::kTime:
      *value = event.time_ns / 1000;
      return true;
    case Field::kBar:
      *value = event.space;
      return mmio || event.kind == EventKind::kMap || event.kind == EventKind::kUnmap;
    case Field::kOffset:
      *value = event.address;
      return (mmio && event.space != kNoBar) || event.kind == EventKind::kConfigRead ||
             event.kind == EventKind::kConfigWrite;
    case Field::kAddress:
      *value = event.address;
      return true;
    case Field::kValue:
      if (program) return program_value(subject, value);
      *value = event.value;
      return !has_payload(event.kind) && (event.flags & kFlagValueUnknown) == 0;
    case Field::kWidth:
      *value = event.width;
      return event.width != 0;
    case Field::kContext:
      *value = mmio ? context_of(event, subject.payload) : event.address;
      return mmio || event.kind == EventKind::kContext;
    case Field::kPhysical:
      if (!mmio) return false;
      *value = event.address;
      if (event.space == kNoBar) return true;
      if (subject.bars == nullptr || event.space >= subject.bars->size()) return false;
      *value += (*subject.bars)[event.space].base;
      return (*subject.bars)[event.space].base != 0;
    case Field::kLength:
      *value = subject.payload.size();
      return has_payload(event.kind);
    default:
      return false;
  }
}

bool EventFilter::text_of(Field field, const Subject& subject, std::string* buffer, std::string_view* value) {
  const Event& event = *subject.event;
  switch (field) {
    case Field::kKind:
      *value = kind_name(event.kind);
      return true;
    case Field::kPhase:
      *value = subject.phase;
      return true;
    case Field::kText:
      *value = as_text(subject.payload);
      return event.kind == EventKind::kMark || event.kind == EventKind::kNote;
    case Field::kRegister:
      if (subject.names == nullptr) return false;
      *value = subject.names->name(event).name;
      return !value->empty();
    case Field::kLabel:
      *value = subject.label;
      return !value->empty();
    case Field::kFlag:
      append_flags(event.flags, " ", buffer);
      if (!buffer->empty()) *buffer += ' ';
      if (bad_value(event) != BadValue::kNone) *buffer += "bad_value ";
      *value = *buffer;
      if (!value->empty()) value->remove_suffix(1);
      return true;
    default:
      return false;
  }
}

bool EventFilter::compare(const Node& node, uint64_t value) {
  switch (node.op) {
    case Operator::kEqual:
      return value == node.number;
    case Operator::kUnequal:
      return value != node.number;
    case Operator::kLess:
      return value < node.number;
    case Operator::kLessEqual:
      return value <= node.number;
    case Operator::kGreater:
      return value > node.number;
    case Operator::kGreaterEqual:
      return value >= node.number;
    case Operator::kBits:
      return (value & node.number) != 0;
    default:
      return false;
  }
}

bool EventFilter::compare(const Node& node, std::string_view value) {
  switch (node.op) {
    case Operator::kEqual:
      return value == node.text;
    case Operator::kUnequal:
      return value != node.text;
    case Operator::kContains:
      return value.find(node.text) != std::string_view::npos;
    case Operator::kLacks:
      return value.find(node.text) == std::string_view::npos;
    default:
      return false;
  }
}

bool EventFilter::holds(uint32_t index, const Subject& subject) const {
  const Node& node = nodes_[index];
  switch (node.kind) {
    case NodeKind::kAnd:
      return holds(node.left, subject) && holds(node.right, subject);
    case NodeKind::kOr:
      return holds(node.left, subject) || holds(node.right, subject);
    case NodeKind::kNot:
      return !holds(node.left, subject);
    case NodeKind::kNumber: {
      uint64_t value = 0;
      return number_of(node.field, subject, &value) && compare(node, value);
    }
    case NodeKind::kText: {
      std::string buffer;
      std::string_view value;
      return text_of(node.field, subject, &buffer, &value) && compare(node, value);
    }
  }
  return false;
}

}  // namespace gpuvm
