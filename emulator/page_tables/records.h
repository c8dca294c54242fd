// What the page-table tracker says: entries written, flushes that commit them, directories that got or lost a
// name.
#pragma once

#include <bitset>
#include <compare>
#include <cstdint>

#include "emulator/memory/physical_memory.h"
#include "emulator/mmu/fermi.h"

namespace gpuvm {

// A place of the card that names an instance block, or, a flush, a page directory.
class Holder {
 public:
  enum class Kind : uint8_t { kChannel, kBar1, kBar3, kFecs, kFlush };
  static constexpr Holder channel(unsigned number) { return {Kind::kChannel, static_cast<uint8_t>(number)}; }
  static constexpr Holder bar1() { return {Kind::kBar1, 0}; }
  static constexpr Holder bar3() { return {Kind::kBar3, 0}; }
  static constexpr Holder fecs() { return {Kind::kFecs, 0}; }
  static constexpr Holder flush() { return {Kind::kFlush, 0}; }

  Kind kind() const { return kind_; }
  unsigned channel() const { return channel_; }
  friend auto operator<=>(const Holder&, const Holder&) = default;

 private:
  constexpr Holder(Kind kind, uint8_t channel) : kind_(kind), channel_(channel) {}
  Kind kind_;
  uint8_t channel_;  // below 128
};

// Who named a page directory. A directory can have several names: channels of one client share theirs.
struct RootNames {
  std::bitset<128> channels;  // instance block in PFIFO's channel table
  bool bar1 = false;          // instance block in 0x001704
  bool bar3 = false;          // instance block in 0x001714
  bool fecs = false;          // instance block of the context switcher's latest channel command
  bool flush = false;         // 0x100cb8 of a TLB flush

  void set(Holder holder, bool on) {
    switch (holder.kind()) {
      case Holder::Kind::kChannel:
        channels[holder.channel()] = on;
        return;
      case Holder::Kind::kBar1:
        bar1 = on;
        return;
      case Holder::Kind::kBar3:
        bar3 = on;
        return;
      case Holder::Kind::kFecs:
        fecs = on;
        return;
      case Holder::Kind::kFlush:
        flush = on;
        return;
    }
  }
  bool any() const { return held() || fecs || flush; }
  // Named by something that uses it until it says otherwise; the other two only happened.
  bool held() const { return channels.any() || bar1 || bar3; }
  friend bool operator==(const RootNames&, const RootNames&) = default;
};

enum class PageTableLevel : uint8_t { kDirectory, kSmall, kLarge };

struct PageTableWrite {
  uint64_t seq = 0;      // event that wrote the (last part of the) entry, or that made its table known
  uint64_t time_ns = 0;  // of that event
  uint64_t root = 0;     // VRAM address of the page directory
  RootNames names{};     // without any: the root lost its names and keeps its entries
  PageTableLevel level = PageTableLevel::kDirectory;
  bool found = false;  // it stood there before its table was known; old_value is 0 then
  uint64_t va = 0;     // first virtual address that the entry decides about
  uint64_t span = 0;   // bytes that it decides about
  uint64_t table = 0;  // VRAM address of the table that holds the entry
  uint32_t index = 0;  // which entry of the table
  uint64_t old_value = 0;
  uint64_t new_value = 0;

  bool changed() const { return old_value != new_value; }
  fermi::Pde pde() const { return {new_value}; }  // level kDirectory
  fermi::Pte pte() const { return {new_value}; }  // the others
  // Of a directory entry: it names a table.
  bool present() const {
    return level == PageTableLevel::kDirectory ? pde().large_target() != 0 || pde().small_target() != 0
                                               : pte().present();
  }
};

struct TlbFlush {
  uint64_t seq = 0;
  uint64_t time_ns = 0;
  bool all_roots = false;               // the flush named no directory: it meant every one
  bool root_known = false;              // 0x100cb8 was seen, or all_roots
  uint64_t root = 0;                    // byte address as 0x100cb8 had it
  Aperture aperture = Aperture::kVram;  // where the directory is; only those in VRAM can be followed
  RootNames names{};
  uint32_t scope = 0;  // 0x100cbc without its trigger bit: 1 all pages, 2 all directories, 4 hub only
  uint64_t entries_changed = 0;  // of that root since the last flush that covered it
};

struct RootChange {
  enum class What : uint8_t { kNamed, kUnnamed, kForgotten };
  uint64_t seq = 0;
  uint64_t time_ns = 0;
  uint64_t root = 0;
  What what = What::kNamed;
  RootNames names{};  // after the change
};

class PageTableSink {
 public:
  virtual ~PageTableSink() = default;
  virtual void on_entry(const PageTableWrite& write) = 0;
  virtual void on_flush(const TlbFlush& flush) = 0;
  // Entries found in a directory that has just been named follow the naming.
  virtual void on_root(const RootChange&) {}
};

}  // namespace gpuvm
