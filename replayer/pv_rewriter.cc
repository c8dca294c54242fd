#include "replayer/pv_rewriter.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "traces/core/bytes.h"

namespace gpuvm {
namespace {

using gf100::Reg;

constexpr uint64_t kNone = ~uint64_t{0};
constexpr uint64_t kPage = Vram::kPageBytes;
constexpr uint32_t kEntriesPerPage = kPage / 8;
// Runs shorter than this go along with their scattered neighbours.
constexpr size_t kShortRun = 4;

// The register whose first byte that is.
gf100::Element register_at(unsigned bar, uint64_t offset) {
  if (bar != 0 || offset % 4 != 0 || offset >= gf100::kMappedBytes) return {};
  return gf100::RegisterIndex::shared().find(static_cast<uint32_t>(offset));
}
bool is(const gf100::Element& element, Reg reg) {
  return element.reg == static_cast<uint16_t>(reg);
}

}  // namespace

bool PvSlotMemory::own(uint64_t address, uint64_t length) const {
  return address >= base_ && length <= bytes_.size() && address - base_ <= bytes_.size() - length;
}
bool PvSlotMemory::read(uint64_t address, std::span<std::byte> out) {
  if (!own(address, out.size())) return rest_.read(address, out);
  std::memcpy(out.data(), bytes_.data() + (address - base_), out.size());
  return true;
}
bool PvSlotMemory::write(uint64_t address, std::span<const std::byte> in) {
  if (!own(address, in.size())) return rest_.write(address, in);
  std::memcpy(bytes_.data() + (address - base_), in.data(), in.size());
  return true;
}

PvGuest::PvGuest(VirtualGpu& gpu, Vram& card_vram, PvSlotMemory& slots, uint32_t batch)
    : gpu_(gpu), vram_(card_vram), slots_(slots), batch_(std::max(batch, 1u)) {
  set_up();
}

void PvGuest::set_up() {
  directories_.clear();
  tables_.clear();
  set_.clear();
  gpu_.bar_write(4, pv::kSlotAreaLow, 4, static_cast<uint32_t>(slots_.base()));
  gpu_.bar_write(4, pv::kSlotAreaHigh, 4, slots_.base() >> 32);
  if (gpu_.bar_read(4, pv::kMapSlots, 4) != pv::kOk) ++refused_;
}

void PvGuest::reset() {
  gpu_.reset();
  set_up();
}

uint64_t PvGuest::bar_read(unsigned bar, uint64_t offset, unsigned width) {
  // Polls for the flush that a call has replaced.
  const bool folded = is(register_at(bar, offset), Reg::kPffbVmCfg);
  gpu_.set_counting(!folded);
  const uint64_t value = gpu_.bar_read(bar, offset, width);
  gpu_.set_counting(true);
  return value;
}

void PvGuest::bar_write(unsigned bar, uint64_t offset, unsigned width, uint64_t value) {
  const gf100::Element element = register_at(bar, offset);
  const bool flush = is(element, Reg::kPffbVmFlush);
  const bool folded = flush || is(element, Reg::kPffbVmPd);
  if (width == 4) before_write(bar, offset, static_cast<uint32_t>(value));
  gpu_.set_counting(!folded);
  gpu_.bar_write(bar, offset, width, value);
  gpu_.set_counting(true);
  if (!flush) return;
  const auto flush_one = [this](uint64_t root, Directory& d) {
    sync(root, d);
    if (!d.used) return;  // nothing has been said of it that could be flushed
    const std::array words{d.id, 1u};
    call(PvOp::kVmFlush, words);
  };
  if (fermi::kFlushAllDirectories.any(static_cast<uint32_t>(value))) {
    for (auto& [root, d] : directories_) flush_one(root, d);
    return;
  }
  const uint64_t root = fermi::directory_address(gpu_.registers().peek(Reg::kPffbVmPd));
  flush_one(root, directory(root));
}

// What a para-virtual driver tells before it points the card at an instance block.
void PvGuest::before_write(unsigned bar, uint64_t offset, uint32_t value) {
  const RegisterFile& registers = gpu_.registers();
  if (bar == 1) {
    const auto place = userd_place(offset, registers.peek(Reg::kPfifoBar1Base));
    if (!place || place->offset != fermi::kUserdIbPut || place->slot >= gpu_.partition().view().channels)
      return;
    const uint32_t pointer = registers.peek(Reg::kPfifoChan, static_cast<unsigned>(place->slot));
    if (fermi::instance_valid(pointer)) set_pgd(pointer, static_cast<int32_t>(place->slot), false);
    return;
  }
  const gf100::Element element = register_at(bar, offset);
  if (!element.known()) return;
  const auto reg = static_cast<Reg>(element.reg);
  switch (reg) {
    case Reg::kPbusBar1:
      if (fermi::instance_valid(value)) set_pgd(value, pv::kBar1);
      break;
    case Reg::kPbusBar3:
      if (fermi::instance_valid(value)) set_pgd(value, pv::kBar3);
      break;
    case Reg::kPfifoChan:
      if (element.index < gpu_.partition().view().channels && fermi::instance_valid(value))
        set_pgd(value, static_cast<int32_t>(element.index));
      break;
    case Reg::kFecsWrcmdData:  // held until the command
      break;
    case Reg::kFecsWrcmd: {
      const uint32_t data = registers.peek(Reg::kFecsWrcmdData);
      if (fermi::instance_valid(data)) set_pgd(data, pv::kEngines);
      break;
    }
    default:
      if (std::ranges::find(engine_pointers(), reg) != engine_pointers().end()) set_pgd(value, pv::kEngines);
      break;
  }
}

uint64_t PvGuest::guest_word(uint64_t address) const {
  const PartitionView& own = gpu_.partition().view();
  if (address + 8 > own.vram_bytes) return 0;
  return vram_.read64(own.vram_base + address);
}

uint64_t PvGuest::root_of(uint32_t pointer) const {
  if (fermi::instance_aperture(pointer) != Aperture::kVram) return 0;
  const uint64_t raw = guest_word(fermi::instance_address(pointer) + fermi::kInstancePageDirectory);
  return raw & fermi::kVaMask & ~uint64_t{0xfff};
}

void PvGuest::set_pgd(uint32_t pointer, int32_t channel, bool fresh_use) {
  const uint64_t root = root_of(pointer);
  if (root == 0) return;
  Directory& d = directory(root);
  // A directory that is about to be used has been filled, whether or not the driver has flushed: it may lie
  // where one that is gone used to be.
  if (fresh_use) sync(root, d);
  const auto last = set_.find(channel);
  if (last != set_.end() && last->second == root) return;
  const std::array words{d.id, static_cast<uint32_t>(channel)};
  d.used = true;
  if (call(PvOp::kSetPgd, words) == pv::kOk) set_[channel] = root;
}

uint32_t PvGuest::call(PvOp op, std::span<const uint32_t> words, std::span<const uint64_t> entries) {
  const auto slot = slots_.slot(0);
  const uint32_t number = static_cast<uint32_t>(op);
  std::memcpy(slot.data(), &number, 4);
  std::memcpy(slot.data() + 4, words.data(), words.size_bytes());
  // 64-bit arguments begin at the next multiple of 8.
  const size_t at = (4 + words.size_bytes() + 7) / 8 * 8;
  if (!entries.empty()) std::memcpy(slot.data() + at, entries.data(), entries.size_bytes());
  gpu_.bar_write(4, pv::kCall, 4, 0);
  const auto result = load<uint32_t>(slot.data());
  if (result != pv::kOk) ++refused_;
  return result;
}

uint32_t PvGuest::allocate(uint64_t bytes) {
  const std::array words{static_cast<uint32_t>(bytes)};
  if (call(PvOp::kMemAlloc, words) != pv::kOk) return 0;
  return load<uint32_t>(slots_.slot(0).data() + 4);
}

PvGuest::Directory& PvGuest::directory(uint64_t root) {
  auto [it, fresh] = directories_.try_emplace(root);
  Directory& d = it->second;
  if (fresh) {
    d.id = allocate(uint64_t{geometry_.directory_entries()} * 8);
    d.asked.resize(geometry_.directory_entries());
    d.seen.assign(geometry_.directory_entries() / kEntriesPerPage, kNone);
    sync(root, d);
  }
  return d;
}

void PvGuest::sync(uint64_t root, Directory& d) {
  const uint64_t base = gpu_.partition().view().vram_base;
  for (uint32_t p = 0; p < d.seen.size(); ++p) {
    const uint64_t address = root + uint64_t{p} * kPage;
    if (address + kPage > gpu_.partition().view().vram_bytes) break;
    const uint64_t version = vram_.page_version((base + address) / kPage);
    if (version == d.seen[p]) continue;
    d.seen[p] = version;
    for (uint32_t i = p * kEntriesPerPage; i < (p + 1) * kEntriesPerPage; ++i) {
      const uint64_t pde = guest_word(root + 8 * uint64_t{i});
      if (pde != d.asked[i]) sync_entry(d, i, pde);
    }
  }
  for (auto& [index, keys] : d.tables) {
    for (const TableKey& key : {keys.first, keys.second}) {
      if (key.guest != kNone) sync_table(key, tables_.at(key));
    }
  }
}

PvGuest::Table* PvGuest::table_for(const TableKey& key) {
  if (key.guest == kNone) return nullptr;
  auto [it, fresh] = tables_.try_emplace(key);
  if (fresh) {
    const uint32_t entries = key.large ? geometry_.large_entries() : geometry_.small_entries();
    it->second.id = allocate(uint64_t{entries} * 8);
    it->second.asked.resize(entries);
    it->second.seen.assign((key.entries + kEntriesPerPage - 1) / kEntriesPerPage, kNone);
  }
  ++it->second.references;
  return &it->second;
}

void PvGuest::release(const TableKey& key) {
  const auto it = tables_.find(key);
  if (it == tables_.end() || --it->second.references != 0) return;
  const std::array words{it->second.id};
  call(PvOp::kMemFree, words);
  tables_.erase(it);
}

void PvGuest::sync_entry(Directory& d, uint32_t index, uint64_t raw) {
  d.asked[index] = raw;
  const fermi::Pde pde{raw};
  const uint64_t vram_bytes = gpu_.partition().view().vram_bytes;
  const auto key = [&](unsigned target, uint64_t address, uint32_t entries, bool large) {
    const bool usable = target == 1 && address + uint64_t{entries} * 8 <= vram_bytes;
    return TableKey{usable ? address : kNone, large, entries};
  };
  const TableKey small = key(pde.small_target(), pde.small_address(), geometry_.small_entries(), false);
  const TableKey large = key(pde.large_target(), pde.large_address(), pde.large_entries(), true);
  const auto old = d.tables.find(index);
  const std::pair<TableKey, TableKey> before =
      old != d.tables.end() ? old->second : std::pair{TableKey{kNone, false, 0}, TableKey{kNone, true, 0}};
  const Table* small_table = table_for(small);
  const Table* large_table = table_for(large);
  const std::array words{d.id, small_table != nullptr ? small_table->id : 0,
                         large_table != nullptr ? large_table->id : 0, index};
  d.used = true;
  call(PvOp::kMapPgt, words);
  if (small_table == nullptr && large_table == nullptr) {
    d.tables.erase(index);
  } else {
    d.tables[index] = {small, large};
  }
  if (before.first.guest != kNone) release(before.first);
  if (before.second.guest != kNone) release(before.second);
}

void PvGuest::sync_table(const TableKey& key, Table& table) {
  const uint64_t base = gpu_.partition().view().vram_base;
  std::vector<uint64_t> run;
  uint32_t run_first = 0;
  const auto flush_run = [&] {
    if (!run.empty()) store(table, run_first, run);
    run.clear();
  };
  for (uint32_t p = 0; p < table.seen.size(); ++p) {
    const uint64_t version = vram_.page_version((base + key.guest) / kPage + p);
    if (version == table.seen[p]) continue;
    table.seen[p] = version;
    const uint32_t end = std::min((p + 1) * kEntriesPerPage, key.entries);
    for (uint32_t i = p * kEntriesPerPage; i < end; ++i) {
      const uint64_t raw = guest_word(key.guest + 8 * uint64_t{i});
      if (raw == table.asked[i]) continue;
      table.asked[i] = raw;
      if (run.empty() || run_first + run.size() != i || (run.back() == 0) != (raw == 0)) {
        flush_run();
        run_first = i;
      }
      run.push_back(raw);
    }
  }
  flush_run();
}

// The calls for neighbouring entries: none are absent, or all.
void PvGuest::store(const Table& table, uint32_t first, std::span<const uint64_t> raw) {
  if (batch_ == 1) {
    for (size_t i = 0; i < raw.size(); ++i) {
      const std::array words{table.id, first + static_cast<uint32_t>(i), 0u};
      call(PvOp::kMap, words, raw.subspan(i, 1));
    }
    return;
  }
  if (raw[0] == 0) {
    const std::array words{table.id, first, static_cast<uint32_t>(raw.size())};
    call(PvOp::kUnmapBatch, words);
    return;
  }
  size_t done = 0;
  size_t scattered = 0;  // entries before `done` that are not yet asked for
  const auto flush_scattered = [&] {
    while (scattered != 0) {
      const size_t n = std::min<size_t>(scattered, batch_);
      const size_t from = done - scattered;
      const std::array words{table.id, first + static_cast<uint32_t>(from), static_cast<uint32_t>(n)};
      call(PvOp::kMapSgBatch, words, raw.subspan(from, n));
      scattered -= n;
    }
  };
  while (done < raw.size()) {
    size_t run = 1;
    const uint64_t step = done + 1 < raw.size() ? raw[done + 1] - raw[done] : 0;
    while (step <= 0xffffffff && done + run < raw.size() && raw[done + run] - raw[done + run - 1] == step)
      ++run;
    if (run < kShortRun) {
      scattered += 1;
      done += 1;
      continue;
    }
    flush_scattered();
    const std::array words{table.id, first + static_cast<uint32_t>(done), static_cast<uint32_t>(step),
                           static_cast<uint32_t>(run)};
    // u32[1] to u32[4], then the entry at u64[3].
    const std::array<uint64_t, 1> entry{raw[done]};
    call(PvOp::kMapBatch, words, entry);
    done += run;
  }
  flush_scattered();
}

}  // namespace gpuvm
