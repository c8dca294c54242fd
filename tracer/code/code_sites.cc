#include "tracer/code/code_sites.h"

#include <sys/stat.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tracer/code/elf_file.h"
#include "traces/core/small_json.h"
#include "traces/meta.h"

namespace gpuvm {
namespace {

constexpr size_t kMaxSites = 1 << 18;  // then they are looked up again
constexpr size_t kMaxModulesText = 32 << 20;
constexpr size_t kMaxInstruction = 15;

struct Label {
  std::string path;
  uint64_t offset = 0;
};

std::optional<Label> parse(std::string_view label) {
  const size_t plus = label.rfind("+0x");
  if (plus == std::string_view::npos || plus == 0 || label[0] != '/') return std::nullopt;
  const std::string_view digits = label.substr(plus + 3);
  Label out{.path = std::string(label.substr(0, plus))};
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), out.offset, 16);
  if (digits.empty() || problem != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return out;
}

std::string instruction_at(const std::string& path, uint64_t offset, uint64_t address,
                           Disassembler& disassembler) {
  std::ifstream in(path, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(offset));
  uint8_t code[kMaxInstruction];
  in.read(reinterpret_cast<char*>(code), sizeof code);
  const auto got = static_cast<size_t>(in.gcount());
  return got == 0 ? "" : disassembler.text(ByteSpan(code, got), address);
}

}  // namespace

Result<CodeSites> CodeSites::create(std::string_view modules, std::string sysroot,
                                    const std::vector<std::string>& debug_folders) {
  CodeSites out;
  if (!is_small_json(modules, kMaxModulesText, 4))
    return error("{}: larger or deeper than it can be", kModulesAttachment);
  const auto list = nlohmann::json::parse(modules, nullptr, /*allow_exceptions=*/false);
  if (!list.is_array()) return error("{}: a list of files is expected", kModulesAttachment);
  for (const auto& row : list) {
    if (!row.is_object() || !row.contains("path") || !row["path"].is_string()) continue;
    const std::string id = row.contains("build_id") && row["build_id"].is_string()
                               ? row["build_id"].get<std::string>()
                               : std::string();
    out.modules_[row["path"].get<std::string>()].build_id = id;
  }
  out.sysroot_ = std::move(sysroot);
  out.lines_ = std::make_unique<SourceLines>(debug_folders);
  out.disassembler_ = std::make_unique<Disassembler>();
  return out;
}

// Only a file with the build-id that was traced says anything about a site; one without an id is taken at its
// word.
bool CodeSites::usable(const std::string& path) {
  const auto found = modules_.find(path);
  if (found == modules_.end()) return false;
  Module& module = found->second;
  if (module.checked) return module.usable;
  module.checked = true;
  const std::string file = sysroot_ + path;
  struct stat what {};
  if (stat(file.c_str(), &what) != 0 || !S_ISREG(what.st_mode)) {
    notes_.push_back(fmt::format("{}: not there; its sites are shown as offsets", file));
    return false;
  }
  if (module.build_id != build_id_of(file)) {
    notes_.push_back(fmt::format(
        "{}: not the file that was traced (its build-id is another); its sites are shown as offsets", file));
    return false;
  }
  return module.usable = true;
}

const CodeSite& CodeSites::find(std::string_view label) {
  const std::string key(label);
  if (const auto known = sites_.find(key); known != sites_.end()) return known->second;
  if (sites_.size() >= kMaxSites) sites_.clear();
  CodeSite& site = sites_[key];
  const std::optional<Label> place = parse(label);
  if (!place) return site;
  site.module = place->path;
  site.offset = place->offset;
  if (!usable(place->path)) return site;
  const std::string file = sysroot_ + place->path;
  const std::optional<uint64_t> address = address_of_offset(file, place->offset);
  if (!address) return site;
  site.frames = lines_->frames(file, *address);
  site.instruction = instruction_at(file, place->offset, *address, *disassembler_);
  return site;
}

std::vector<std::string> CodeSites::take_notes() {
  return std::exchange(notes_, {});
}

std::string short_place(const SourceFrame& frame) {
  if (frame.file.empty()) return "";
  const std::string name = std::filesystem::path(frame.file).filename().string();
  return frame.line == 0 ? name : fmt::format("{}:{}", name, frame.line);
}

std::string describe(const CodeSite& site, std::string_view label) {
  if (site.frames.empty()) return std::string(label);
  std::string out;
  for (const SourceFrame& frame : site.frames) {
    if (!out.empty()) out += " < ";
    out += frame.function.empty() ? "?" : frame.function;
    if (const std::string place = short_place(frame); !place.empty()) out += " at " + place;
  }
  return out;
}

}  // namespace gpuvm
