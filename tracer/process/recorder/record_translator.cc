#include "tracer/process/recorder/record_translator.h"

#include <linux/ioctl.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>

#include "tracer/code/code_sites.h"
#include "tracer/code/elf_file.h"
#include "tracer/process/recorder/ioctls.h"
#include "tracer/process/recorder/pci_files.h"
#include "traces/context.h"
#include "traces/map_record.h"
#include "traces/meta.h"
#include "traces/program_access.h"

namespace gpuvm {
namespace {

using trace_channel::Operation;
using trace_channel::Record;
using trace_channel::RecordType;

constexpr size_t kMaxContexts = 1 << 20;  // then the oldest id is given to a new context
constexpr size_t kMaxFiles = 4096;        // of different paths; the rest share the last
constexpr size_t kMaxMappings = 1 << 16;  // at once
constexpr size_t kMaxNotes = 1000;        // lines for the user
constexpr size_t kMaxSites = 1 << 18, kMaxSiteBytes = 64 << 20;  // of all processes
constexpr size_t kMaxProcesses = 1 << 16;
constexpr size_t kMaxModules = 4096;
constexpr size_t kMaxPath = 1024;  // longer ones are cut: all names together fit into an attachment
constexpr char kOtherFiles[] = "(other files)";
constexpr size_t kPage = 4096;
constexpr size_t kMaxWidth = 255;  // of an event; fnsave has 108 bytes

std::string_view text_of(const Record& record, Bytes data) {
  return as_text(data.first(std::min<size_t>(record.bytes, data.size())));
}
std::string path_of(const Record& record, Bytes data) {
  return std::string(text_of(record, data).substr(0, kMaxPath));
}

}  // namespace

uint64_t RecordTranslator::time_of(const Record& record) {
  start_ns_ = start_ns_ ? start_ns_ : record.time_ns;
  latest_ns_ = std::max(latest_ns_, record.time_ns - std::min(record.time_ns, *start_ns_));
  return latest_ns_;
}

Status RecordTranslator::translate(const Record& record, Bytes data) {
  switch (record.type) {
    case RecordType::kAccess:
      return access(record, data);
    case RecordType::kMap:
    case RecordType::kUnmap:
      return map(record, data);
    case RecordType::kCall:
      return call(record, data);
    case RecordType::kSite:
      site(record, data);
      return Ok{};
    case RecordType::kProcess:
      return process(record, data);
    case RecordType::kEnd:  // of a file: who reads it knows it
      break;
    case RecordType::kNote: {
      if (notes_.size() < kMaxNotes) notes_.emplace_back(text_of(record, data));
      return sink_.write({.time_ns = time_of(record), .kind = EventKind::kNote},
                         as_bytes(text_of(record, data)));
    }
  }
  ++counts_.unknown;
  return Ok{};
}

Event RecordTranslator::event_at(const Record& record, EventKind kind) {
  Event event{.time_ns = time_of(record), .address = record.offset, .kind = kind, .space = kNoBar};
  if (const auto mapping = mappings_.find(record.map); mapping != mappings_.end()) {
    const TracedFile& file = files_[mapping->second.file];
    event.space = file.space;
    event.address += file.base;
  }
  return event;
}

Status RecordTranslator::access(const Record& record, Bytes data) {
  ++counts_.accesses;
  if (const auto mapping = mappings_.find(record.map); mapping != mappings_.end()) {
    ++files_[mapping->second.file].accesses;
  }
  GPUVM_TRY(const uint32_t context, context_of(record));
  const bool update = record.operation == Operation::kUpdate;
  const bool repeated = (record.flags & trace_channel::kRepeated) != 0;
  const size_t bytes = std::min<size_t>(record.bytes, data.size() / (update ? 2 : 1));
  Event event = event_at(record, EventKind::kUpdate);
  if ((record.flags & (trace_channel::kPart | trace_channel::kLanes)) != 0) event.flags |= kFlagPart;
  if ((record.flags & trace_channel::kAtomic) != 0) event.flags |= kFlagAtomic;
  if (repeated) event.flags |= kFlagRepeated;
  if (!update && repeated) return accesses(event, record, data.first(bytes), record.width, context);
  const size_t page_left = kPage - record.offset % kPage;
  if (bytes > page_left) event.flags |= kFlagPart;  // the processor makes two of it
  if (!update) {
    const size_t first = std::min(bytes, page_left);
    GPUVM_TRY_STATUS(accesses(event, record, data.first(first), first, context));
    event.address += first;
    return accesses(event, record, data.subspan(first, bytes - first), bytes - first, context);
  }
  size_t width = 0;
  for (size_t at = 0; at < bytes; at += width) {
    width = std::min(kMaxWidth, (at < page_left ? std::min(bytes, page_left) : bytes) - at);
    event.width = static_cast<uint8_t>(width);
    GPUVM_TRY_STATUS(sink_.write(event, as_bytes(encode_program_access(context, data.subspan(at, width),
                                                                       data.subspan(bytes + at, width)))));
    event.address += width;
  }
  return Ok{};
}

// Each `unit` of the bytes is an access.
Status RecordTranslator::accesses(Event event, const Record& record, Bytes data, size_t unit,
                                  uint32_t context) {
  unit = std::clamp<size_t>(unit, 1, kMaxWidth);
  const bool read = record.operation == Operation::kRead;
  while (!data.empty()) {
    const size_t width = std::min(unit, data.size());
    event.width = static_cast<uint8_t>(width);
    if (width <= 8 && std::has_single_bit(width)) {
      event.kind = read ? EventKind::kMmioRead : EventKind::kMmioWrite;
      event.aux = context;
      event.value = 0;
      std::memcpy(&event.value, data.data(), width);
      GPUVM_TRY_STATUS(sink_.write(event));
    } else {
      event.kind = read ? EventKind::kWideRead : EventKind::kWideWrite;
      const Bytes bytes = data.first(width);
      GPUVM_TRY_STATUS(sink_.write(
          event, as_bytes(encode_program_access(context, read ? bytes : Bytes{}, read ? Bytes{} : bytes))));
    }
    event.address += width;
    data = data.subspan(width);
  }
  return Ok{};
}

size_t RecordTranslator::file_of(const std::string& path) {
  const auto known = file_by_path_.find(path);
  if (known != file_by_path_.end()) return known->second;
  if (files_.size() >= kMaxFiles) {
    ++counts_.other_files;
    return files_.size() - 1;
  }
  TracedFile file{.path = files_.size() + 1 < kMaxFiles ? path : kOtherFiles};
  const auto pci = pci_resource_of(file.path);
  if (pci && (pci_address_.empty() || pci_address_ == pci->address)) {
    if (pci_address_.empty()) {
      pci_address_ = pci->address;
      if (!host_file_) device_ = read_pci_device(pci->address);
    }
    file.space = pci->bar;
  } else {
    file.base = (files_.size() + 1) << 40;
  }
  files_.push_back(file);
  names_changed_ = true;
  if (files_.size() == kMaxFiles) return file_of(path);  // is among the others
  return file_by_path_[path] = files_.size() - 1;
}

Status RecordTranslator::map(const Record& record, Bytes data) {
  const bool maps = record.type == RecordType::kMap;
  if (maps) {
    const size_t file = file_of(path_of(record, data));
    ++files_[file].mappings;
    if (mappings_.size() < kMaxMappings || mappings_.contains(record.map)) {
      mappings_[record.map] = {file};
    } else {
      ++counts_.unknown_maps;
    }
  }
  const MapRecord mapped{.map_id = record.map,
                         .pid = record.pid,
                         .virtual_address = maps ? record.address : 0,
                         .length = maps ? record.value : 0,
                         .pc = record.pc};
  const Event event = event_at(record, maps ? EventKind::kMap : EventKind::kUnmap);
  if (!maps) mappings_.erase(record.map);
  return sink_.write(event, as_bytes(encode_map(mapped)));
}

// One line: "ioctl PATH NAME BEFORE => AFTER = RESULT by THREAD at PLACE": the argument's fields, of those
// directions that the request names. An ioctl that we do not know: its number and the argument's bytes.
Status RecordTranslator::call(const Record& record, Bytes data) {
  ++counts_.system_calls;
  const auto request = static_cast<uint32_t>(record.offset);
  const size_t image = std::min<size_t>(record.bytes, data.size() / 2);
  std::string_view path = as_text(data.subspan(2 * image));
  path = path.substr(0, path.find('\0'));
  const Ioctl* known = find_ioctl(request);
  if (known == nullptr) ++counts_.unnamed_calls;
  const auto describe = [known](Bytes bytes) {
    if (known != nullptr) return describe_argument(*known, bytes);
    std::string text;
    for (const std::byte b : bytes) text += fmt::format("{:02x}", static_cast<uint8_t>(b));
    return text;
  };
  std::string line = fmt::format("ioctl {} ", path);
  line += known == nullptr ? fmt::format("0x{:08x}", request) : std::string(known->name);
  if (image == 0) line += fmt::format(" 0x{:x}", record.value);
  if (image != 0 && (_IOC_DIR(request) & _IOC_WRITE) != 0) line += " " + describe(data.first(image));
  if (image != 0 && (_IOC_DIR(request) & _IOC_READ) != 0)
    line += " => " + describe(data.subspan(image, image));
  line += fmt::format(" = {} by {} at {}", record.map, record.tid, label_of(record.pid, record.pc));
  return sink_.write({.time_ns = time_of(record), .kind = EventKind::kNote}, as_bytes(line));
}

Status RecordTranslator::process(const Record& record, Bytes data) {
  ++counts_.processes;
  Process& process = process_of(record.pid);
  sites_ -= process.sites.size();  // their bytes stay counted until all are forgotten
  process.sites.clear();
  process.parent = record.value == 1 ? static_cast<uint32_t>(record.offset) : 0;
  const char* what = record.value == 1 ? "fork" : record.value == 2 ? "exec" : "start";
  const std::string program(text_of(record, data));
  const std::string text = record.value == 1 ? fmt::format("process {} fork of {}", record.pid, record.offset)
                                             : fmt::format("process {} {} {}", record.pid, what, program);
  return sink_.write({.time_ns = time_of(record), .kind = EventKind::kMark}, as_bytes(text));
}

void RecordTranslator::site(const Record& record, Bytes data) {
  std::string path = path_of(record, data);
  if (host_file_ && !path.empty()) path = host_file_(path);
  const std::string label =
      path.empty() ? fmt::format("0x{:x}", record.pc) : fmt::format("{}+0x{:x}", path, record.offset);
  if (sites_ >= kMaxSites || site_bytes_ + label.size() > kMaxSiteBytes) forget_sites();
  const auto [site, added] = process_of(record.pid).sites.insert_or_assign(record.pc, label);
  sites_ += added ? 1 : 0;
  site_bytes_ += label.size();
  if (path.empty() || modules_.contains(path)) return;
  if (modules_.size() >= kMaxModules) {
    ++counts_.other_modules;
    return;
  }
  modules_[path] = build_id_of(path);
  names_changed_ = true;
}

RecordTranslator::Process& RecordTranslator::process_of(uint32_t pid) {
  if (processes_.size() >= kMaxProcesses && !processes_.contains(pid)) forget_sites();
  return processes_[pid];
}

// The agents do not record a site again; that of the instruction in hand is known by its address.
void RecordTranslator::forget_sites() {
  counts_.forgotten_sites += sites_;
  processes_.clear();
  sites_ = site_bytes_ = 0;
}

// The child of a fork runs its parent's code, whose sites it does not record again.
std::string RecordTranslator::label_of(uint32_t pid, uint64_t pc) const {
  for (unsigned depth = 0; depth < 64 && pid != 0; ++depth) {
    const auto process = processes_.find(pid);
    if (process == processes_.end()) break;
    const auto site = process->second.sites.find(pc);
    if (site != process->second.sites.end()) return site->second;
    pid = process->second.parent;
  }
  return fmt::format("0x{:x}", pc);
}

Result<uint32_t> RecordTranslator::context_of(const Record& record) {
  const ContextKey key{record.pid, record.tid, record.map, record.pc};
  const auto known = contexts_.find(key);
  if (known != contexts_.end()) return known->second;
  uint32_t id = next_context_;
  if (contexts_.size() >= kMaxContexts) {
    const auto oldest = contexts_.find(context_order_.front());
    id = oldest->second;
    contexts_.erase(oldest);
    context_order_.pop_front();
  } else {
    ++next_context_;
  }
  contexts_[key] = id;
  context_order_.push_back(key);
  const ContextRecord context{
      .map_id = record.map, .thread = record.tid, .pc = record.pc, .label = label_of(record.pid, record.pc)};
  GPUVM_TRY_STATUS(sink_.write({.time_ns = time_of(record), .address = id, .kind = EventKind::kContext},
                               as_bytes(encode_context(context))));
  return id;
}

std::vector<std::string> RecordTranslator::take_notes() {
  return std::exchange(notes_, {});
}

Status RecordTranslator::attach_names() {
  if (!names_changed_) return Ok{};
  names_changed_ = false;
  using json = nlohmann::ordered_json;
  json files = json::array();
  for (const TracedFile& file : files_) {
    json row = {{"path", file.path}};
    if (file.space == kNoBar) {
      row["address"] = fmt::format("0x{:x}", file.base);
    } else {
      row["bar"] = file.space;
    }
    files.push_back(std::move(row));
  }
  json modules = json::array();
  for (const auto& [path, id] : modules_) modules.push_back({{"path", path}, {"build_id", id}});
  const auto replace = json::error_handler_t::replace;
  GPUVM_TRY_STATUS(sink_.attach(kMappingsAttachment, as_bytes(files.dump(1, ' ', false, replace) + "\n")));
  return sink_.attach(kModulesAttachment, as_bytes(modules.dump(1, ' ', false, replace) + "\n"));
}

}  // namespace gpuvm
