#include "traces/export/csv_export.h"

#include "traces/export/text.h"
#include "traces/kind_name.h"
#include "traces/phase.h"

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
      "seq,time_us,kind,bar,address,width,value,register,decoded,phase,flags,context,text,label,vector\r\n");
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
  const bool mmio = is_mmio(event.kind);
  line_.clear();
  append_decimal(seq, &line_);
  line_ += ',';
  append_microseconds(event.time_ns, &line_);
  line_ += ',';
  line_ += kind_name(event.kind);
  line_ += ',';
  if (mmio && event.space != kNoBar) append_decimal(event.space, &line_);
  line_ += ',';
  append_hex(event.address, 1, &line_);
  line_ += ',';
  if (event.width != 0) append_decimal(event.width, &line_);
  line_ += ',';
  if (!has_payload(event.kind)) append_hex(event.value, 2u * event.width, &line_);
  line_ += ',';
  if (mmio && names_) append_cell(names_->name(event).name, &line_);
  line_ += ',';
  if (mmio && names_) append_cell(names_->decode(event), &line_);
  line_ += ',';
  line_ += phase_;
  line_ += ',';
  append_flags(event.flags, " ", &line_);
  line_ += ',';
  if (mmio && event.aux != 0) append_decimal(event.aux, &line_);
  line_ += ',';
  if (text_payload) {
    append_cell(as_text(payload), &line_);
  } else {
    append_hex_bytes(payload, &line_);
  }
  line_ += ',';
  if (mmio && event.aux != 0) append_cell(labels_.of(event), &line_);
  line_ += ',';
  if (event.kind == EventKind::kIrq && event.aux != 0) append_decimal(event.aux - 1, &line_);
  line_ += "\r\n";
  return sink.write(line_);
}

}  // namespace gpuvm
