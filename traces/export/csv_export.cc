#include "traces/export/csv_export.h"

#include "traces/export/text.h"
#include "traces/kind_name.h"
#include "traces/phase.h"
#include "traces/program_access.h"

namespace gpuvm {
namespace {

// A spreadsheet takes a cell that begins so for a formula; the text is somebody else's.
bool looks_like_formula(std::string_view text) {
  return !text.empty() && std::string_view("=+-@\t\r").find(text[0]) != std::string_view::npos;
}

void append_cell(std::string_view text, std::string* out) {
  const bool formula = looks_like_formula(text);
  if (!formula && text.find_first_of(",\"\r\n") == std::string_view::npos) {
    *out += text;
    return;
  }
  out->push_back('"');
  if (formula) out->push_back('\'');
  for (const char c : text) {
    if (c == '"') out->push_back('"');
    out->push_back(c);
  }
  out->push_back('"');
}

}  // namespace

CsvExporter::CsvExporter(const ExportInput& input) {
  if (input.namer != nullptr) names_.emplace(*input.namer);
}

Status CsvExporter::begin(ByteSink& sink) {
  return sink.write(
      "seq,time_us,kind,bar,address,width,value,register,decoded,phase,flags,context,text,label,vector,"
      "old\r\n");
}

Status CsvExporter::event(const Event& event, Bytes payload, uint64_t seq, ByteSink& sink) {
  const bool text_payload = event.kind == EventKind::kMark || event.kind == EventKind::kNote;
  if (event.kind == EventKind::kMark) {
    if (const auto phase = phase_of_mark(as_text(payload))) {
      phase_.clear();
      append_cell(*phase, &phase_);
    }
  }
  if (event.kind == EventKind::kContext) labels_.define(event, payload);
  const bool mmio = is_mmio(event.kind), program = is_program_access(event.kind);
  const ProgramAccess access = program ? program_access_or_none(event, payload) : ProgramAccess{};
  const uint32_t context = context_of(event, payload);
  if (names_) names_->observe(event, payload);
  line_.clear();
  append_decimal(seq, &line_);
  line_ += ',';
  append_microseconds(event.time_ns, &line_);
  line_ += ',';
  line_ += kind_name(event.kind);
  line_ += ',';
  if ((mmio || program) && event.space != kNoBar) append_decimal(event.space, &line_);
  line_ += ',';
  append_hex(event.address, 1, &line_);
  line_ += ',';
  if (event.width != 0) append_decimal(event.width, &line_);
  line_ += ',';
  if (!has_payload(event.kind)) append_hex(event.value, 2u * event.width, &line_);
  if (program) append_hex_number(access.after.empty() ? access.before : access.after, &line_);
  line_ += ',';
  if (names_) append_cell(names_->name(event).name, &line_);
  line_ += ',';
  if (names_) append_cell(names_->decode(event), &line_);
  line_ += ',';
  line_ += phase_;
  line_ += ',';
  append_flags(event.flags, " ", &line_);
  line_ += ',';
  if (context != 0) append_decimal(context, &line_);
  line_ += ',';
  if (text_payload) {
    append_cell(as_text(payload), &line_);
  } else if (!program) {
    append_hex_bytes(payload, &line_);
  }
  line_ += ',';
  if (context != 0) append_cell(labels_.of(event, payload), &line_);
  line_ += ',';
  if (event.kind == EventKind::kIrq && event.aux != 0) append_decimal(event.aux - 1, &line_);
  line_ += ',';
  if (event.kind == EventKind::kUpdate) append_hex_number(access.before, &line_);
  line_ += "\r\n";
  return sink.write(line_);
}

}  // namespace gpuvm
