// A card on a bench, with what a driver would have set up: instance blocks, page tables, channels, push
// buffers. Layout facts are written out again here (docs/gf100.md) instead of taken from
// fermi.h, so that a wrong constant there fails a test.
#pragma once

#include <initializer_list>
#include <memory>
#include <vector>

#include "emulator/card/card.h"
#include "tests/support/test_machine.h"

namespace gpuvm::test {

constexpr uint32_t increasing(unsigned subchannel, uint32_t method, uint32_t count) {
  return 1u << 29 | count << 16 | subchannel << 13 | method >> 2;
}
constexpr uint32_t non_increasing(unsigned subchannel, uint32_t method, uint32_t count) {
  return 3u << 29 | count << 16 | subchannel << 13 | method >> 2;
}
constexpr uint32_t immediate(unsigned subchannel, uint32_t method, uint32_t data) {
  return 4u << 29 | data << 16 | subchannel << 13 | method >> 2;
}
constexpr uint32_t increase_once(unsigned subchannel, uint32_t method, uint32_t count) {
  return 5u << 29 | count << 16 | subchannel << 13 | method >> 2;
}
constexpr uint32_t kEndOfSegment = 7u << 29;
constexpr uint32_t kRelease = 2, kAcquireEqual = 1, kAcquireGreaterEqual = 4, kAcquireAnd = 8,
                   kShort = 1u << 24;

// Memory targets: of page directory entries, and of page table entries and instance pointers.
enum class Target : unsigned { kVram = 0, kSystem = 2, kSystemNoSnoop = 3 };
constexpr uint64_t pde_target(Target t) {
  return t == Target::kVram ? 1 : static_cast<uint64_t>(t);
}

constexpr uint64_t pte(uint64_t address, Target target, bool read_only = false) {
  return 1 | (read_only ? 4u : 0u) | (address >> 12) << 4 | static_cast<uint64_t>(target) << 33;
}

class GpuBench {
 public:
  static constexpr uint64_t kUserd = 0x10000;  // VRAM, and through the disabled BAR1 the same address there
  static constexpr uint64_t kRunlist = 0x8000;

  explicit GpuBench(CardConfig config = {.vram_bytes = uint64_t{64} << 20}) : card(config, machine, machine) {
    reg_write(0x002254, 1u << 28 | kUserd >> 12);
    reg_write(0x000140, 1);
    reg_write(0x002140, 0xffffffff);
    // Memory decoding, so that the card could be reached on its bus.
    card.config_write(4, 2, 6);
  }

  // From the bottom of VRAM upwards, zeroed.
  uint64_t allocate(uint64_t bytes, uint64_t align = 0x1000) {
    next_ = (next_ + align - 1) / align * align;
    return std::exchange(next_, next_ + bytes);
  }

  struct Space {
    uint64_t instance = 0;
    uint64_t directory = 0;
  };
  Space make_space(uint64_t limit = 0xffffffffff) {
    const Space space{allocate(0x1000), allocate(0x10000)};
    vram64(space.instance + 0x200, space.directory);
    vram64(space.instance + 0x208, limit);
    return space;
  }
  // One 4 KiB page; makes the table if the directory has none there. 128 KiB geometry.
  void map(const Space& space, uint64_t va, uint64_t address, Target target = Target::kVram,
           bool read_only = false) {
    const uint64_t slot = space.directory + 8 * (va >> 27);
    if ((card.vram().read64(slot) >> 32 & 3) == 0) {
      const uint64_t table = allocate(0x40000);
      vram64(slot, card.vram().read64(slot) | pde_target(Target::kVram) << 32 | (table >> 12) << 36);
    }
    const uint64_t table = (card.vram().read64(slot) >> 36) << 12;
    vram64(table + 8 * ((va & 0x7ffffff) >> 12), pte(address, target, read_only));
  }
  void unmap(const Space& space, uint64_t va) {
    const uint64_t table = (card.vram().read64(space.directory + 8 * (va >> 27)) >> 36) << 12;
    vram64(table + 8 * ((va & 0x7ffffff) >> 12), 0);
  }
  // `bytes` of fresh VRAM at `va`; returns where it lies.
  uint64_t map_vram(const Space& space, uint64_t va, uint64_t bytes) {
    const uint64_t address = allocate(bytes);
    for (uint64_t i = 0; i < bytes; i += 0x1000) map(space, va + i, address + i);
    return address;
  }

  // Channels have their ring at kIbVa and their commands at kPushVa of their space.
  static constexpr uint64_t kIbVa = 0x1000000, kPushVa = 0x1100000, kPushBytes = 0x10000;
  struct Channel {
    unsigned chid = 0;
    uint64_t instance = 0;
    uint64_t ib = 0;    // VRAM or system address of the ring
    uint64_t push = 0;  // of the commands
    Target where = Target::kVram;
    uint32_t put = 0;
    uint64_t used = 0;
  };
  // With `where` in system memory, the ring and the commands lie at `system_address` of the machine.
  Channel make_channel(unsigned chid, const Space& space, Target where = Target::kVram,
                       uint64_t system_address = 0) {
    Channel channel{.chid = chid, .instance = space.instance, .where = where};
    channel.ib = where == Target::kVram ? allocate(0x2000) : system_address;
    channel.push = where == Target::kVram ? allocate(kPushBytes) : system_address + 0x2000;
    for (uint64_t i = 0; i < 0x2000; i += 0x1000) map(space, kIbVa + i, channel.ib + i, where);
    for (uint64_t i = 0; i < kPushBytes; i += 0x1000) map(space, kPushVa + i, channel.push + i, where);
    vram64(space.instance + 0x08, kUserd + uint64_t{chid} * 0x1000);
    vram64(space.instance + 0x48, kIbVa | uint64_t{10} << 48);
    reg_write(0x003000 + 8 * chid, 0xc0000000 | static_cast<uint32_t>(space.instance >> 12));
    reg_write(0x003004 + 8 * chid, 0x001f0001);
    runlist_.push_back(chid);
    commit_runlist();
    return channel;
  }
  void commit_runlist() {
    for (size_t i = 0; i < runlist_.size(); ++i) vram64(kRunlist + 8 * i, runlist_[i] | uint64_t{4} << 32);
    reg_write(0x002270, kRunlist >> 12);
    reg_write(0x002274, 0x01f00000 | static_cast<uint32_t>(runlist_.size()));
    reg_write(0x002a00, ~0u);
  }

  // Appends commands and an entry for them to the ring; ring() makes the card look.
  void queue(Channel& channel, const std::vector<uint32_t>& words) {
    for (size_t i = 0; i < words.size(); ++i)
      store32(channel.where, channel.push + channel.used + 4 * i, words[i]);
    queue_entry(channel, kPushVa + channel.used, static_cast<uint32_t>(words.size()));
    channel.used += 4 * words.size();
  }
  void queue_entry(Channel& channel, uint64_t va, uint32_t dwords) {
    const uint64_t entry = va | uint64_t{dwords} << 42;
    store32(channel.where, channel.ib + 8 * channel.put, static_cast<uint32_t>(entry));
    store32(channel.where, channel.ib + 8 * channel.put + 4, static_cast<uint32_t>(entry >> 32));
    channel.put = (channel.put + 1) % 1024;
  }
  void ring(const Channel& channel) { card.bar_write(1, userd(channel) + 0x8c, 4, channel.put); }
  void run(Channel& channel, const std::vector<uint32_t>& words) {
    queue(channel, words);
    ring(channel);
  }

  uint64_t userd(const Channel& channel) const { return kUserd + uint64_t{channel.chid} * 0x1000; }
  uint32_t ib_get(const Channel& channel) const { return card.vram().read32(userd(channel) + 0x88); }

  uint32_t reg_read(uint32_t offset) { return static_cast<uint32_t>(card.bar_read(0, offset, 4)); }
  void reg_write(uint32_t offset, uint32_t value) { card.bar_write(0, offset, 4, value); }
  uint32_t vram32(uint64_t address) const { return card.vram().read32(address); }
  void vram64(uint64_t address, uint64_t value) { card.vram().write(address, 8, value); }

  // Lets time pass from where it is.
  void wait(uint64_t ns) { card.advance(now_ += ns); }

  TestMachine machine;
  // `card` is reached through a const view in const helpers; it has no const accessors for memory.
  mutable Card card;

 private:
  void store32(Target where, uint64_t address, uint32_t value) {
    if (where == Target::kVram) {
      card.vram().write(address, 4, value);
    } else {
      machine.store<uint32_t>(address, value);
    }
  }

  uint64_t next_ = 0x100000;  // above the USERD array and the run list
  uint64_t now_ = 0;
  std::vector<uint32_t> runlist_;
};

}  // namespace gpuvm::test
