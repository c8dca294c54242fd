#include "emulator/hypervisor/para_virtual.h"

#include <algorithm>
#include <array>

#include "traces/core/bytes.h"
#include "traces/event.h"

namespace gpuvm {
namespace {

constexpr uint64_t kPage = Vram::kPageBytes;
constexpr uint32_t kMaxObjects = 65536;

}  // namespace

// Reads the slot's memory once and keeps what it read: the guest may change it meanwhile.
class ParaVirtual::Arguments {
 public:
  Arguments(DmaPort& ram, uint64_t slot) : ram_(ram), slot_(slot) { ok_ = fetch(64); }
  bool ok() const { return ok_; }
  uint32_t u32(unsigned index) const { return load<uint32_t>(bytes_.data() + 4 * size_t{index}); }
  uint64_t u64(unsigned index) const { return load<uint64_t>(bytes_.data() + 8 * size_t{index}); }
  // False: they would not fit into a slot, or are not memory.
  bool fetch(uint64_t bytes) {
    if (bytes > pv::kSlotBytes) return false;
    const size_t have = bytes_.size();
    if (bytes <= have) return true;
    bytes_.resize(bytes);
    return ram_.read(slot_ + have, std::as_writable_bytes(std::span(bytes_)).subspan(have));
  }
  void answer(uint32_t index, uint32_t value) {
    ram_.write(slot_ + 4 * uint64_t{index}, std::as_bytes(std::span(&value, 1)));
  }

 private:
  DmaPort& ram_;
  uint64_t slot_;
  std::vector<std::byte> bytes_;
  bool ok_ = false;
};

ParaVirtual::ParaVirtual(Guest& owner, DmaPort& ram, Effects effects)
    : owner_(owner), ram_(ram), effects_(std::move(effects)) {}

uint64_t ParaVirtual::read(uint64_t offset, unsigned width) {
  if (offset != pv::kMapSlots || width != 4) return 0xdeadbeef & width_mask(width);
  mapped_ = slot_area_ % kPage == 0 &&
            owner_.partition.to_host(Aperture::kSystem, slot_area_, pv::kSlotAreaBytes).has_value();
  return mapped_ ? pv::kOk : pv::kInvalid;
}

void ParaVirtual::write(uint64_t offset, unsigned width, uint64_t value) {
  if (width != 4) return;
  const auto word = static_cast<uint32_t>(value);
  switch (offset) {
    case pv::kSlotAreaLow:
      slot_area_ = (slot_area_ & ~uint64_t{0xffffffff}) | word;
      break;
    case pv::kSlotAreaHigh:
      slot_area_ = (slot_area_ & 0xffffffff) | uint64_t{word} << 32;
      break;
    case pv::kCall:
      call(word);
      return;
    default:
      return;
  }
  mapped_ = false;  // a new area has to be taken into use first
}

void ParaVirtual::call(unsigned slot) {
  if (!mapped_ || slot >= pv::kSlots) {
    ++owner_.meters.bad_hypercalls;
    return;
  }
  Arguments arguments(ram_, slot_area_ + slot * pv::kSlotBytes);
  if (!arguments.ok()) {
    ++owner_.meters.bad_hypercalls;
    return;
  }
  const unsigned op = arguments.u32(0) & 0xff;
  if (op >= kPvOps) {
    ++owner_.meters.bad_hypercalls;
    arguments.answer(0, pv::kInvalid);
    return;
  }
  ++owner_.meters.hypercalls[op];
  const uint32_t result = run(static_cast<PvOp>(op), arguments);
  if (result != pv::kOk) ++owner_.meters.refused;
  arguments.answer(0, result);
}

// The BARs once a call: a batch of tables would have them look at every one.
uint32_t ParaVirtual::told(uint32_t result) {
  effects_.tables_changed();
  return result;
}

uint32_t ParaVirtual::run(PvOp op, Arguments& a) {
  const uint64_t slot_entries = pv::kSlotBytes / 8;
  switch (op) {
    case PvOp::kSetPgd:
      return set_pgd(a.u32(1), static_cast<int32_t>(a.u32(2)));
    case PvOp::kMapPgt:
      return told(map_pgt(a.u32(1), a.u32(4), a.u32(2), a.u32(3)));
    case PvOp::kMapPgtBatch: {
      const uint64_t count = a.u32(3);
      if (count > slot_entries || !a.fetch(16 + 8 * count)) return pv::kRange;
      for (unsigned i = 0; i < count; ++i) {
        // Each pair goes to its own entry: GPUvm's branch stores all of them in one (appendix A).
        const uint32_t result = map_pgt(a.u32(1), a.u32(2) + i, a.u32(4 + 2 * i), a.u32(5 + 2 * i));
        if (result != pv::kOk) return told(result);
      }
      return told(pv::kOk);
    }
    case PvOp::kMap: {
      const std::array<uint64_t, 1> raw{a.u64(2)};
      return store_entries(a.u32(1), a.u32(2), raw);
    }
    case PvOp::kMapBatch:
    case PvOp::kUnmapBatch: {
      const bool map = op == PvOp::kMapBatch;
      const uint64_t count = map ? a.u32(4) : a.u32(3);
      const Object* table = find(a.u32(1));
      if (table == nullptr) return pv::kInvalid;
      if (count > table->entries()) return pv::kRange;
      std::vector<uint64_t> raw(count);
      for (uint64_t i = 0; map && i < count; ++i) raw[i] = a.u64(3) + i * a.u32(3);
      return store_entries(a.u32(1), a.u32(2), raw);
    }
    case PvOp::kMapSgBatch: {
      const uint64_t count = a.u32(3);
      if (count > slot_entries || !a.fetch(16 + 8 * count)) return pv::kRange;
      std::vector<uint64_t> raw(count);
      for (unsigned i = 0; i < count; ++i) raw[i] = a.u64(2 + i);
      return store_entries(a.u32(1), a.u32(2), raw);
    }
    case PvOp::kVmFlush:
      return vm_flush(a.u32(1));
    case PvOp::kMemAlloc:
      return mem_alloc(a.u32(1), a);
    case PvOp::kMemFree:
      return mem_free(a.u32(1));
    case PvOp::kBar3Pgt:
      return typed(a.u32(1), Type::kSmallTable, 0) != nullptr ? pv::kOk : pv::kInvalid;
  }
  return pv::kInvalid;
}

ParaVirtual::Object* ParaVirtual::find(uint32_t id) {
  const auto it = objects_.find(id);
  return it != objects_.end() ? &it->second : nullptr;
}

ParaVirtual::Object* ParaVirtual::typed(uint32_t id, Type type, uint64_t min_entries) {
  Object* object = find(id);
  if (object == nullptr || object->entries() < min_entries) return nullptr;
  if (object->type == type) return object;
  if (owner_.holes().untyped_pages) return object;
  if (object->type != Type::kUnused) return nullptr;
  // A page that already has entries was filled by the rules of small pages: it can become a table, not a
  // directory.
  const bool filled = object->references == 0 && type == Type::kDirectory;
  if (filled) {
    const auto bytes = owner_.vram().view(object->host, object->pages * kPage);
    if (std::ranges::any_of(bytes, [](std::byte b) { return b != std::byte{0}; })) return nullptr;
  }
  object->type = type;
  if (type == Type::kLargeTable) become_large(*object);
  return object;
}

// Entries were checked as 4 KiB pages; as large ones they reach further.
void ParaVirtual::become_large(Object& table) {
  Vram& vram = owner_.vram();
  const PartitionView& own = owner_.own();
  const uint64_t bytes = uint64_t{1} << owner_.host.geometry.large_shift;
  for (uint64_t i = 0; i < table.entries(); ++i) {
    const fermi::Pte pte{vram.read64(table.host + 8 * i)};
    if (!pte.present()) continue;
    const bool in_vram = pte.aperture() == Aperture::kVram;
    const uint64_t end = in_vram ? own.vram_base + own.vram_bytes : own.bus_base + own.ram_bytes;
    if (pte.address() + bytes > end) vram.write(table.host + 8 * i, 8, 0);
  }
}

uint32_t ParaVirtual::set_pgd(uint32_t id, int32_t channel) {
  const Object* object = typed(id, Type::kDirectory, owner_.host.geometry.directory_entries());
  if (object == nullptr || owner_.geometry != owner_.host.geometry) return pv::kInvalid;
  const auto user = user_of(channel);
  if (!user) return pv::kInvalid;
  effects_.set_directory(*user, object->host);
  const auto old = directories_.find(*user);
  if (old != directories_.end()) {
    if (Object* previous = find(old->second)) --previous->references;
  }
  directories_[*user] = id;
  ++find(id)->references;
  return pv::kOk;
}

std::optional<SpaceUser> ParaVirtual::user_of(int32_t channel) const {
  switch (channel) {
    case pv::kBar1:
      return kBar1User;
    case pv::kBar3:
      return kBar3User;
    case pv::kEngines:
      return kEnginesUser;
    default:
      break;
  }
  if (channel < 0 || static_cast<unsigned>(channel) >= owner_.own().channels)
    return std::nullopt;  // S11, S12
  return SpaceUser::of_channel(static_cast<unsigned>(channel));
}

void ParaVirtual::drop_reference(uint64_t host) {
  const auto id = ids_.find(host);
  if (id == ids_.end()) return;
  Object& object = objects_.at(id->second);
  if (object.references != 0) --object.references;
}

uint32_t ParaVirtual::map_pgt(uint32_t pgd, uint32_t index, uint32_t small, uint32_t large) {
  const fermi::Geometry& g = owner_.host.geometry;
  Object* directory = typed(pgd, Type::kDirectory, g.directory_entries());
  if (directory == nullptr) return pv::kInvalid;
  if (index >= g.directory_entries()) return pv::kRange;
  Object* small_table = small != 0 ? typed(small, Type::kSmallTable, g.small_entries()) : nullptr;
  Object* large_table = large != 0 ? typed(large, Type::kLargeTable, g.large_entries()) : nullptr;
  if ((small != 0 && small_table == nullptr) || (large != 0 && large_table == nullptr)) return pv::kInvalid;
  Vram& vram = owner_.vram();
  const uint64_t at = directory->host + 8 * uint64_t{index};
  const fermi::Pde old{vram.read64(at)};
  fermi::Pde entry;
  if (large_table != nullptr) {
    entry = entry.with_large(large_table->host);
    ++large_table->references;
  }
  if (small_table != nullptr) {
    entry = entry.with_small(small_table->host);
    ++small_table->references;
  }
  vram.write(at, 8, entry.raw);
  drop_reference(old.large_target() != 0 ? old.large_address() : 0);
  drop_reference(old.small_target() != 0 ? old.small_address() : 0);
  ++owner_.meters.shadow.entries_written;
  return pv::kOk;
}

uint32_t ParaVirtual::store_entries(uint32_t pgt, uint32_t index, std::span<const uint64_t> raw) {
  Object* table = find(pgt);
  if (table == nullptr) return pv::kInvalid;
  if (table->type == Type::kDirectory && !owner_.holes().untyped_pages) return pv::kInvalid;
  if (index > table->entries() || raw.size() > table->entries() - index) return pv::kRange;
  const bool large = table->type == Type::kLargeTable;
  const EntryRules rules(owner_.partition, large ? owner_.host.geometry.large_shift : fermi::kSmallShift);
  Vram& vram = owner_.vram();
  for (size_t i = 0; i < raw.size(); ++i) {
    vram.write(table->host + 8 * (uint64_t{index} + i), 8,
               rules.translate(raw[i], owner_.meters.gfn_lookups));
  }
  owner_.meters.shadow.entries_written += raw.size();
  effects_.tables_changed();
  return pv::kOk;
}

uint32_t ParaVirtual::vm_flush(uint32_t pgd) {
  const Object* directory = find(pgd);
  if (directory == nullptr || directory->type != Type::kDirectory) return pv::kInvalid;
  ++owner_.meters.tlb_flushes;
  owner_.host.flush_tlb(directory->host, fermi::kFlushHubPages);
  effects_.flushed(directory->host);
  return pv::kOk;
}

uint32_t ParaVirtual::mem_alloc(uint32_t bytes, Arguments& a) {
  const uint64_t pages = (uint64_t{bytes} + kPage - 1) / kPage;
  if (pages == 0) return pv::kInvalid;
  if (bytes > pv::kMaxObjectBytes) return pv::kNoMemory;
  if (objects_.size() >= kMaxObjects) return pv::kNoMemory;
  const auto host = owner_.pages.allocate(pages);
  if (!host) return pv::kNoMemory;
  // GPUvm's handle is the page number on the card with a bit set: it tells a guest where things are.
  while (next_id_ == 0 || objects_.contains(next_id_)) ++next_id_;
  const uint32_t id =
      owner_.holes().handles_tell_addresses ? static_cast<uint32_t>(*host >> 12) | 1u << 28 : next_id_++;
  objects_[id] = {.host = *host, .pages = pages};
  ids_[*host] = id;
  a.answer(1, id);
  return pv::kOk;
}

uint32_t ParaVirtual::mem_free(uint32_t id) {
  const auto it = objects_.find(id);
  if (it == objects_.end()) return pv::kInvalid;
  Object& object = it->second;
  if (object.references != 0) return pv::kInvalid;
  Vram& vram = owner_.vram();
  if (object.type == Type::kDirectory) {
    effects_.directory_gone(object.host);
    for (uint64_t i = 0; i < object.entries(); ++i) {
      const fermi::Pde pde{vram.read64(object.host + 8 * i)};
      drop_reference(pde.large_target() != 0 ? pde.large_address() : 0);
      drop_reference(pde.small_target() != 0 ? pde.small_address() : 0);
    }
  }
  const std::vector<std::byte> zero(object.pages * kPage);
  vram.write_bytes(object.host, zero);
  owner_.pages.free(object.host, object.pages);
  ids_.erase(object.host);
  objects_.erase(it);
  return pv::kOk;
}

void ParaVirtual::clear() {
  for (const auto& [user, id] : directories_) effects_.set_directory(user, 0);
  directories_.clear();
  for (auto& [id, object] : objects_) {
    const std::vector<std::byte> zero(object.pages * kPage);
    owner_.vram().write_bytes(object.host, zero);
    owner_.pages.free(object.host, object.pages);
  }
  objects_.clear();
  ids_.clear();
  next_id_ = 1;
  slot_area_ = 0;
  mapped_ = false;
}

}  // namespace gpuvm
