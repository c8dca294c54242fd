// Whatever the card may walk or use for a guest is that guest's own: the entries of its shadow tables, its
// instance blocks, its part of the card's BAR1 and BAR3. What was found right stays so until the page that it
// lies in is written, so that this can be asked often.
#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <unordered_map>
#include <vector>

#include "tests/support/vm_bench.h"

namespace gpuvm::test {

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

class IsolationCheck {
 public:
  IsolationCheck(VmBench& bench, uint64_t reserve)
      : b_(bench),
        vram_(bench.card_vram()),
        registers_(bench.hv->card().registers()),
        reserve_(reserve),
        table_pages_((vram_.size() - reserve) / Vram::kPageBytes) {}

  // Whose an engine's register is it does not say: it is the guest's that changed it last. To be called after
  // each of a guest's operations.
  void acted(unsigned vm) {
    for (Engine& e : engines_) {
      const uint32_t pointer = registers_.peek(e.reg);
      if (pointer != e.pointer) e = {e.reg, pointer, vm};
    }
  }

  void run() {
    for (unsigned vm = 0; vm < b_.hv->vms(); ++vm) {
      const PartitionView& own = b_.hv->partition(vm);
      for (unsigned c = 0; c < own.channels; ++c)
        instance(vm, registers_.peek(gf100::Reg::kPfifoChan, own.first_channel + c));
      bar1(own);
      const uint64_t bar3 = directory_of(gf100::Reg::kPbusBar3);
      if (const uint64_t pde = vram_.read64(bar3 + 8 * uint64_t{own.slot}); pde != 0) tables(vm, pde);
    }
    for (const Engine& e : engines_) instance(e.vm, e.pointer);
  }

 private:
  struct Engine {
    gf100::Reg reg;
    uint32_t pointer = 0;
    unsigned vm = 0;
  };
  struct Directory {
    std::array<uint64_t, 16> versions{};
    std::array<std::vector<uint64_t>, 16> entries;  // those that are not zero, by page
  };

  static bool inside(uint64_t address, uint64_t bytes, uint64_t base, uint64_t size) {
    return address >= base && bytes <= size && address - base <= size - bytes;
  }
  static bool own_page(const PartitionView& own, Aperture aperture, uint64_t address, uint64_t bytes) {
    if (aperture == Aperture::kInvalid) return false;
    return aperture == Aperture::kVram ? inside(address, bytes, own.vram_base, own.vram_bytes)
                                       : inside(address, bytes, own.bus_base, own.ram_bytes);
  }
  bool hypervisors(uint64_t address, uint64_t bytes) const {
    return address % Vram::kPageBytes == 0 && address >= reserve_ && vram_.contains(address, bytes);
  }
  uint64_t directory_of(gf100::Reg bar) const {
    const uint64_t block = uint64_t{registers_.peek(bar) & 0x0fffffff} << 12;
    require(hypervisors(block, 0x1000), "the card's BARs are the hypervisor's");
    return vram_.read64(block + 0x200);
  }

  void instance(unsigned vm, uint32_t pointer) {
    if (pointer == 0) return;
    require((pointer >> 28 & 3) == 0, "an instance block is in VRAM");
    const uint64_t block = uint64_t{pointer & 0x0fffffff} << 12;
    require(hypervisors(block, 0x1000), "an instance block is the hypervisor's");
    const uint64_t userd = vram_.read64(block + 8);
    const auto target = static_cast<Aperture>(userd & 3);
    require(
        target == Aperture::kInvalid || own_page(b_.hv->partition(vm), target, userd & 0xfffffff000, 0x1000),
        "a USERD page is the guest's");
    const uint64_t root = vram_.read64(block + 0x200);
    require(hypervisors(root, 0x10000), "a directory is the hypervisor's");
    directory(vm, root);
  }
  void directory(unsigned vm, uint64_t root) {
    Directory& known = directories_[root];
    for (size_t p = 0; p < known.versions.size(); ++p) {
      const uint64_t page = root / Vram::kPageBytes + p;
      if (const uint64_t version = vram_.page_version(page); version != known.versions[p]) {
        known.versions[p] = version;
        known.entries[p].clear();
        for (uint64_t i = 0; i < 512; ++i) {
          if (const uint64_t pde = vram_.read64(page * Vram::kPageBytes + 8 * i); pde != 0)
            known.entries[p].push_back(pde);
        }
      }
      for (const uint64_t pde : known.entries[p]) tables(vm, pde);
    }
  }
  void tables(unsigned vm, uint64_t pde) {
    if ((pde >> 32 & 3) != 0) table(vm, pde >> 36 << 12, 32768, 0x1000);
    if ((pde & 3) != 0) table(vm, (pde >> 4 & 0xfffffff) << 12, 1024 >> (pde >> 2 & 3), 0x20000);
  }
  void table(unsigned vm, uint64_t at, uint64_t entries, uint64_t page_bytes) {
    require(hypervisors(at, entries * 8), "a table is the hypervisor's");
    for (uint64_t done = 0; done < entries; done += 512) {
      const uint64_t page = at / Vram::kPageBytes + done / 512;
      const uint64_t version = vram_.page_version(page);
      const uint64_t as = version << 8 | vm << 1 | (page_bytes > 0x1000);
      uint64_t& known = table_pages_[page - reserve_ / Vram::kPageBytes];
      if (known == as || version == 0) continue;
      known = as;
      for (uint64_t i = done; i < entries && i < done + 512; ++i)
        entry(b_.hv->partition(vm), vram_.read64(at + 8 * i), page_bytes);
    }
  }
  static void entry(const PartitionView& own, uint64_t raw, uint64_t bytes) {
    if ((raw & 1) == 0) return;
    require(own_page(own, static_cast<Aperture>(raw >> 33 & 3), (raw >> 4 & 0xfffffff) << 12, bytes),
            "a page is the guest's");
  }
  // The card's BAR1: a page a channel.
  void bar1(const PartitionView& own) {
    const uint64_t pde = vram_.read64(directory_of(gf100::Reg::kPbusBar1));
    const uint64_t table = pde >> 36 << 12;
    require(hypervisors(table, 32768 * 8), "the table of BAR1 is the hypervisor's");
    for (uint64_t c = own.first_channel; c < own.first_channel + own.channels; ++c)
      entry(own, vram_.read64(table + 8 * c), 0x1000);
  }

  VmBench& b_;
  const Vram& vram_;
  const RegisterFile& registers_;
  uint64_t reserve_;
  std::vector<uint64_t> table_pages_;  // as what each was found right
  std::unordered_map<uint64_t, Directory> directories_;
  std::array<Engine, 6> engines_{{{gf100::Reg::kFecsChanCur},
                                  {gf100::Reg::kFecsChanNext},
                                  {gf100::Reg::kPcopy0ChanCur},
                                  {gf100::Reg::kPcopy0ChanNext},
                                  {gf100::Reg::kPcopy1ChanCur},
                                  {gf100::Reg::kPcopy1ChanNext}}};
};

}  // namespace gpuvm::test
