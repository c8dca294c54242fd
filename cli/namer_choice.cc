#include "cli/namer_choice.h"

#include <algorithm>
#include <optional>

#include "cli/print.h"
#include "traces/regmap/chips.h"
#include "traces/regmap/gf100_namer.h"
#include "traces/regmap/rnndb.h"
#include "traces/regmap/table_namer.h"

namespace gpuvm::cli {
namespace {

constexpr uint64_t kEventsSearched = 1 << 20;

// The first read of PMC.BOOT_0; leaves the reader at the start.
Result<std::optional<uint32_t>> chip_in_events(TraceReader& reader) {
  std::optional<uint32_t> chip;
  uint64_t seen = 0;
  while (!chip && seen < kEventsSearched) {
    GPUVM_TRY(const EventBatch* batch, reader.next());
    if (batch == nullptr) break;
    for (const Event& event : batch->events) {
      if (event.kind != EventKind::kMmioRead || event.space != 0 || event.address != 0 || event.width != 4)
        continue;
      chip = chip_id_of_boot0(static_cast<uint32_t>(event.value));
      if (chip) break;
    }
    seen += batch->events.size();
  }
  GPUVM_TRY_STATUS(reader.seek(0));
  return chip;
}

Result<std::optional<uint32_t>> choose_chip(TraceReader& reader, const std::string& asked) {
  if (!asked.empty()) {
    const std::optional<uint32_t> chip = chip_id_of_name(asked);
    if (!chip) return error("--chip: \"{}\" is no chip; write GF100 or 0xc0", asked);
    return chip;
  }
  const DeviceInfo& device = reader.meta().device;
  if (device.vendor != 0 && device.vendor != kNvidiaVendor) return std::optional<uint32_t>();
  if (const std::optional<uint32_t> chip = chip_id_of(device)) return chip;
  return chip_in_events(reader);
}

void tell(const std::vector<std::string>& problems, size_t count, const std::string& where) {
  if (count == 0 || problems.empty()) return;
  print_error("gpuvm: note: {}: {} places left out, the first: {}\n", printable_text(where), count,
              printable_text(problems[0]));
}

Result<std::unique_ptr<RegisterNamer>> choose_base(TraceReader& reader, const NamingOptions& options,
                                                   bool has_table) {
  GPUVM_TRY(const std::optional<uint32_t> chip, choose_chip(reader, options.chip));
  const std::string& rnndb = options.rnndb;
  if (rnndb.empty()) {
    if (chip && is_fermi_chip(*chip)) return std::unique_ptr<RegisterNamer>(std::make_unique<Gf100Namer>());
    return std::unique_ptr<RegisterNamer>();
  }
  if (!chip && !has_table) {
    print_error(
        "gpuvm: note: the trace does not tell its chip: names may be another chip's; say it with --chip\n");
  }
  Result<rnn::Database> database = rnn::load(rnndb);
  if (!database) return database.error();
  tell(database.value().problems, database.value().problem_count, rnndb);
  auto namer = RnndbNamer::create(database.value(), chip);
  if (!namer) return error("{}: {}", rnndb, namer.error().message);
  tell(namer.value()->problems(), namer.value()->problems().size(), rnndb);
  return std::unique_ptr<RegisterNamer>(std::move(namer).value());
}

// The user's table, else the trace's own. A damaged one of the trace costs its names, not the trace.
Result<std::optional<NameTable>> choose_table(TraceReader& reader, const std::string& path) {
  if (!path.empty()) {
    GPUVM_TRY(const std::string text, read_name_table(path));
    GPUVM_TRY(NameTable table, parse_name_table(text, path));
    return std::optional<NameTable>(std::move(table));
  }
  const std::vector<std::string> attached = reader.attachment_names();
  if (std::ranges::find(attached, kNamesAttachment) == attached.end()) return std::optional<NameTable>();
  const Result<std::string> text = reader.attachment(kNamesAttachment);
  Result<NameTable> table =
      text ? parse_name_table(text.value(), std::string(kNamesAttachment)) : Result<NameTable>(text.error());
  if (table) return std::optional<NameTable>(std::move(table).value());
  print_error("gpuvm: note: the trace's own names are not used: {}\n", printable_text(table.error().message));
  return std::optional<NameTable>();
}

}  // namespace

Result<std::unique_ptr<RegisterNamer>> choose_namer(TraceReader& reader, const NamingOptions& options) {
  GPUVM_TRY(std::optional<NameTable> table, choose_table(reader, options.table));
  GPUVM_TRY(std::unique_ptr<RegisterNamer> base, choose_base(reader, options, table.has_value()));
  if (!table) return base;
  auto namer = TableNamer::create(std::move(*table), std::move(base));
  if (!namer) {
    return error("{}: {}", options.table.empty() ? std::string(kNamesAttachment) : options.table,
                 namer.error().message);
  }
  return std::unique_ptr<RegisterNamer>(std::move(namer).value());
}

}  // namespace gpuvm::cli
