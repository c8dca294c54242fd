// What a hostile guest does to its virtual GPU, chosen by a fuzzer's bytes. What it forges lies in a few
// places each, so that channels share directories, directories share tables, and tables name each other.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "tests/support/byte_source.h"
#include "tests/support/vm_bench.h"

namespace gpuvm::test {

class HostileGuest {
 public:
  static constexpr uint64_t kSlotArea = VmBench::kRam;  // of para-virtual calls, in guest memory
  // `flushed`: told of each TLB flush before it is done.
  using Flushed = std::function<void(std::optional<uint64_t> directory)>;

  // `page_sizes`: it may choose the page sizes that the card does not have.
  HostileGuest(VmBench& bench, unsigned vm, bool page_sizes, Flushed flushed)
      : b_(bench), vm_(vm), page_sizes_(page_sizes), gpu_(bench.vm(vm)), flushed_(std::move(flushed)) {}

  // A driver's start: one channel that works, and the slots for para-virtual calls.
  void set_up() {
    put_ = 0;
    write(0, 0x2254, 4, 1u << 28 | VmBench::kUserdVa >> 12);
    store(kInstances + 0x200, kDirectories);
    store(kInstances + 0x208, 0x1fffff);
    store(kInstances + 0x08, kUserd);
    store(kInstances + 0x48, kRingVa | uint64_t{8} << 48);
    store(kDirectories, uint64_t{1} << 32 | kSmallTables >> 12 << 36);
    for (uint64_t page = 0; page < 16; ++page)
      store(kSmallTables + 8 * page, pte(kPages + (page << 12), Target::kVram));
    write(0, 0x3000, 4, 0xc0000000 | kInstances >> 12);
    write(0, 0x3004, 4, 0x001f0001);
    store(kRunlist, 0);
    write(0, 0x2270, 4, kRunlist >> 12);
    write(0, 0x2274, 4, 0x01f00001);
    gpu_.bar_write(4, 4, 4, kSlotArea);
    (void)gpu_.bar_read(4, 0, 4);
  }

  void act(uint8_t op, ByteSource& in) {
    switch (op & 31) {
      case 0:
        return write(0, known_register(in), 4, in.u32());
      case 1: {
        const uint64_t offset = in.u32() % 0x1000000;
        const unsigned width = in.width();
        return write(0, offset, width, in.u64());
      }
      case 2:
      case 3:
      case 4: {
        const uint64_t table = small_table(in);
        return entries(table, 0x8000, in);
      }
      case 5: {
        const uint64_t table = large_table(in);
        return entries(table, 0x400, in);
      }
      case 6:
      case 7: {
        const uint64_t directory = this->directory(in);
        const uint8_t at = in.u8();
        const uint64_t index = at < 0xf0 ? at & 3u : in.u16() & 0x1fffu;
        return store(directory + 8 * index, pde(in));
      }
      case 8:
        return point(in);
      case 9: {  // USERD, and where the ring is
        const uint64_t block = instance(in);
        store(block + 8, in.u8() & 1 ? in.u64() : kUserd + (in.u8() & 7u) * 0x1000 + (in.u8() == 0 ? 2 : 0));
        return store(block + 0x48, in.u8() & 7 ? kRingVa | uint64_t{8} << 48 : in.u64());
      }
      case 10:
      case 11: {
        const uint8_t chid = in.u8();
        return write(0, channel_register(chid), 4, pointer(in));
      }
      case 12:
        return write(0, channel_register(in.u8()), 4, 0);
      case 13:
      case 14:
        return flush(in);
      case 15:
        return write(0, in.u8() & 1 ? 0x1704 : 0x1714, 4, in.u8() & 7 ? pointer(in) : 0);
      case 16:
      case 17: {  // whatever the window shows
        const unsigned bar = in.u8() & 1 ? 1 : 3;
        const uint64_t offset = window_offset(in);
        const unsigned width = in.width();
        return gpu_.bar_write(bar, offset, width, in.u8() & 1 ? in.u64() : pde(in));
      }
      case 18: {
        const unsigned bar = in.u8() & 7;
        const uint64_t offset = in.u8() & 1 ? in.u32() : window_offset(in);
        (void)gpu_.bar_read(bar, offset, in.width());
        return;
      }
      case 19: {
        const unsigned chid = in.u8() & 7;
        return b_.doorbell(vm_, chid, in.u8());
      }
      case 20:
        return work(in);
      case 21:
        return engine(in);
      case 22:
        return runlist(in);
      case 23:
      case 24:
        return call(in);
      case 25:
        return gpu_.advance(b_.hv->card().now_ns() + in.u16() * uint64_t{100});
      case 26:
        return write(0, in.u8() < 0xf0 ? 0x100cb8 : 0x100c80, 4, in.u32());
      case 27: {  // the poll area, or all channels at once
        const bool reset = in.u8() < 16;
        if (!reset) return write(0, 0x2254, 4, in.u8() & 3 ? 1u << 28 | in.u8() : in.u32());
        write(0, 0x200, 4, ~0x100u);
        return write(0, 0x200, 4, ~0u);
      }
      case 28: {  // knots: any place, any bytes
        const uint64_t at = in.u32() % 0x1000008;
        return store(at, in.u64(), in.width());
      }
      case 29: {
        const unsigned at = in.u8();
        const unsigned width = std::min(4u, in.width());
        if (in.u8() & 1) return gpu_.config_write(at, width, in.u32());
        (void)gpu_.config_read(at, width);
        return;
      }
      case 30:
        return write(0, channel_register(in.u8()) + 4, 4, in.u8() & 1 ? 0x001f0001 : in.u32());
      default:
        return leave(in.u8());
    }
  }

 private:
  static constexpr uint64_t kInstances = 0x400000, kDirectories = 0x500000, kSmallTables = 0x600000,
                            kLargeTables = 0x700000, kPages = 0x800000, kRunlist = 0x380000;
  // Where the poll area is while BAR1 shows memory as it lies.
  static constexpr uint64_t kUserd = VmBench::kUserdVa;
  // The first mapped pages: the ring, and what it names.
  static constexpr uint64_t kRingVa = 0x1000, kPushVa = 0x2000;

  void store(uint64_t address, uint64_t value, unsigned width = 8) { b_.store(vm_, address, value, width); }

  void write(unsigned bar, uint64_t offset, unsigned width, uint64_t value) {
    if (bar == 0 && width == 4) note_flush(offset, static_cast<uint32_t>(value));
    if (bar == 0 && offset == 0x100c80 && !page_sizes_) value &= ~uint64_t{1};
    gpu_.bar_write(bar, offset, width, value);
  }
  void note_flush(uint64_t offset, uint32_t value) {
    if (offset != 0x100cbc) return;
    if (value & 2) return flushed_(std::nullopt);
    flushed_(uint64_t{b_.reg(vm_, 0x100cb8) >> 4} << 12);
  }

  static uint32_t known_register(ByteSource& in) {
    static constexpr uint32_t kOffsets[] = {
        0x000200, 0x001700, 0x001704, 0x001714, 0x002254, 0x002270, 0x002274, 0x002634, 0x100c80, 0x100cb8,
        0x100cbc, 0x104050, 0x104054, 0x105050, 0x409500, 0x409504, 0x409b00, 0x4188b4, 0x610010, 0x003004};
    return kOffsets[in.u8() % std::size(kOffsets)];
  }
  static uint32_t channel_register(uint8_t choice) {
    return 0x3000 + 8 * (choice < 0xf0 ? choice & 7u : choice & 0x7fu);
  }

  // One of few, or now and then any page.
  static uint64_t one_of(ByteSource& in, uint64_t base, uint64_t bytes, unsigned count) {
    const uint8_t choice = in.u8();
    if (choice >= 0xf8) return (in.u16() & 0x1fffu) * uint64_t{0x1000};
    return base + choice % count * bytes;
  }
  static uint64_t instance(ByteSource& in) { return one_of(in, kInstances, 0x1000, 6); }
  static uint64_t directory(ByteSource& in) { return one_of(in, kDirectories, 0x10000, 4); }
  static uint64_t small_table(ByteSource& in) { return one_of(in, kSmallTables, 0x40000, 4); }
  static uint64_t large_table(ByteSource& in) { return one_of(in, kLargeTables, 0x2000, 4); }
  static uint32_t pointer(ByteSource& in) {
    const uint8_t how = in.u8();
    if (how >= 0xf0) return in.u32();
    return 0xc0000000 | static_cast<uint32_t>(instance(in) >> 12);
  }
  static uint64_t window_offset(ByteSource& in) {
    const uint8_t how = in.u8();
    if (how & 0x80) return in.u32() % 0x8001000;
    if (how & 0x40) return VmBench::kUserdVa + in.u16();
    return (kInstances + (how & 0x3fu) * 0x10000 + in.u16()) & 0xffffff;
  }

  static uint64_t pte_of(ByteSource& in) {
    const uint8_t how = in.u8();
    const uint64_t raw = in.u32();
    if ((how & 0xf) == 0xf) return raw | uint64_t{in.u32()} << 32;
    if ((how & 0xf) == 0xe) return 0;
    const auto target = static_cast<Target>(how & 0x80 ? how >> 4 & 3 : 0);
    return pte(raw % 0x1200 << 12, target, (how & 0x40) != 0);
  }
  static uint64_t pde(ByteSource& in) {
    const uint8_t how = in.u8();
    if (how >= 0xf8) return in.u64();
    uint64_t raw = (how & 3u) << 2;  // the size code
    const uint64_t target = how >= 0xe0 ? in.u8() & 3 : 1;
    if (how & 4) raw |= target | large_table(in) >> 12 << 4;
    if (how & 8) raw |= target << 32 | small_table(in) >> 12 << 36;
    return raw;
  }
  void entries(uint64_t table, uint32_t room, ByteSource& in) {
    const uint8_t how = in.u8();
    const uint32_t first = how & 0x80 ? in.u16() % room : how & 0x3fu;
    const uint32_t count = how & 0x40 ? 1 + (in.u8() & 31u) : 1;
    const uint64_t raw = pte_of(in);
    for (uint32_t i = 0; i < count && first + i < room; ++i)
      store(table + 8 * (first + i), raw == 0 ? 0 : raw + (uint64_t{i} << 4));
  }
  void point(ByteSource& in) {
    static constexpr uint64_t kLimits[] = {0,        0xfff,    0x3ffff,   0xfffff,
                                           0x1fffff, 0x7fffff, 0x800ffff, 0xffffffffff};
    const uint64_t block = instance(in);
    store(block + 0x200, directory(in) | (in.u8() == 0xff ? in.u16() & 0xfff : 0));
    const uint8_t limit = in.u8();
    if (limit < 0x80) return;
    store(block + 0x208, limit >= 0xf8 ? in.u64() : kLimits[limit >= 0xf0 ? limit & 7 : limit % 6]);
  }
  void flush(ByteSource& in) {
    const uint8_t how = in.u8();
    write(0, 0x100cb8, 4, static_cast<uint32_t>(directory(in) >> 8));
    write(0, 0x100cbc, 4, 0x80000000 | (how >= 0xf0 ? 2 : 0) | (how & 5u));
  }
  // A semaphore is released by the GPU itself, wherever the input says.
  void work(ByteSource& in) {
    const uint64_t va = in.u8() & 1 ? in.u64() & 0xffffffffff : in.u16();
    const uint32_t words[] = {increasing(0, 0x10, 4), static_cast<uint32_t>(va >> 32),
                              static_cast<uint32_t>(va), in.u32(), kRelease | (in.u8() & 1 ? kShort : 0)};
    for (size_t i = 0; i < std::size(words); ++i) store(kPages + kPushVa + 4 * i, words[i], 4);
    store(kPages + kRingVa + 8 * put_, kPushVa | std::size(words) << 42);
    put_ = (put_ + 1) % 256;
    b_.doorbell(vm_, in.u8() & 3, put_);
  }
  void engine(ByteSource& in) {
    static constexpr uint32_t kPointers[] = {0x409500, 0x409b00, 0x409b04, 0x104050, 0x104054, 0x105050};
    const uint32_t reg = kPointers[in.u8() % std::size(kPointers)];
    write(0, reg, 4, in.u8() & 7 ? pointer(in) : 0);
    if (reg == 0x409500) write(0, 0x409504, 4, in.u8() & 15);
  }
  void runlist(ByteSource& in) {
    const uint32_t count = in.u8() & 15;
    for (uint32_t i = 0; i < count; ++i) store(kRunlist + 8 * i, in.u8());
    const uint8_t how = in.u8();
    write(0, 0x2270, 4, how < 0xf0 ? kRunlist >> 12 : in.u32());
    write(0, 0x2274, 4, 0x01f00000 | (how == 0xff ? in.u16() & 0xfffu : count));
  }
  void call(ByteSource& in) {
    TestMachine& machine = b_.machines[vm_];
    const uint8_t op = in.u8() % 12;
    const uint64_t slot = kSlotArea + (in.u8() & 1) * pv::kSlotBytes;
    const auto word = [&](unsigned i, uint32_t value) { machine.store(slot + 4 * uint64_t{i}, value); };
    word(0, op);
    word(1, in.u8() % 16);
    word(2, in.u8() & 0x80 ? -static_cast<uint32_t>(in.u8() & 7) : in.u8());
    word(3, in.u8() % 16);
    word(4, in.u8());
    if (op == static_cast<uint8_t>(PvOp::kMemAlloc)) word(1, uint32_t{0x1000} << (in.u8() % 9));
    const bool has_entries =
        op >= static_cast<uint8_t>(PvOp::kMap) && op <= static_cast<uint8_t>(PvOp::kMapSgBatch);
    for (unsigned i = 2; has_entries && i < 6; ++i) machine.store(slot + 8 * uint64_t{i}, pte_of(in));
    gpu_.bar_write(4, 0xc, 4, (slot - kSlotArea) / pv::kSlotBytes);
  }
  void leave(uint8_t how) {
    if (how == 0) b_.hv->teardown(vm_);
    if (how == 1) gpu_.reset();
    if (how == 2) b_.hv->arrive(vm_);
    if (how < 3) set_up();
  }

  VmBench& b_;
  unsigned vm_;
  bool page_sizes_;
  VirtualGpu& gpu_;
  Flushed flushed_;
  uint32_t put_ = 0;
};

}  // namespace gpuvm::test
