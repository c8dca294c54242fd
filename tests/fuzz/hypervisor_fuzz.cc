// Any bytes as what two guests do to their virtual GPUs: register writes, stores through every window, forged
// instance blocks and page tables, bindings, flushes, doorbells, para-virtual calls. Under the strict policy
// no table that the card may walk for a guest maps anything but that guest's partition and memory, at any
// moment.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tests/support/byte_source.h"
#include "tests/support/vm_bench.h"

namespace {

using namespace gpuvm;
using namespace gpuvm::test;

constexpr unsigned kMaxOperations = 200;
constexpr unsigned kVms = 2;
constexpr uint64_t kSlots = VmBench::kRam;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "hypervisor_fuzz: %s\n", what);
  std::abort();
}

bool inside(uint64_t address, uint64_t bytes, uint64_t base, uint64_t size) {
  return address >= base && bytes <= size && address - base <= size - bytes;
}

void check_entry(const PartitionView& own, uint64_t raw, uint64_t bytes) {
  if ((raw & 1) == 0) return;
  const uint64_t address = (raw >> 4 & 0xfffffff) << 12;
  const unsigned target = raw >> 33 & 3;
  require(target != 1, "an entry with a peer target");
  const bool own_frame = target == 0 ? inside(address, bytes, own.vram_base, own.vram_bytes)
                                     : inside(address, bytes, own.bus_base, own.ram_bytes);
  require(own_frame, "a frame that is not the guest's");
}

void check_pde(VmBench& b, const PartitionView& own, uint64_t reserve, uint64_t pde) {
  const Vram& vram = b.card_vram();
  const auto table = [&](uint64_t at, uint64_t entries, uint64_t page_bytes) {
    require(at >= reserve && vram.contains(at, entries * 8), "a table outside the hypervisor's memory");
    for (uint64_t i = 0; i < entries; ++i) check_entry(own, vram.read64(at + 8 * i), page_bytes);
  };
  if ((pde >> 32 & 3) != 0) table(pde >> 36 << 12, 32768, 0x1000);
  if ((pde & 3) != 0) table((pde >> 4 & 0xfffffff) << 12, 1024 >> (pde >> 2 & 3), 0x20000);
}

void check_all(VmBench& b) {
  const Vram& vram = b.card_vram();
  const uint64_t reserve = kVms * b.hv->partition(0).vram_bytes;
  for (unsigned vm = 0; vm < kVms; ++vm) {
    const PartitionView& own = b.hv->partition(vm);
    const auto instance = [&](uint32_t pointer) {
      if (pointer == 0) return;
      require((pointer >> 28 & 3) == 0, "an instance block outside VRAM");
      const uint64_t block = uint64_t{pointer & 0x0fffffff} << 12;
      require(block >= reserve, "an instance block that a guest can write");
      const uint64_t userd = vram.read64(block + 8);
      if ((userd & 3) == 0 && (userd & ~uint64_t{0xfff}) != 0) {
        require(inside(userd & 0xfffffff000, 0x1000, own.vram_base, own.vram_bytes), "a foreign USERD page");
      }
      const uint64_t root = vram.read64(block + 0x200);
      require((root & 0xfff) == 0 && root >= reserve, "a directory that a guest can write");
      for (uint64_t i = 0; i < 8192; ++i) {
        if (const uint64_t pde = vram.read64(root + 8 * i); pde != 0) check_pde(b, own, reserve, pde);
      }
    };
    for (unsigned c = 0; c < own.channels; ++c) instance(b.card_reg(0x3000 + 8 * (own.first_channel + c)));
    for (unsigned c = 0; c < own.channels; ++c) {
      const Translation t = translate(
          b.hv->card().memory(),
          address_space_of(b.hv->card().memory(), Aperture::kVram,
                           uint64_t{b.card_reg(0x1704) & 0x0fffffff} << 12, b.hv->card().geometry()),
          (own.first_channel + c) * uint64_t{0x1000});
      if (t.mapped && t.aperture == Aperture::kVram) {
        require(inside(t.address, 0x1000, own.vram_base, own.vram_bytes), "a foreign page in BAR1");
      }
    }
    const uint64_t bar3 = uint64_t{b.card_reg(0x1714) & 0x0fffffff} << 12;
    check_pde(b, own, reserve,
              vram.read64((vram.read64(bar3 + 0x200) & 0xfffffff000) + 8 * uint64_t{own.slot}));
  }
}

uint64_t entry(ByteSource& in) {
  const uint8_t how = in.u8();
  const uint64_t raw = in.u64();
  switch (how & 3) {
    case 0:
      return raw;
    case 1:
      return pte((raw % 0x5000) << 12, static_cast<Target>(how >> 2 & 3));
    case 2:
      return (raw & 0xf) | (0x1000 + raw % 0x40000) << 4;
    default:
      return 1 | uint64_t{1} << 32 | (0x400 + (raw & 0xff)) << 4 | (0x400 + (raw >> 8 & 0xff)) << 36;
  }
}

void operate(VmBench& b, ByteSource& in) {
  static constexpr uint32_t kRegisters[] = {
      0x000200, 0x001700, 0x001704, 0x001714, 0x002254, 0x002270, 0x002274, 0x002634, 0x100c80, 0x100cb8,
      0x100cbc, 0x104050, 0x104054, 0x105050, 0x409500, 0x409504, 0x409b00, 0x4188b4, 0x610010, 0x003004};
  const uint8_t op = in.u8();
  const unsigned vm = op >> 7;
  PciDevice& gpu = b.vm(vm);
  const uint64_t page = 0x400 + in.u8();
  switch (op & 15) {
    case 0:
      b.reg(vm, kRegisters[in.u8() % std::size(kRegisters)], in.u32());
      break;
    case 1:
      b.reg(vm, in.u32() % 0x1000000 & ~3u, in.u32());
      break;
    case 2:
    case 3:
      b.store(vm, page << 12 | (in.u16() & 0xff8), entry(in));
      break;
    case 4:
      b.store(vm, (page << 12) + 0x200, (0x400 + uint64_t{in.u8()}) << 12 | (in.u8() == 0 ? 2 : 0));
      break;
    case 5:
      b.store(vm, (page << 12) + 8, in.u8() & 1 ? in.u64() : uint64_t{in.u16()} << 12);
      break;
    case 6:
      b.bind(vm, in.u8() & 7, page << 12);
      break;
    case 7:
      b.reg(vm, 0x3000 + 8 * (in.u8() & 7), in.u32());
      break;
    case 8:
      b.flush(vm, {0, page << 12}, in.u8() & 7);
      break;
    case 9:
      b.reg(vm, in.u8() & 1 ? 0x1704 : 0x1714, 0x80000000 | static_cast<uint32_t>(page));
      break;
    case 10:
      gpu.bar_write(1, in.u32() % 0x8001000, in.width(), in.u64());
      break;
    case 11:
      gpu.bar_write(3, in.u32() % 0x4001000, in.width(), entry(in));
      break;
    case 12:
      b.doorbell(vm, in.u8() & 7, in.u8());
      break;
    case 13: {  // a para-virtual call
      std::vector<uint32_t> words{in.u8() % 12u, in.u8() % 8u, in.u8(), in.u8() % 8u, in.u16()};
      for (size_t i = 0; i < words.size(); ++i) b.machines[vm].store(kSlots + 4 * i, words[i]);
      if (words[0] == 7) b.machines[vm].store<uint32_t>(kSlots + 4, uint32_t{0x1000} << (in.u8() % 8));
      for (size_t i = 2; i < 6; ++i) {
        if (words[0] >= 2 && words[0] <= 4) b.machines[vm].store(kSlots + 8 * i, entry(in));
      }
      gpu.bar_write(4, 0xc, 4, 0);
      break;
    }
    case 14:
      (void)gpu.bar_read(in.u8() & 3, in.u32() % 0x8000000, in.width());
      break;
    default:
      if (in.u8() == 0) {
        b.hv->teardown(vm);
      } else {
        gpu.advance(in.u16());
      }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteSource in(data, size);
  static constexpr Mode kModes[] = {Mode::kNaive, Mode::kLazy, Mode::kIncremental, Mode::kPv};
  HypervisorConfig config = VmBench::config(kModes[in.u8() % 4], kVms);
  config.guest.vram_bytes = uint64_t{16} << 20;
  config.reserve_bytes = uint64_t{4} << 20;
  config.guest_ram_bytes = kSlots + pv::kSlotAreaBytes;
  VmBench b(config);
  for (unsigned vm = 0; vm < kVms; ++vm) {
    b.reg(vm, 0x2254, 1u << 28 | VmBench::kUserdVa >> 12);
    b.vm(vm).bar_write(4, 4, 4, kSlots);
    (void)b.vm(vm).bar_read(4, 0, 4);
  }
  for (unsigned i = 0; i < kMaxOperations && !in.empty(); ++i) {
    operate(b, in);
    if (i % 32 == 31) check_all(b);
  }
  check_all(b);
  return 0;
}
