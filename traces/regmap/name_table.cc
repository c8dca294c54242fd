#include "traces/regmap/name_table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>

#include "traces/core/printable.h"
#include "traces/core/small_file.h"

namespace gpuvm {
namespace {

constexpr size_t kMaxLines = 65536;
constexpr size_t kMaxLine = 4096;
constexpr size_t kMaxName = 128;
constexpr size_t kMaxFields = 64;
constexpr size_t kMaxValues = 256;
constexpr size_t kMaxWindows = 16;
constexpr uint64_t kMaxElements = 1 << 24;  // of an array

struct FixedSpace {
  std::string_view name;
  RegisterSpace space;
};
constexpr std::array kFixedSpaces = std::to_array<FixedSpace>({{"bar0", 0},
                                                               {"bar1", 1},
                                                               {"bar2", 2},
                                                               {"bar3", 3},
                                                               {"bar4", 4},
                                                               {"bar5", 5},
                                                               {"rom", 6},
                                                               {"bus", kNoBar},
                                                               {"config", kConfigRegisters}});

std::optional<uint64_t> number(std::string_view text) {
  const int base = text.starts_with("0x") || text.starts_with("0X") ? 16 : 10;
  if (base == 16) text.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (problem != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// Cuts `text` at the first `separator`; nothing is cut off if there is none.
std::string_view cut(std::string_view& text, char separator) {
  const size_t at = text.find(separator);
  const std::string_view head = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return head;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const size_t start = line.find_first_not_of(" \t");
    if (start == std::string_view::npos || line[start] == '#') break;
    line.remove_prefix(start);
    const size_t end = std::min(line.find_first_of(" \t"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return words;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxName && std::ranges::all_of(text, [](char c) {
    return c > ' ' && c < 0x7f && std::string_view("=:{},#").find(c) == std::string_view::npos;
  });
}

// Where a line's name is: "0x10", "0x10:2", "0x10+0x20*4", "0x100-0x1ff".
struct Where {
  uint64_t first = 0;
  uint64_t last = 0;  // ranges
  bool range = false;
  unsigned width = 4;  // bytes
  uint64_t count = 1;
  uint64_t stride = 0;
};

std::optional<Where> where_of(std::string_view text) {
  Where where;
  if (const size_t dash = text.find('-'); dash != std::string_view::npos) {
    const auto first = number(text.substr(0, dash)), last = number(text.substr(dash + 1));
    if (!first || !last || *last < *first || *last == ~uint64_t{0}) return std::nullopt;
    return Where{.first = *first, .last = *last, .range = true};
  }
  const bool array = text.find('+') != std::string_view::npos;
  std::string_view one = cut(text, '+');
  const bool sized = one.find(':') != std::string_view::npos;
  const auto first = number(cut(one, ':'));
  const auto width = sized ? number(one) : 4;
  if (!first || !width || (*width != 1 && *width != 2 && *width != 4 && *width != 8)) return std::nullopt;
  where.first = *first;
  where.width = static_cast<unsigned>(*width);
  if (array) {
    const auto stride = number(cut(text, '*')), count = number(text);
    if (!stride || !count || *stride < where.width || *count == 0 || *count > kMaxElements)
      return std::nullopt;
    where.stride = *stride;
    where.count = *count;
  }
  if (where.stride != 0 && where.count > (~uint64_t{0} - 8 - where.first) / where.stride) return std::nullopt;
  if (where.first > ~uint64_t{0} - 8) return std::nullopt;
  return where;
}

// "{0:off,1:on}" without the brackets.
std::optional<std::vector<rnn::Value>> values_of(std::string_view text) {
  std::vector<rnn::Value> values;
  while (!text.empty()) {
    std::string_view name = cut(text, ',');
    const auto value = number(cut(name, ':'));
    if (!value || !is_name(name) || values.size() >= kMaxValues) return std::nullopt;
    values.push_back({.name = std::string(name), .value = value, .scope = {}});
  }
  return values;
}

// "NAME=3", "NAME=7:4", "NAME=7:4{0:off,1:on}", of a register of `bits` bits.
std::optional<rnn::Bitfield> field_of(std::string_view text, unsigned bits) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || !is_name(text.substr(0, equals))) return std::nullopt;
  rnn::Bitfield field{
      .name = std::string(text.substr(0, equals)), .low = 0, .high = 0, .scope = {}, .spec = {}};
  text.remove_prefix(equals + 1);
  if (const size_t open = text.find('{'); open != std::string_view::npos) {
    if (text.back() != '}') return std::nullopt;
    auto values = values_of(text.substr(open + 1, text.size() - open - 2));
    if (!values || values->empty()) return std::nullopt;
    field.spec.values = std::move(*values);
    text = text.substr(0, open);
  }
  const bool pair = text.find(':') != std::string_view::npos;
  const auto high = number(cut(text, ':'));
  const auto low = pair ? number(text) : high;
  if (!high || !low || *low > *high || *high >= bits) return std::nullopt;
  field.low = static_cast<unsigned>(*low);
  field.high = static_cast<unsigned>(*high);
  return field;
}

class Parser {
 public:
  explicit Parser(const std::string& file) : file_(file) {}

  Result<NameTable> parse(std::string_view text) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    while (!text.empty()) {
      std::string_view line = cut(text, '\n');
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (++line_ > kMaxLines) return error("{}: more than {} lines of names", file_, kMaxLines);
      if (line.size() > kMaxLine) return bad("longer than {} characters", kMaxLine);
      const std::vector<std::string_view> words = words_of(line);
      if (words.empty()) continue;
      GPUVM_TRY_STATUS(words[0] == "window" ? window(words) : names(words));
    }
    // Of two ranges around an address the narrower one says more; registers stand before both.
    for (auto& [space, ranges] : ranges_) {
      std::ranges::stable_sort(ranges, {}, [](const rnn::Element& e) { return e.stride; });
      std::vector<rnn::Element>& all = table_.database.domains[space].elements;
      std::ranges::move(ranges, std::back_inserter(all));
    }
    return std::move(table_);
  }

 private:
  template <typename... Args>
  Error bad(fmt::format_string<Args...> what, Args&&... args) const {
    return error("{}:{}: {}", file_, line_, fmt::format(what, std::forward<Args>(args)...));
  }

  std::optional<RegisterSpace> space_of(std::string_view name) const {
    for (const FixedSpace& fixed : kFixedSpaces) {
      if (fixed.name == name) return fixed.space;
    }
    const auto found = std::ranges::find(table_.window_names, name);
    if (found == table_.window_names.end()) return std::nullopt;
    return static_cast<RegisterSpace>(kFirstWindowSpace + (found - table_.window_names.begin()));
  }

  Error no_space(std::string_view name) const {
    return bad("\"{}\" is no place; write bar0 ... bar5, rom, bus, config, or a window declared above",
               printable_text(name));
  }

  // window NAME = SPACE FIRST-LAST by SPACE OFFSET [mask M] [shift S]
  Status window(const std::vector<std::string_view>& words) {
    constexpr const char* kForm =
        "a window is \"window NAME = bar0 0x0-0xfff by config 0x80 [mask M] [shift S]\"";
    if (words.size() < 8 || words.size() % 2 != 0 || words[2] != "=" || words[5] != "by") return bad(kForm);
    const auto from = space_of(words[3]), by = space_of(words[6]);
    if (!from) return no_space(words[3]);
    if (!by) return no_space(words[6]);
    if (*from >= kFirstWindowSpace || *by >= kFirstWindowSpace)
      return bad("a window lies in a BAR, the bus or configuration space, and so does what selects its bank");
    const auto range = where_of(words[4]);
    const auto selector = number(words[7]);
    if (!is_name(words[1]) || !range || !range->range || !selector || *selector > ~uint64_t{0} - 8)
      return bad(kForm);
    if (space_of(words[1])) return bad("\"{}\" is a place already", words[1]);
    if (table_.windows.size() >= kMaxWindows) return bad("more than {} windows", kMaxWindows);
    BankWindow window{.from = *from,
                      .first = range->first,
                      .last = range->last,
                      .space = static_cast<RegisterSpace>(kFirstWindowSpace + table_.windows.size()),
                      .selector_space = *by,
                      .selector = *selector};
    for (size_t i = 8; i + 1 < words.size(); i += 2) {
      const auto value = number(words[i + 1]);
      if (words[i] == "mask" && value && *value <= UINT32_MAX && *value != 0) {
        window.mask = static_cast<uint32_t>(*value);
      } else if (words[i] == "shift" && value && *value < 32) {
        window.shift = static_cast<unsigned>(*value);
      } else {
        return bad(kForm);
      }
    }
    table_.windows.push_back(window);
    table_.window_names.emplace_back(words[1]);
    table_.database.domains.try_emplace(std::string(words[1]));
    return Ok{};
  }

  // SPACE WHERE NAME [FIELD ...]
  Status names(const std::vector<std::string_view>& words) {
    if (!space_of(words[0])) return no_space(words[0]);
    if (words.size() < 3) return bad("a name is \"bar0 0x10 NAME\", with fields behind it if it has some");
    const auto where = where_of(words[1]);
    if (!where) {
      return bad(
          "\"{}\" is no offset; write 0x10, 0x10:2 (bytes), 0x10+0x20*4 (stride, count) or 0x100-0x1ff",
          printable_text(words[1]));
    }
    if (!is_name(words[2])) {
      return bad("\"{}\" is no name: up to {} characters, none of them = : {{ }} , #",
                 printable_text(words[2]), kMaxName);
    }
    const std::string space(words[0]);
    if (where->range) {
      if (words.size() > 3) return bad("a range has no fields");
      ranges_[space].push_back({.kind = rnn::ElementKind::kArray,
                                .name = std::string(words[2]),
                                .offset = where->first,
                                .stride = where->last - where->first + 1,
                                .scope = {},
                                .spec = {},
                                .children = {}});
      table_.database.domains.try_emplace(space);
      return Ok{};
    }
    const auto [there, fresh] = lines_.try_emplace({space, where->first, where->width}, line_);
    if (!fresh) return bad("{} {} is named in line {} already", words[0], words[1], there->second);
    rnn::TypeSpec spec;
    if (words.size() - 3 > kMaxFields) return bad("more than {} fields", kMaxFields);
    for (size_t i = 3; i < words.size(); ++i) {
      auto field = field_of(words[i], where->width * 8);
      if (!field) {
        return bad("\"{}\" is no field of {} bits; write NAME=3, NAME=7:4 or NAME=7:4{{0:off,1:on}}",
                   printable_text(words[i]), where->width * 8);
      }
      spec.bitfields.push_back(std::move(*field));
    }
    return add_register(space, *where, words[2], std::move(spec));
  }

  Status add_register(const std::string& space, const Where& where, std::string_view name,
                      rnn::TypeSpec spec) {
    std::vector<rnn::Element>& elements = table_.database.domains[space].elements;
    rnn::Element reg{.kind = rnn::ElementKind::kRegister,
                     .name = std::string(name),
                     .offset = where.first,
                     .length = where.count,
                     .stride = where.stride,
                     .width = where.width * 8,
                     .scope = {},
                     .spec = std::move(spec),
                     .children = {}};
    const size_t index = name.find("[]");
    if (index == std::string_view::npos) {
      elements.push_back(std::move(reg));
      return Ok{};
    }
    // "DMA[].CTRL": elements of DMA, each with a CTRL.
    const std::string_view rest = name.substr(index + 2);
    if (where.count == 1 || index == 0 || (!rest.empty() && (rest[0] != '.' || rest.size() == 1)) ||
        rest.find("[]") != std::string_view::npos)
      return bad("[] stands once in the name of an array, behind a name and before a '.' or the end");
    if (rest.empty()) {
      reg.name = std::string(name.substr(0, index));
      elements.push_back(std::move(reg));
      return Ok{};
    }
    rnn::Element stripe{.kind = rnn::ElementKind::kStripe,
                        .name = std::string(name.substr(0, index)),
                        .offset = where.first,
                        .length = where.count,
                        .stride = where.stride,
                        .scope = {},
                        .spec = {},
                        .children = {}};
    reg.name = std::string(rest.substr(1));
    reg.offset = 0;
    reg.length = 1;
    reg.stride = 0;
    stripe.children.push_back(std::move(reg));
    elements.push_back(std::move(stripe));
    return Ok{};
  }

  const std::string& file_;
  size_t line_ = 0;
  NameTable table_;
  std::map<std::string, std::vector<rnn::Element>> ranges_;  // by space
  std::map<std::tuple<std::string, uint64_t, unsigned>, size_t> lines_;
};

}  // namespace

std::string space_name(const NameTable& table, RegisterSpace space) {
  for (const FixedSpace& fixed : kFixedSpaces) {
    if (fixed.space == space) return std::string(fixed.name);
  }
  const size_t window = space - size_t{kFirstWindowSpace};
  return space >= kFirstWindowSpace && window < table.window_names.size() ? table.window_names[window]
                                                                          : std::string();
}

Result<NameTable> parse_name_table(std::string_view text, const std::string& file) {
  if (text.size() > kMaxNameTableBytes)
    return error("{}: larger than {} KiB; a table of names is a small file", file, kMaxNameTableBytes >> 10);
  return Parser(file).parse(text);
}

Result<std::string> read_name_table(const std::string& path) {
  return read_small_file(path, kMaxNameTableBytes);
}

}  // namespace gpuvm
