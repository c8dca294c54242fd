// XML to rnn::Database.
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <functional>
#include <pugixml.hpp>
#include <set>

#include "traces/core/small_file.h"
#include "traces/regmap/rnndb_model.h"

namespace gpuvm::rnn {
namespace {

constexpr size_t kMaxBytes = 16 << 20;  // of text, all files together; envytools has 1.4 MB
constexpr size_t kMaxFiles = 4096;
constexpr int kMaxDepth = 64;
constexpr size_t kMaxNodes = 1 << 19;   // elements, fields and values in all; envytools has 22,000
constexpr size_t kMaxAttribute = 1024;  // characters; envytools has 72

using ReadFile = std::function<Result<std::string>(const std::string& name)>;

std::optional<uint64_t> parse_number(std::string_view text) {
  const size_t x = text.find_first_of("xX");
  int base = 10;
  if (x != std::string_view::npos) {
    if (x != 1 || text[0] != '0') return std::nullopt;
    base = 16;
    text.remove_prefix(2);
  }
  uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class Parser {
 public:
  Parser(Database& database, const ReadFile& read) : database_(database), read_(read) {}

  Status file(const std::string& spelling, int depth) {
    const std::string name = std::filesystem::path(spelling).lexically_normal().string();
    if (!seen_.insert(name).second) return Ok{};
    if (seen_.size() > kMaxFiles) return error("{}: more than {} files are imported", name, kMaxFiles);
    if (depth > kMaxDepth) return error("{}: imports nest more than {} deep", name, kMaxDepth);
    GPUVM_TRY(const std::string text, read_(name));
    bytes_ += text.size();
    if (bytes_ > kMaxBytes)
      return error("{}: the register database is larger than {} MiB in all", name, kMaxBytes >> 20);
    ++database_.files;
    // The file's names stand for the includer's again afterwards.
    const File outer = std::exchange(file_, File{&text, name, depth});
    pugi::xml_document document;
    const pugi::xml_parse_result parsed = document.load_buffer(text.data(), text.size());
    Status status = Ok{};
    if (!parsed) {
      status = error("{}:{}: not well-formed XML: {}", name, line_at(static_cast<size_t>(parsed.offset)),
                     parsed.description());
    } else if (const pugi::xml_node root = document.document_element();
               std::string_view(root.name()) != "database") {
      status = error("{}:1: the root is <{:.64}>, not <database>", name, root.name());
    } else {
      status = top_levels(root, 0);
    }
    file_ = outer;
    return status;
  }

 private:
  struct File {
    const std::string* text = nullptr;
    std::string name;
    int depth = 0;
  };

  size_t line_at(size_t offset) const {
    const size_t end = std::min(offset, file_.text->size());
    return 1 + static_cast<size_t>(
                   std::count(file_.text->begin(), file_.text->begin() + static_cast<ptrdiff_t>(end), '\n'));
  }
  std::string place(const pugi::xml_node& node) const {
    return fmt::format("{}:{}", file_.name,
                       line_at(static_cast<size_t>(std::max<ptrdiff_t>(0, node.offset_debug()))));
  }
  void problem(const pugi::xml_node& node, std::string_view what) {
    // To find a line takes time that grows with the file: only for those that are told.
    if (database_.problems.size() >= Database::kMaxProblems) return database_.problem({});
    database_.problem(fmt::format("{}: <{:.64}>: {}", place(node), node.name(), what));
  }

  // True if the tag is one that means the same anywhere, and was taken.
  Result<bool> top_level(const pugi::xml_node& node, int depth) {
    const std::string_view tag = node.name();
    if (tag == "import") {
      const std::string name = node.attribute("file").value();
      if (name.empty()) return problem(node, "names no file"), true;
      const Status done = file(name, file_.depth + 1);
      if (!done) return error("{} (imported at {})", done.error().message, place(node));
      return true;
    }
    if (tag == "brief" || tag == "doc" || tag == "copyright" || tag.empty()) return true;
    if (tag == "enum") return add_enum(node, depth);
    if (tag == "bitset") return add_bitset(node, depth);
    if (tag == "domain") return add_domain(node, depth);
    if (tag == "group") return add_group(node, depth);
    if (tag == "spectype") return add_spectype(node, depth);
    return false;
  }

  Status top_levels(const pugi::xml_node& parent, int depth) {
    for (const pugi::xml_node& node : parent.children()) {
      GPUVM_TRY(const bool taken, top_level(node, depth));
      if (!taken) problem(node, "is not known here, left out");
    }
    return Ok{};
  }

  Status count_node(const pugi::xml_node& node, int depth) {
    if (depth > kMaxDepth) return error("{}: tags nest more than {} deep", place(node), kMaxDepth);
    if (++nodes_ > kMaxNodes) return error("{}: more than {} elements", place(node), kMaxNodes);
    for (const pugi::xml_attribute& attribute : node.attributes()) {
      if (std::string_view(attribute.value()).size() > kMaxAttribute)
        return error("{}: {:.64}=\"{:.20}...\" has more than {} characters", place(node), attribute.name(),
                     attribute.value(), kMaxAttribute);
    }
    return Ok{};
  }

  static Scope scope_of(const pugi::xml_node& node) {
    return {node.attribute("prefix").value(), node.attribute("varset").value(),
            node.attribute("variants").value()};
  }

  static bool inline_of(const pugi::xml_node& node) {
    const std::string_view text = node.attribute("inline").value();
    return text == "yes" || text == "1";
  }

  // False, with a problem, if the attribute is there and no number.
  bool number(const pugi::xml_node& node, const char* name, uint64_t* value) {
    const pugi::xml_attribute attribute = node.attribute(name);
    if (!attribute) return true;
    const std::optional<uint64_t> parsed = parse_number(attribute.value());
    if (!parsed) {
      problem(node, fmt::format("{}=\"{}\" is no number, left out", name, attribute.value()));
      return false;
    }
    *value = *parsed;
    return true;
  }

  Result<bool> add_enum(const pugi::xml_node& node, int depth) {
    GPUVM_TRY_STATUS(count_node(node, depth));
    const std::string name = node.attribute("name").value();
    if (name.empty()) return problem(node, "has no name, left out"), true;
    Enum& target = database_.enums[name];
    if (target.values.empty()) {
      target.scope = scope_of(node);
      target.is_inline = inline_of(node);
    }
    for (const pugi::xml_node& child : node.children()) {
      if (std::string_view(child.name()) == "value") {
        const size_t before = target.values.size();
        GPUVM_TRY_STATUS(add_value(child, depth + 1, &target.values));
        if (target.values.size() > before) target.positions.try_emplace(target.values[before].name, before);
      } else {
        GPUVM_TRY_STATUS(other(child, depth + 1));
      }
    }
    return true;
  }

  Result<bool> add_bitset(const pugi::xml_node& node, int depth) {
    GPUVM_TRY_STATUS(count_node(node, depth));
    const std::string name = node.attribute("name").value();
    if (name.empty()) return problem(node, "has no name, left out"), true;
    // Not a reference: a bitset inside this one may move it.
    TypeSpec spec;
    GPUVM_TRY_STATUS(spec_children(node, depth, &spec));
    Bitset& target = database_.bitsets[name];
    if (target.bitfields.empty()) {
      target.scope = scope_of(node);
      target.is_inline = inline_of(node);
    }
    std::move(spec.bitfields.begin(), spec.bitfields.end(), std::back_inserter(target.bitfields));
    return true;
  }

  Result<bool> add_domain(const pugi::xml_node& node, int depth) {
    GPUVM_TRY_STATUS(count_node(node, depth));
    const std::string name = node.attribute("name").value();
    if (name.empty()) return problem(node, "has no name, left out"), true;
    const bool known = database_.domains.contains(name);
    Domain said;
    number(node, "width", &said.width);
    number(node, "size", &said.size);
    if (said.width != 8 && said.width != 16 && said.width != 32 && said.width != 64) {
      problem(node, "width is none of 8, 16, 32, 64; taken as 8");
      said.width = 8;
    }
    std::vector<Element> elements;
    GPUVM_TRY_STATUS(element_children(node, depth, &elements));
    Domain& target = database_.domains[name];
    if (!known && target.elements.empty()) {
      target.scope = scope_of(node);
      target.width = said.width;
    }
    if (said.size != 0) target.size = said.size;
    std::move(elements.begin(), elements.end(), std::back_inserter(target.elements));
    return true;
  }

  Result<bool> add_group(const pugi::xml_node& node, int depth) {
    GPUVM_TRY_STATUS(count_node(node, depth));
    const std::string name = node.attribute("name").value();
    if (name.empty()) return problem(node, "has no name, left out"), true;
    std::vector<Element> elements;
    GPUVM_TRY_STATUS(element_children(node, depth, &elements));
    std::vector<Element>& target = database_.groups[name];
    std::move(elements.begin(), elements.end(), std::back_inserter(target));
    return true;
  }

  Result<bool> add_spectype(const pugi::xml_node& node, int depth) {
    GPUVM_TRY_STATUS(count_node(node, depth));
    const std::string name = node.attribute("name").value();
    if (name.empty()) return problem(node, "has no name, left out"), true;
    TypeSpec spec;
    spec_attributes(node, &spec);
    GPUVM_TRY_STATUS(spec_children(node, depth, &spec));
    database_.spectypes[name] = std::move(spec);
    return true;
  }

  Status other(const pugi::xml_node& node, int depth) {
    GPUVM_TRY(const bool taken, top_level(node, depth));
    if (!taken) problem(node, "is not known here, left out");
    return Ok{};
  }

  Status add_value(const pugi::xml_node& node, int depth, std::vector<Value>* values) {
    GPUVM_TRY_STATUS(count_node(node, depth));
    Value value{.name = node.attribute("name").value(), .value = {}, .scope = scope_of(node)};
    if (value.name.empty()) return problem(node, "has no name, left out"), Ok{};
    uint64_t number_value = 0;
    if (!number(node, "value", &number_value)) return Ok{};
    if (node.attribute("value")) value.value = number_value;
    values->push_back(std::move(value));
    for (const pugi::xml_node& child : node.children()) GPUVM_TRY_STATUS(other(child, depth + 1));
    return Ok{};
  }

  void spec_attributes(const pugi::xml_node& node, TypeSpec* spec) {
    spec->type = node.attribute("type").value();
    number(node, "shr", &spec->shr);
    number(node, "add", &spec->add);
    number(node, "radix", &spec->radix);
    if (spec->shr > 63 || spec->radix > 63) {
      problem(node, "shr or radix above 63, taken as 0");
      spec->shr = spec->radix = 0;
    }
  }

  // The values and bitfields below a register, a field, a bitset or a named type.
  Status spec_children(const pugi::xml_node& node, int depth, TypeSpec* spec) {
    for (const pugi::xml_node& child : node.children()) {
      const std::string_view tag = child.name();
      if (tag == "value") {
        GPUVM_TRY_STATUS(add_value(child, depth + 1, &spec->values));
      } else if (tag == "bitfield") {
        GPUVM_TRY_STATUS(add_bitfield(child, depth + 1, &spec->bitfields));
      } else {
        GPUVM_TRY_STATUS(other(child, depth + 1));
      }
    }
    return Ok{};
  }

  Status add_bitfield(const pugi::xml_node& node, int depth, std::vector<Bitfield>* fields) {
    GPUVM_TRY_STATUS(count_node(node, depth));
    Bitfield field{.name = node.attribute("name").value(), .scope = scope_of(node), .spec = {}};
    uint64_t low = 0, high = 0, pos = 0;
    bool good = number(node, "low", &low) && number(node, "high", &high) && number(node, "pos", &pos);
    if (node.attribute("pos")) {
      low = high = pos;
    } else if (!node.attribute("low") || !node.attribute("high")) {
      problem(node, "has neither pos nor low and high, left out");
      good = false;
    }
    if (good && (high > 63 || low > high || field.name.empty())) {
      problem(node, fmt::format("\"{}\": bits {} to {} are no field, left out", field.name, low, high));
      good = false;
    }
    field.low = static_cast<unsigned>(low & 63);
    field.high = static_cast<unsigned>(high & 63);
    spec_attributes(node, &field.spec);
    GPUVM_TRY_STATUS(spec_children(node, depth, &field.spec));
    if (good) fields->push_back(std::move(field));
    return Ok{};
  }

  struct ElementTag {
    std::string_view tag;
    ElementKind kind;
    unsigned width;
  };
  static constexpr ElementTag kElementTags[] = {
      {"reg8", ElementKind::kRegister, 8},      {"reg16", ElementKind::kRegister, 16},
      {"reg32", ElementKind::kRegister, 32},    {"reg64", ElementKind::kRegister, 64},
      {"array", ElementKind::kArray, 0},        {"stripe", ElementKind::kStripe, 0},
      {"use-group", ElementKind::kUseGroup, 0},
  };

  Status element_children(const pugi::xml_node& node, int depth, std::vector<Element>* elements) {
    for (const pugi::xml_node& child : node.children()) {
      const auto known = std::find_if(std::begin(kElementTags), std::end(kElementTags),
                                      [&](const ElementTag& t) { return t.tag == child.name(); });
      if (known == std::end(kElementTags)) {
        GPUVM_TRY_STATUS(other(child, depth + 1));
      } else {
        GPUVM_TRY_STATUS(add_element(child, *known, depth + 1, elements));
      }
    }
    return Ok{};
  }

  Status add_element(const pugi::xml_node& node, const ElementTag& tag, int depth,
                     std::vector<Element>* elements) {
    GPUVM_TRY_STATUS(count_node(node, depth));
    Element element{.kind = tag.kind,
                    .name = node.attribute("name").value(),
                    .width = tag.width,
                    .scope = scope_of(node),
                    .spec = {},
                    .children = {}};
    bool good = number(node, "offset", &element.offset) && number(node, "length", &element.length) &&
                number(node, "stride", &element.stride);
    if (tag.kind == ElementKind::kRegister) {
      spec_attributes(node, &element.spec);
      GPUVM_TRY_STATUS(spec_children(node, depth, &element.spec));
      if (!node.attribute("offset")) problem(node, "has no offset, left out"), good = false;
    } else if (tag.kind != ElementKind::kUseGroup) {
      GPUVM_TRY_STATUS(element_children(node, depth, &element.children));
    }
    if (tag.kind == ElementKind::kArray && element.stride == 0) {
      problem(node, fmt::format("\"{}\" has no stride, left out", element.name));
      good = false;
    }
    // A few arrays of envytools have no name; what lies in them is found all the same.
    if (tag.kind != ElementKind::kStripe && tag.kind != ElementKind::kArray && element.name.empty()) {
      problem(node, "has no name, left out");
      good = false;
    }
    if (good) elements->push_back(std::move(element));
    return Ok{};
  }

  Database& database_;
  const ReadFile& read_;
  std::set<std::string> seen_;
  size_t bytes_ = 0;
  File file_;
  size_t nodes_ = 0;
};

// A name in an import must stay in the database's folder.
bool leads_outside(const std::string& name) {
  const std::filesystem::path path(name);
  return path.is_absolute() ||
         std::any_of(path.begin(), path.end(), [](const auto& part) { return part == ".."; });
}

}  // namespace

Result<Database> load(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code problem;
  const bool folder = fs::is_directory(path, problem);
  if (!folder && !fs::is_regular_file(path, problem)) {
    return error("{}: no register database there; name the folder that holds root.xml", path);
  }
  const fs::path base = folder ? fs::path(path) : fs::path(path).parent_path();
  std::vector<std::string> roots;
  if (!folder) {
    roots.push_back(fs::path(path).filename().string());
  } else if (fs::is_regular_file(base / "root.xml", problem)) {
    roots.push_back("root.xml");
  } else {
    for (auto it = fs::directory_iterator(base, problem); !problem && it != fs::directory_iterator();
         it.increment(problem)) {
      if (it->path().extension() == ".xml") roots.push_back(it->path().filename().string());
    }
    std::sort(roots.begin(), roots.end());
  }
  if (roots.empty()) return error("{}: no XML file in it; name the folder that holds root.xml", path);
  Database database;
  const ReadFile read = [&](const std::string& name) -> Result<std::string> {
    if (leads_outside(name)) return error("{}: leads out of the folder of the register database", name);
    const fs::path file = base / name;
    if (!fs::is_regular_file(file, problem)) return error("{}: no such file", file.string());
    return read_small_file(file.string(), kMaxBytes);
  };
  Parser parser(database, read);
  for (const std::string& root : roots) GPUVM_TRY_STATUS(parser.file(root, 0));
  return database;
}

Result<Database> load_text(const std::map<std::string, std::string>& files, const std::string& root) {
  Database database;
  const ReadFile read = [&](const std::string& name) -> Result<std::string> {
    const auto found = files.find(name);
    if (found == files.end()) return error("{}: no such file", name);
    return found->second;
  };
  Parser parser(database, read);
  GPUVM_TRY_STATUS(parser.file(root, 0));
  return database;
}

}  // namespace gpuvm::rnn
