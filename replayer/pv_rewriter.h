// Turns a recorded full-virtualisation trace into what a para-virtual driver would have done: stores to page
// tables become MAP calls, stores to directories MAP_PGT, TLB flushes VM_FLUSH (docs/gpuvm.md).
//
// Stores are folded when the driver commits them: at a flush, or when a directory is first used, what the
// guest's tables then say is compared with what was last asked for. The stores themselves are still made,
// into the guest's own memory, where in these modes nobody looks: so the guest's reads and the digests of its
// memory stay what was recorded.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "emulator/hypervisor/hypervisor.h"

namespace gpuvm {

// The guest's memory with the slot area for call arguments added at `base`.
class PvSlotMemory : public DmaPort {
 public:
  PvSlotMemory(DmaPort& rest, uint64_t base) : rest_(rest), base_(base), bytes_(pv::kSlotAreaBytes) {}
  uint64_t base() const { return base_; }
  std::span<std::byte> slot(unsigned n) {
    return std::span(bytes_).subspan(n * pv::kSlotBytes, pv::kSlotBytes);
  }

  bool read(uint64_t address, std::span<std::byte> out) override;
  bool write(uint64_t address, std::span<const std::byte> in) override;

 private:
  bool own(uint64_t address, uint64_t length) const;
  DmaPort& rest_;
  uint64_t base_;
  std::vector<std::byte> bytes_;
};

class PvGuest : public PciDevice {
 public:
  // `batch`: entries of a scattered call; 1: one call an entry.
  PvGuest(VirtualGpu& gpu, Vram& card_vram, PvSlotMemory& slots, uint32_t batch);

  void advance(uint64_t now_ns) override { gpu_.advance(now_ns); }
  uint64_t next_due() const override { return gpu_.next_due(); }
  uint64_t bar_read(unsigned bar, uint64_t offset, unsigned width) override;
  void bar_write(unsigned bar, uint64_t offset, unsigned width, uint64_t value) override;
  uint32_t config_read(unsigned offset, unsigned width) override { return gpu_.config_read(offset, width); }
  void config_write(unsigned offset, unsigned width, uint32_t value) override {
    gpu_.config_write(offset, width, value);
  }
  void reset() override;
  const DeviceInfo& info() const override { return gpu_.info(); }
  uint64_t memory_digest() override { return gpu_.memory_digest(); }
  uint64_t register_digest() override { return gpu_.register_digest(); }

  // Calls that were refused: a correct rewriting has none.
  uint64_t refused() const { return refused_; }

 private:
  struct Table {
    uint32_t id = 0;
    uint32_t references = 0;  // directory entries
    std::vector<uint64_t> asked;
    std::vector<uint64_t> seen;  // page versions
  };
  struct TableKey {
    uint64_t guest;
    bool large;
    uint32_t entries;  // that count; a large table may have fewer than it has room for
    auto operator<=>(const TableKey&) const = default;
  };
  struct Directory {
    uint32_t id = 0;
    bool used = false;  // as a directory, in a call
    std::vector<uint64_t> asked;
    std::vector<uint64_t> seen;
    std::map<uint32_t, std::pair<TableKey, TableKey>> tables;  // of an entry: small, large; guest ~0: none
  };

  void set_up();
  void before_write(unsigned bar, uint64_t offset, uint32_t value);
  uint64_t root_of(uint32_t instance_pointer) const;
  void set_pgd(uint32_t instance_pointer, int32_t channel, bool fresh_use = true);
  Directory& directory(uint64_t root);
  void sync(uint64_t root, Directory& directory);
  void sync_entry(Directory& directory, uint32_t index, uint64_t pde);
  void sync_table(const TableKey& key, Table& table);
  Table* table_for(const TableKey& key);
  void release(const TableKey& key);
  void store(const Table& table, uint32_t first, std::span<const uint64_t> raw);
  uint64_t guest_word(uint64_t address) const;
  uint32_t call(PvOp op, std::span<const uint32_t> words, std::span<const uint64_t> entries = {});
  uint32_t allocate(uint64_t bytes);

  VirtualGpu& gpu_;
  Vram& vram_;
  PvSlotMemory& slots_;
  uint32_t batch_;
  fermi::Geometry geometry_;
  std::map<uint64_t, Directory> directories_;  // by guest address
  std::map<TableKey, Table> tables_;
  std::map<int32_t, uint64_t> set_;  // directory last set for a channel
  uint64_t refused_ = 0;
};

}  // namespace gpuvm
