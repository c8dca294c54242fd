// A hypervisor on a bench, and what drivers in its guests would do: everything goes through the guests' own
// devices.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "emulator/hypervisor/hypervisor.h"
#include "tests/support/gpu_bench.h"
#include "tests/support/test_machine.h"

namespace gpuvm::test {

class VmBench {
 public:
  static constexpr uint64_t kRam = uint64_t{1} << 20;
  static constexpr uint64_t kUserdVa = 0x10000;  // where guests put the poll area in BAR1

  static HypervisorConfig config(Mode mode, unsigned vms = 2,
                                 TranslationPolicy translation = TranslationPolicy::kStrict) {
    HypervisorConfig c;
    c.mode = mode;
    c.vms = vms;
    c.first_slot = 0;
    c.translation = translation;
    c.guest.vram_bytes = uint64_t{64} << 20;
    c.guest_ram_bytes = kRam;
    c.reserve_bytes = uint64_t{32} << 20;
    return c;
  }
  explicit VmBench(const HypervisorConfig& c) {
    std::vector<DmaPort*> ports;
    std::vector<InterruptSink*> sinks;
    for (unsigned i = 0; i < c.vms; ++i) {
      TestMachine& m = machines.emplace_back(kRam + pv::kSlotAreaBytes);
      ports.push_back(&m);
      sinks.push_back(&m);
    }
    hv = std::make_unique<Hypervisor>(c, ports, sinks);
    next_.assign(c.vms, 0x100000);
  }

  VirtualGpu& vm(unsigned i) { return hv->vm(i); }
  Vram& card_vram() { return hv->card().vram(); }
  uint64_t base(unsigned i) { return hv->partition(i).vram_base; }
  uint32_t card_reg(uint32_t offset) { return static_cast<uint32_t>(hv->card().bar_read(0, offset, 4)); }

  uint32_t reg(unsigned i, uint32_t offset) { return static_cast<uint32_t>(vm(i).bar_read(0, offset, 4)); }
  void reg(unsigned i, uint32_t offset, uint32_t value) { vm(i).bar_write(0, offset, 4, value); }
  // Guest VRAM through PRAMIN, as a driver gets at it before BAR3 is up.
  void store(unsigned i, uint64_t address, uint64_t value, unsigned width = 8) {
    reg(i, 0x1700, static_cast<uint32_t>(address >> 16));
    vm(i).bar_write(0, 0x700000 + (address & 0xffff), width, value);
  }
  uint64_t load(unsigned i, uint64_t address, unsigned width = 8) {
    reg(i, 0x1700, static_cast<uint32_t>(address >> 16));
    return vm(i).bar_read(0, 0x700000 + (address & 0xffff), width);
  }
  uint64_t allocate(unsigned i, uint64_t bytes) { return std::exchange(next_[i], next_[i] + bytes); }

  struct Space {
    uint64_t instance = 0;
    uint64_t directory = 0;
  };
  Space make_space(unsigned i, uint64_t limit = 0xffffffffff) {
    const Space s{allocate(i, 0x1000), allocate(i, 0x10000)};
    point(i, s.instance, s.directory, limit);
    return s;
  }
  void point(unsigned i, uint64_t instance, uint64_t directory, uint64_t limit = 0xffffffffff) {
    store(i, instance + 0x200, directory);
    store(i, instance + 0x208, limit);
  }
  uint64_t small_table(unsigned i, const Space& s, uint64_t va) {
    const uint64_t slot = s.directory + 8 * (va >> 27);
    const uint64_t pde = load(i, slot);
    if ((pde >> 32 & 3) != 0) return pde >> 36 << 12;
    const uint64_t table = allocate(i, 0x40000);
    store(i, slot, pde | uint64_t{1} << 32 | (table >> 12) << 36);
    return table;
  }
  void set_pte(unsigned i, const Space& s, uint64_t va, uint64_t raw) {
    store(i, small_table(i, s, va) + 8 * ((va & 0x7ffffff) >> 12), raw);
  }
  void map(unsigned i, const Space& s, uint64_t va, uint64_t address, Target target = Target::kVram) {
    set_pte(i, s, va, pte(address, target));
  }
  void flush(unsigned i, const Space& s, uint32_t type = 1) {
    reg(i, 0x100cb8, static_cast<uint32_t>(s.directory >> 8));
    reg(i, 0x100cbc, 0x80000000 | type);
  }
  void bind(unsigned i, unsigned chid, uint64_t instance) {
    reg(i, 0x3000 + 8 * chid, 0xc0000000 | static_cast<uint32_t>(instance >> 12));
  }
  // BAR1 maps the poll area onto `userd` pages of the guest's VRAM.
  uint64_t set_up_bar1(unsigned i, unsigned channels = 8) {
    bar1_ = make_space(i, 0x7ffffff);
    const uint64_t userd = allocate(i, uint64_t{channels} * 0x1000);
    for (unsigned c = 0; c < channels; ++c) map(i, bar1_, kUserdVa + c * 0x1000, userd + c * 0x1000);
    reg(i, 0x1704, 0x80000000 | static_cast<uint32_t>(bar1_.instance >> 12));
    reg(i, 0x2254, 1u << 28 | kUserdVa >> 12);
    flush(i, bar1_, 5);
    return userd;
  }
  Space set_up_bar3(unsigned i) {
    const Space s = make_space(i, 0x3ffffff);
    reg(i, 0x1714, 0xc0000000 | static_cast<uint32_t>(s.instance >> 12));
    return s;
  }
  void doorbell(unsigned i, unsigned chid, uint32_t put) {
    vm(i).bar_write(1, kUserdVa + uint64_t{chid} * 0x1000 + 0x8c, 4, put);
  }

  // A channel that can be given work, everything of it in the guest's VRAM: ring, commands, a page for
  // results.
  static constexpr uint64_t kIbVa = 0x1000000, kPushVa = 0x2000000, kDataVa = 0x3000000;
  struct Ring {
    unsigned vm = 0;
    unsigned chid = 0;
    Space space;
    uint64_t ib = 0;
    uint64_t push = 0;
    uint64_t data = 0;
    uint32_t put = 0;
    uint64_t used = 0;
  };
  // `userd`: what set_up_bar1 returned.
  Ring make_ring(unsigned i, unsigned chid, uint64_t userd) {
    Ring r{.vm = i, .chid = chid, .space = make_space(i)};
    r.ib = allocate(i, 0x2000);
    r.push = allocate(i, 0x1000);
    r.data = allocate(i, 0x1000);
    for (uint64_t at = 0; at < 0x2000; at += 0x1000) map(i, r.space, kIbVa + at, r.ib + at);
    map(i, r.space, kPushVa, r.push);
    map(i, r.space, kDataVa, r.data);
    store(i, r.space.instance + 0x08, userd + uint64_t{chid} * 0x1000);
    store(i, r.space.instance + 0x48, kIbVa | uint64_t{10} << 48);
    bind(i, chid, r.space.instance);
    reg(i, 0x3004 + 8 * chid, 1);
    store(i, 0x8000, chid | uint64_t{4} << 32);
    reg(i, 0x2270, 0x8);
    reg(i, 0x2274, 0x01f00001);
    return r;
  }
  void queue(Ring& r, const std::vector<uint32_t>& words) {
    for (size_t n = 0; n < words.size(); ++n) store(r.vm, r.push + r.used + 4 * n, words[n], 4);
    queue_entry(r, kPushVa + r.used, static_cast<uint32_t>(words.size()));
    r.used += 4 * words.size();
  }
  void queue_entry(Ring& r, uint64_t va, uint32_t dwords) {
    store(r.vm, r.ib + 8 * uint64_t{r.put}, va | uint64_t{dwords} << 42);
    r.put = (r.put + 1) % 1024;
  }
  void run(const Ring& r) { doorbell(r.vm, r.chid, r.put); }
  static std::vector<uint32_t> semaphore(uint64_t va, uint32_t payload, uint32_t operation) {
    return {increasing(0, 0x10, 4), static_cast<uint32_t>(va >> 32), static_cast<uint32_t>(va), payload,
            operation};
  }

  // The card's side.
  unsigned card_channel(unsigned i, unsigned chid) { return hv->partition(i).first_channel + chid; }
  uint64_t shadow_instance(unsigned i, unsigned chid) {
    return uint64_t{card_reg(0x3000 + 8 * card_channel(i, chid)) & 0x0fffffff} << 12;
  }
  AddressSpace shadow(unsigned i, unsigned chid) {
    return address_space_of(hv->card().memory(), Aperture::kVram, shadow_instance(i, chid), {});
  }
  Translation walk(unsigned i, unsigned chid, uint64_t va) {
    return translate(hv->card().memory(), shadow(i, chid), va);
  }

  std::deque<TestMachine> machines;
  std::unique_ptr<Hypervisor> hv;

 private:
  std::vector<uint64_t> next_;
  Space bar1_;
};

}  // namespace gpuvm::test
