// Any bytes as what a guest does to the card: random accesses, and forged instance blocks, page tables, rings
// and push buffers with doorbells. It must neither crash nor work without end, and three things must hold: it
// is deterministic, what happens does not depend on how often time is advanced, and the interrupt line is
// what the registers say. An operation is an access, or a step of a driver (a ring entry, a forged entry of a
// table).
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "tests/support/byte_source.h"
#include "tests/support/gpu_bench.h"
#include "tests/support/operation_cost.h"
#include "tests/support/operation_count.h"

namespace {

using namespace gpuvm;
using namespace gpuvm::test;

// The longest list of channels, in guest memory, read once by the fuzzer and once by the card.
constexpr uint64_t kDearestStepNs = 2 * 4096 * (kCostOfTransfer + 4);
constexpr unsigned kMaxOperations = 4000;
constexpr unsigned kSpaces = 2;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "card_fuzz: %s\n", what);
  std::abort();
}

// Half of the numbers that matter are small or edges; the rest is left to the fuzzer.
uint64_t address(ByteSource& in) {
  const uint8_t how = in.u8();
  const uint64_t raw = how & 0x80 ? in.u64() : in.u32();
  switch (how & 7) {
    case 0:
      return raw % 0x2000000;
    case 1:
      return 0x100000 + raw % 0x100000;
    case 2:
      return GpuBench::kPushVa + raw % 0x20000;
    case 3:
      return (raw % 0x2000) << 12;
    case 4:
      return 0x8000000 - raw % 64;
    case 5:
      return raw % 0x10000;
    default:
      return raw;
  }
}

uint32_t interesting_register(ByteSource& in) {
  static constexpr uint32_t kOffsets[] = {
      0x000100, 0x000140, 0x000200, 0x001700, 0x001704, 0x001714, 0x002100, 0x002140, 0x002254,
      0x002270, 0x002274, 0x00259c, 0x0025a8, 0x002634, 0x002a00, 0x009400, 0x009410, 0x070000,
      0x100c80, 0x100cb8, 0x100cbc, 0x409100, 0x409500, 0x409504, 0x409840, 0x409000, 0x088704};
  const uint8_t n = in.u8();
  if (n < std::size(kOffsets)) return kOffsets[n];
  const auto registers = gf100::registers();
  const Register& r = registers[in.u16() % registers.size()];
  return r.offset + in.u16() % r.count * r.stride;
}

// A run of methods that would do something if it were well-formed.
std::vector<uint32_t> commands(ByteSource& in) {
  static constexpr uint32_t kClasses[] = {0x90b5, 0x90b8, 0x9039, 0x902d, 0x9097, 0x90c0};
  std::vector<uint32_t> words;
  const unsigned n = in.u8() % 12;
  for (unsigned i = 0; i < n; ++i) {
    const unsigned sub = in.u8() & 7;
    const uint8_t kind = in.u8();
    const auto va = [&] { return address(in); };
    const auto put = [&](uint32_t method, std::initializer_list<uint64_t> values) {
      words.push_back(increasing(sub, method, static_cast<uint32_t>(values.size())));
      for (uint64_t v : values) words.push_back(static_cast<uint32_t>(v));
    };
    switch (kind % 10) {
      case 0:
        put(0, {kClasses[in.u8() % std::size(kClasses)]});
        break;
      case 1: {
        const uint64_t a = va();
        put(0x10, {a >> 32, a, in.u32(), in.u8() & 1 ? in.u8() & 0xfu : in.u32()});
        break;
      }
      case 2:
        put(0x20, {0});
        break;
      case 3: {
        const uint64_t from = va(), to = va();
        put(0x30c, {from >> 32, from, to >> 32, to, in.u32(), in.u32(), in.u32(), in.u32()});
        put(0x300, {in.u8() & 1 ? 0x110u : in.u32()});
        break;
      }
      case 4: {
        const uint64_t to = va(), from = va();
        put(0x238, {to >> 32, to});
        put(0x30c, {from >> 32, from, in.u32(), in.u32(), in.u32(), in.u32()});
        put(0x300, {in.u8() & 1 ? 0x100110u : in.u32()});
        put(0x304, {in.u32(), in.u32()});
        break;
      }
      case 5: {
        const uint64_t a = va(), b = va();
        put(0x200, {in.u8(), 1, 0, 0, 0, in.u32(), in.u32(), in.u32(), a >> 32, a});
        put(0x230, {in.u8(), 1, 0, 0, 0, in.u32(), in.u32(), in.u32(), b >> 32, b});
        put(0x580, {4, 0, in.u32()});
        put(0x600, {in.u16(), in.u16(), in.u32(), in.u32()});
        put(0x8b0, {in.u16(), in.u16(), in.u32(), in.u32()});
        put(0x8d0, {0, in.u16(), 0, in.u16()});
        break;
      }
      case 6: {
        const uint64_t a = va();
        put(0x1b00, {a >> 32, a, in.u32(), in.u32()});
        break;
      }
      case 7:
        words.push_back(in.u32());
        break;
      case 8:
        put(in.u16() & 0xffc, {in.u32(), in.u32(), in.u32()});
        break;
      case 9:
        words.push_back(in.u8() & 1 ? kEndOfSegment : immediate(sub, in.u16() & 0xffc, in.u16() & 0x1fff));
        break;
    }
  }
  return words;
}

struct Digests {
  uint64_t memory = 0;
  uint64_t registers = 0;
  uint64_t messages = 0;
  uint64_t operations = 0;
  bool operator==(const Digests&) const = default;
};

// `slices`: in how many steps each stretch of time passes.
Digests play(const uint8_t* data, size_t size, unsigned slices) {
  ByteSource in(data, size);
  const uint8_t options = in.u8();
  GpuBench gpu({.vram_bytes = uint64_t{16} << 20,
                .delay_ns = options & 1 ? uint64_t{in.u16()} * 1000 : 0,
                .vga_class = (options & 2) != 0});
  const bool msi = (options & 4) != 0;
  if (msi) {
    gpu.card.config_write(0x6c, 4, 0xfee00000);
    gpu.card.config_write(0x68, 4, 1u << 16);
  }
  std::vector<GpuBench::Space> spaces;
  std::vector<GpuBench::Channel> channels;
  for (unsigned i = 0; i < kSpaces; ++i) {
    spaces.push_back(gpu.make_space());
    const bool system = (options & 8) != 0 && i == 1;
    channels.push_back(gpu.make_channel(i, spaces[i], system ? Target::kSystem : Target::kVram));
    gpu.map_vram(spaces[i], 0x100000, 0x4000);
    for (uint64_t page = 0; page < 4; ++page)
      gpu.map(spaces[i], 0x200000 + page * 0x1000, 0x40000 + page * 0x1000, Target::kSystem);
  }
  uint64_t now = 0;
  Digests result;
  for (unsigned n = 0; n < kMaxOperations && !in.empty(); ++n) {
    ++result.operations;
    const uint64_t cost_before = gpu.card.memory().cost(), time_before = now;
    const uint8_t op = in.u8();
    const OperationCost cost;
    GpuBench::Channel& channel = channels[(op >> 4) & 1];
    const GpuBench::Space& space = spaces[(op >> 5) & 1];
    switch (op & 15) {
      case 0: {
        const unsigned bar = in.u8() % 8;
        result.messages += gpu.card.bar_read(bar, address(in), in.width());
        break;
      }
      case 1: {
        const unsigned bar = in.u8() % 8;
        const uint64_t at = address(in);
        gpu.card.bar_write(bar, at, in.width(), in.u64());
        break;
      }
      case 2:
        result.messages += gpu.card.config_read(in.u32(), in.width() & 7);
        break;
      case 3: {
        const unsigned at = in.u8();
        gpu.card.config_write(at, std::min(4u, in.width()), in.u32());
        break;
      }
      case 4: {
        // A ring may hold hours of work: where some is waiting, not all of it.
        const uint64_t far = in.u64() >> (in.u8() & 63);
        const bool idle = gpu.card.next_due() == std::numeric_limits<uint64_t>::max();
        const uint64_t step = idle ? std::min(far, ~uint64_t{0} - now)
                                   : std::min<uint64_t>(far % 20'000'000, ~uint64_t{0} - now);
        for (unsigned s = 1; s < slices; ++s) gpu.card.advance(now + step / slices * s);
        gpu.card.advance(now += step);
        break;
      }
      case 5:
        if ((in.u8() & 7) == 0) gpu.card.reset();
        break;
      case 6:
        gpu.reg_write(interesting_register(in), in.u32());
        break;
      case 7:
        result.messages += gpu.reg_read(interesting_register(in));
        break;
      case 8: {  // a directory entry
        const uint64_t at = in.u8() & 1 ? in.u16() & 0x1fffu : in.u8() & 3u;
        gpu.vram64(space.directory + 8 * at,
                   in.u8() & 1 ? in.u64() : (address(in) >> 12) << 36 | uint64_t{1} << 32);
        break;
      }
      case 9: {  // a table entry
        const uint64_t table = (gpu.card.vram().read64(space.directory) >> 36) << 12;
        const uint64_t at = in.u8() & 1 ? in.u16() & 0x7fffu : 0x100u + (in.u8() & 15u);
        gpu.card.vram().write(table + 8 * at, 8,
                              in.u8() & 1 ? in.u64() : pte(address(in), static_cast<Target>(in.u8() & 3)));
        break;
      }
      case 10: {  // a word of an instance block
        gpu.card.vram().write(space.instance + (in.u8() & 1 ? in.u16() & 0xffcu : 8u + 8u * (in.u8() & 15u)),
                              8, in.u64());
        break;
      }
      case 11:
        if (channel.used + 1024 < GpuBench::kPushBytes) gpu.queue(channel, commands(in));
        gpu.ring(channel);
        break;
      case 12: {
        const uint64_t at = address(in);
        gpu.queue_entry(channel, at, in.u32());
        if (in.u8() & 1) gpu.ring(channel);
        break;
      }
      case 13:
        gpu.card.bar_write(1, gpu.userd(channel) + 0x8c, 4, in.u32());
        break;
      case 14: {
        gpu.reg_write(0x003000 + 8 * (in.u8() & 127),
                      in.u8() & 1 ? in.u32() : 0xc0000000 | static_cast<uint32_t>(space.instance >> 12));
        break;
      }
      case 15:
        if (in.u8() & 1) gpu.reg_write(0x003004 + 8 * (in.u8() & 127), in.u32());
        gpu.commit_runlist();
        break;
    }
    cost.require_within(kOneOperation);
    // What was saved, what the time that passed has paid for, and the last step, which may go beyond.
    require(gpu.card.memory().cost() - cost_before <=
                WorkAccount::kBurstNs + (now - time_before) / 2 + kDearestStepNs,
            "an operation did more than was paid for");
  }
  const uint32_t pending = gpu.reg_read(0x000100);
  const bool level = pending != 0 && (gpu.reg_read(0x000140) & 1) != 0;
  const bool msi_on = (gpu.card.config_read(0x68, 4) & 1u << 16) != 0;
  const bool intx_off = (gpu.card.config_read(4, 2) & 1u << 10) != 0;
  require(gpu.machine.intx == (level && !msi_on && !intx_off),
          "the interrupt line is not what the registers say");
  require(gpu.card.registers().unknown().size() <= 65536, "the list of unknown registers has no bound");
  for (const auto& [where, what] : gpu.machine.messages)
    result.messages = result.messages * 31 + where + what;
  result.memory = gpu.card.memory_digest();
  result.registers = gpu.card.register_digest();
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const Digests once = play(data, size, 1);
  OperationCount::add(once.operations);
  if ((data[0] & 0x30) == 0x10)
    require(play(data, size, 1) == once, "the same accesses gave different results");
  if ((data[0] & 0x30) == 0x20)
    require(play(data, size, 3) == once, "results depend on how time was advanced");
  return 0;
}
