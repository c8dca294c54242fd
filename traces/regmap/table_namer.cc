#include "traces/regmap/table_namer.h"

#include <fmt/format.h>

namespace gpuvm {

Result<std::unique_ptr<TableNamer>> TableNamer::create(NameTable table, std::unique_ptr<RegisterNamer> base) {
  std::unique_ptr<TableNamer> namer(new TableNamer(std::move(table), std::move(base)));
  for (RegisterSpace space = 0; space < kFirstWindowSpace + namer->table_.windows.size(); ++space) {
    const std::string name = space_name(namer->table_, space);
    if (name.empty() || !namer->table_.database.domains.contains(name)) continue;
    auto names = RnndbNamer::create(namer->table_.database, std::nullopt, name);
    if (!names) return error("the names of {} overlap in too many ways", name);
    namer->spaces_.push_back({space, std::move(names).value()});
  }
  return namer;
}

RegisterHit TableNamer::find_at(const RegisterPlace& place) const {
  RegisterHit hit;
  for (size_t i = 0; i < spaces_.size(); ++i) {
    if (spaces_[i].space != place.space) continue;
    if (place.bank_known) hit = spaces_[i].names->find(place.offset);
    if (!hit.name.empty()) hit.map = static_cast<uint16_t>(i + 1);
    break;
  }
  if (place.space == 0 && base_ != nullptr && hit.bits == 0) {
    // A register says more than a range around it.
    RegisterHit other = base_->find(place.offset);
    if (hit.name.empty() || other.bits != 0) return other;
  }
  if (hit.name.empty() && place.space >= kFirstWindowSpace) {
    hit.map = kWindowOnly;
    hit.name = fmt::format("{}{}+0x{:x}", space_name(table_, place.space), place.bank_known ? "" : "[?]",
                           place.offset);
  }
  return hit;
}

void TableNamer::decode(const RegisterHit& hit, uint64_t value, std::string* out) const {
  if (hit.map == 0) {
    if (base_ != nullptr) base_->decode(hit, value, out);
  } else if (hit.map <= spaces_.size()) {
    spaces_[hit.map - 1].names->decode(hit, value, out);
  }
}

}  // namespace gpuvm
