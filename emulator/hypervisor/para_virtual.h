// Para-virtual calls: a guest that knows it is one asks for page table entries instead of writing them
// (docs/gpuvm.md). BAR4 is one page of registers; arguments lie in slots of guest memory.
//
// Unlike GPUvm's, calls are checked: handles are numbers of the guest's own objects and say nothing about the
// card's memory, a page keeps the type of its first use, every index, count and channel is checked, arguments
// are copied before they are looked at, and what a guest may allocate is limited (S4, S11-S13).
#pragma once

#include <functional>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "emulator/hypervisor/shadow_space.h"
#include "emulator/memory/dma_port.h"

namespace gpuvm {

namespace pv {
// BAR4 registers.
inline constexpr uint64_t kBar4Bytes = 0x1000;
inline constexpr uint64_t kMapSlots = 0x0;     // read: take the slot area into use; 0 or -EINVAL
inline constexpr uint64_t kSlotAreaLow = 0x4;  // write: guest physical address
inline constexpr uint64_t kSlotAreaHigh = 0x8;
inline constexpr uint64_t kCall = 0xc;  // write: slot number
inline constexpr unsigned kSlots = 64;
// As GPUvm's later branches and both of its guests have it (appendix A); HEAD's 4 KiB holds no batch of 2048.
inline constexpr uint64_t kSlotBytes = 0x10000;
inline constexpr uint64_t kSlotAreaBytes = kSlots * kSlotBytes;
// What SET_PGD calls a directory's user that is no channel.
inline constexpr int32_t kBar1 = -1;
inline constexpr int32_t kBar3 = -3;
inline constexpr int32_t kEngines = -4;  // ours: instance blocks that only engine registers name
// Four times the largest table; what a call may have to look at or clear.
inline constexpr uint32_t kMaxObjectBytes = 1 << 20;
inline constexpr uint32_t kOk = 0;
inline constexpr uint32_t kInvalid = static_cast<uint32_t>(-22);
inline constexpr uint32_t kRange = static_cast<uint32_t>(-34);
inline constexpr uint32_t kNoMemory = static_cast<uint32_t>(-12);
}  // namespace pv

class ParaVirtual {
 public:
  // What calls do to the rest of the virtual GPU.
  struct Effects {
    // A directory for one of the guest's channels, a BAR or its engines; 0: none.
    std::function<void(SpaceUser user, uint64_t host_directory)> set_directory;
    // Entries that a BAR may show have changed.
    std::function<void()> tables_changed;
    // A directory that no channel has is about to be freed: an engine may still have it.
    std::function<void(uint64_t host_directory)> directory_gone;
    // The guest says that a directory is as it is to be used.
    std::function<void(uint64_t host_directory)> flushed;
  };
  ParaVirtual(Guest& owner, DmaPort& ram, Effects effects);
  ~ParaVirtual() { clear(); }

  uint64_t read(uint64_t offset, unsigned width);
  void write(uint64_t offset, unsigned width, uint64_t value);
  void clear();

 private:
  enum class Type : uint8_t { kUnused, kDirectory, kSmallTable, kLargeTable };
  struct Object {
    Type type = Type::kUnused;
    uint64_t host = 0;
    uint64_t pages = 0;
    uint32_t references = 0;  // directory entries and channels that use it
    uint64_t entries() const { return pages * (Vram::kPageBytes / 8); }
  };
  // A call's arguments: a copy of the slot, as far as it was needed.
  class Arguments;

  void call(unsigned slot);
  uint32_t run(PvOp op, Arguments& arguments);
  uint32_t told(uint32_t result);
  uint32_t set_pgd(uint32_t pgd, int32_t channel);
  uint32_t map_pgt(uint32_t pgd, uint32_t index, uint32_t small, uint32_t large);
  uint32_t store_entries(uint32_t pgt, uint32_t index, std::span<const uint64_t> raw);
  uint32_t vm_flush(uint32_t pgd);
  uint32_t mem_alloc(uint32_t bytes, Arguments& arguments);
  uint32_t mem_free(uint32_t id);
  Object* find(uint32_t id);
  // The object, if it is or can become of the type.
  Object* typed(uint32_t id, Type type, uint64_t min_entries);
  void become_large(Object& table);
  void drop_reference(uint64_t host);
  // Nothing: there is no such channel.
  std::optional<SpaceUser> user_of(int32_t channel) const;

  Guest& owner_;
  DmaPort& ram_;
  Effects effects_;
  uint64_t slot_area_ = 0;
  bool mapped_ = false;
  std::map<uint32_t, Object> objects_;
  std::unordered_map<uint64_t, uint32_t> ids_;  // of the objects, by where they lie
  uint32_t next_id_ = 1;
  std::map<SpaceUser, uint32_t> directories_;  // who has which
};

}  // namespace gpuvm
