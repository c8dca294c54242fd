#include "tracer/process/recorder/record_file.h"

#include <cstring>
#include <fstream>

namespace gpuvm {
namespace {

using trace_channel::Record;
using trace_channel::RecordType;

constexpr uint32_t kMostRecord = sizeof(Record) + 2 * trace_channel::kMaxRecordData;

// False at the end of the file, or if it has less.
bool take(std::ifstream& in, void* out, size_t bytes) {
  in.read(static_cast<char*>(out), static_cast<std::streamsize>(bytes));
  return in.gcount() == static_cast<std::streamsize>(bytes);
}

Result<RecordFileReport> translate_all(std::ifstream& in, RecordTranslator& translator) {
  char magic[sizeof trace_channel::kFileMagic];
  if (!take(in, magic, sizeof magic) || std::memcmp(magic, trace_channel::kFileMagic, sizeof magic) != 0)
    return error("the guest sent no records of its program");
  std::vector<std::byte> data;
  for (uint64_t n = 0;; ++n) {
    Record record;
    if (!take(in, &record, sizeof record))
      return error("the records of the guest's program end after {}, in the middle", n);
    if (record.size < sizeof record || record.size > kMostRecord || record.size % 8 != 0)
      return error("record {} of the guest's program is damaged", n);
    data.resize(record.size - sizeof record);
    if (!take(in, data.data(), data.size()))
      return error("the records of the guest's program end after {}, in the middle", n);
    if (record.type == RecordType::kEnd) {
      RecordFileReport report;
      if (data.size() < sizeof report.end) return error("record {} of the guest's program is damaged", n);
      std::memcpy(&report.end, data.data(), sizeof report.end);
      return report;
    }
    GPUVM_TRY_STATUS(translator.translate(record, data));
  }
}

}  // namespace

Result<RecordFileReport> translate_record_file(const std::string& path, RecordTranslator& translator) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return error("cannot read {}", path);
  auto report = translate_all(in, translator);
  GPUVM_TRY_STATUS(translator.attach_names());
  if (report) report.value().notes = translator.take_notes();
  return report;
}

}  // namespace gpuvm
