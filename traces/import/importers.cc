#include "traces/import/importers.h"

#include <array>

#include <fmt/format.h>

namespace gpuvm {

// The row of a format stands in its own file.
extern const ImporterRow kMmiotraceRow, kQemuRow, kRwmmioRow, kKvmRow, kAmdgpuRow, kM1n1Row, kPandaRow,
    kBpftraceRow;

std::span<const ImporterRow> importers() {
  static const std::array rows = {kMmiotraceRow, kQemuRow, kRwmmioRow, kKvmRow,
                                  kAmdgpuRow,    kM1n1Row, kPandaRow,  kBpftraceRow};
  return rows;
}

const ImporterRow* find_importer(std::string_view name) {
  for (const ImporterRow& row : importers()) {
    if (name == row.name || (!row.alias.empty() && name == row.alias)) return &row;
  }
  return nullptr;
}

std::string importer_names() {
  std::string names;
  for (const ImporterRow& row : importers()) {
    if (!names.empty()) names += ", ";
    names += row.name;
  }
  return names;
}

}  // namespace gpuvm
