#include "traces/export/jsonl_export.h"

#include "traces/context.h"
#include "traces/export/text.h"
#include "traces/kind_name.h"
#include "traces/map_record.h"
#include "traces/phase.h"
#include "traces/program_access.h"

namespace gpuvm {
namespace {

// The line so far, key by key.
class Object {
 public:
  explicit Object(std::string* out) : out_(out) {}
  std::string* key(std::string_view name) {
    *out_ += ", \"";
    *out_ += name;
    *out_ += "\": ";
    return out_;
  }
  void number(std::string_view name, uint64_t value) { append_decimal(value, key(name)); }
  void hex(std::string_view name, uint64_t value, unsigned digits = 1) {
    std::string* out = key(name);
    out->push_back('"');
    append_hex(value, digits, out);
    out->push_back('"');
  }
  void text(std::string_view name, std::string_view value) { append_json_string(value, key(name)); }

 private:
  std::string* out_;
};

void add_name(const Event& event, std::optional<AccessNamer>& names, Object& object) {
  if (!names) return;
  const NamedAccess& named = names->name(event);
  if (named.full) {
    object.text("register", named.name);
  } else if (!named.name.empty()) {
    object.text("near", named.name);
  }
  const std::string_view meaning = names->decode(event);
  if (!meaning.empty()) object.text("decoded", meaning);
}

}  // namespace

JsonlExporter::JsonlExporter(const ExportInput& input) {
  if (input.namer != nullptr) names_.emplace(*input.namer);
}

Status JsonlExporter::event(const Event& event, Bytes payload, uint64_t seq, ByteSink& sink) {
  if (event.kind == EventKind::kMark) {
    if (const auto phase = phase_of_mark(as_text(payload))) {
      phase_.clear();
      append_json_string(*phase, &phase_);
    }
  }
  if (names_) names_->observe(event, payload);
  line_ = "{\"seq\": ";
  append_decimal(seq, &line_);
  line_ += ", \"time_us\": ";
  append_microseconds(event.time_ns, &line_);
  Object object(&line_);
  object.text("kind", kind_name(event.kind));
  if (is_mmio(event.kind)) {
    access(event);
  } else {
    others(event, payload);
  }
  if (event.flags != 0) {
    std::string* out = object.key("flags");
    *out += "[\"";
    append_flags(event.flags, "\", \"", out);
    *out += "\"]";
  }
  if (!phase_.empty()) *object.key("phase") += phase_;
  line_ += "}\n";
  return sink.write(line_);
}

void JsonlExporter::place(const Event& event) {
  Object object(&line_);
  if (event.space == kNoBar) {
    object.hex("address", event.address);
  } else {
    object.number("bar", event.space);
    object.hex("offset", event.address, 6);
  }
  object.number("width", event.width);
}

void JsonlExporter::access(const Event& event) {
  Object object(&line_);
  place(event);
  const bool unknown = (event.flags & kFlagValueUnknown) != 0;
  if (unknown) {
    object.hex("instruction", event.value, 6);
  } else {
    object.hex("value", event.value, 2u * event.width);
  }
  add_name(event, names_, object);
  if (event.aux != 0) object.number("context", event.aux);
}

void JsonlExporter::others(const Event& event, Bytes payload) {
  Object object(&line_);
  switch (event.kind) {
    case EventKind::kConfigRead:
    case EventKind::kConfigWrite:
      object.hex("offset", event.address, 2);
      object.number("width", event.width);
      object.hex("value", event.value, 2u * event.width);
      add_name(event, names_, object);
      return;
    case EventKind::kDmaRead:
    case EventKind::kDmaWrite: {
      object.hex("address", event.address);
      object.number("length", payload.size());
      std::string* out = object.key("data");
      out->push_back('"');
      append_hex_bytes(payload, out);
      out->push_back('"');
      return;
    }
    case EventKind::kIrq:
      object.text("line", event.space == kIrqMsi ? "msi" : "intx");
      if (event.space == kIrqMsi) object.hex("address", event.address);
      object.hex("value", event.value);
      if (event.space == kIrqMsi && event.aux != 0) object.number("vector", event.aux - 1);
      return;
    case EventKind::kMark:
    case EventKind::kNote:
      object.text("text", as_text(payload));
      return;
    case EventKind::kLoss:
      if ((event.flags & kFlagValueUnknown) == 0) object.number("lost", event.value);
      if (event.address != 0) object.number("cpu", event.address - 1);
      return;
    case EventKind::kDigest:
      object.text("of", event.space == kDigestVram ? "vram" : "registers");
      object.hex("value", event.value, 16);
      return;
    case EventKind::kContext: {
      object.number("context", event.address);
      const Result<ContextRecord> record = decode_context(payload);
      if (!record) return object.text("damaged", record.error().message);
      const ContextRecord& r = record.value();
      *object.key("map") += std::to_string(r.map_id);
      object.number("thread", r.thread);
      object.hex("pc", r.pc);
      if (r.cpu != 0) object.number("cpu", r.cpu - 1);
      if (!r.label.empty()) object.text("label", r.label);
      if (r.callers.empty()) return;
      std::string* out = object.key("callers");
      for (size_t i = 0; i < r.callers.size(); ++i) {
        *out += i == 0 ? "[\"" : "\", \"";
        append_hex(r.callers[i], 1, out);
      }
      *out += "\"]";
      return;
    }
    case EventKind::kWideRead:
    case EventKind::kWideWrite:
    case EventKind::kUpdate: {
      place(event);
      const Result<ProgramAccess> access = decode_program_access(event, payload);
      if (!access) return object.text("damaged", access.error().message);
      const ProgramAccess& a = access.value();
      const auto value = [&](std::string_view name, Bytes bytes) {
        std::string* out = object.key(name);
        out->push_back('"');
        append_hex_number(bytes, out);
        out->push_back('"');
      };
      if (event.kind == EventKind::kUpdate) value("old", a.before);
      value("value", a.after.empty() ? a.before : a.after);
      if (a.context != 0) object.number("context", a.context);
      return;
    }
    case EventKind::kMap:
    case EventKind::kUnmap: {
      if (event.space != kNoBar) object.number("bar", event.space);
      object.hex("address", event.address);
      const Result<MapRecord> record = decode_map(payload);
      if (!record) return object.text("damaged", record.error().message);
      *object.key("map") += std::to_string(record.value().map_id);
      object.hex("virtual", record.value().virtual_address);
      object.hex("length", record.value().length);
      return;
    }
    default:
      return;
  }
}

}  // namespace gpuvm
