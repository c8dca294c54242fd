// Any bytes as what one to three guests do to their virtual GPUs, in any mode: register writes, stores
// through every window, forged instance blocks and page tables, bindings, flushes, doorbells, work,
// para-virtual calls, departures. An operation is one of those. Under the strict policy two things hold:
// whatever the card may walk or use for a guest is that guest's (isolation_check.h), and at every use point
// the shadow is what the policy makes of the guest's own tables (replayer/oracle.h). The reference policy
// promises neither, only not to crash.
#include "replayer/use_point_check.h"
#include "tests/fuzz/hostile_guest.h"
#include "tests/fuzz/isolation_check.h"
#include "tests/support/operation_cost.h"
#include "tests/support/operation_count.h"
#include "tests/support/space_user.h"

namespace {

using namespace gpuvm;
using namespace gpuvm::test;

constexpr unsigned kMaxOperations = 4000;
constexpr unsigned kOperationsPerCheck = 8;
constexpr uint64_t kDearestStepNs =
    2 * 4096 * (kCostOfTransfer + 4);  // the longest list of channels, in guest memory

// The oracle. A guest that has used up its reserve lacks whole regions of its shadows, by design; what it has
// must be right.
class Witness : public UsePointCheck {
 public:
  explicit Witness(VmBench& bench) : UsePointCheck(bench.card_vram(), watched(bench)), b_(bench) {}
  void on_use(const UsePoint& use) override {
    const uint64_t violations = result_.oracle_violations;
    UsePointCheck::on_use(use);
    if (result_.oracle_violations == violations) return;
    std::fprintf(stderr, "vm %u %s use %d: directory %#llx limit %#llx of the guest, %#llx of the card\n",
                 use.vm, describe(use.user).c_str(), static_cast<int>(use.kind),
                 static_cast<unsigned long long>(use.guest.directory),
                 static_cast<unsigned long long>(use.guest.limit),
                 static_cast<unsigned long long>(use.shadow.directory));
    require(false, "a shadow is what the policy makes of the guest's tables");
  }

 protected:
  bool may_lack(unsigned vm) const override { return b_.vm(vm).ran_out_of_shadow_pages(); }

 private:
  std::vector<Vm> watched(VmBench& bench) {
    std::vector<Vm> result;
    for (unsigned vm = 0; vm < bench.hv->vms(); ++vm)
      result.push_back({bench.hv->partition(vm), &result_, report});
    return result;
  }
  static void report(const Divergence& d) {
    std::fprintf(stderr, "address %#llx: expected %#llx, got %#llx\n",
                 static_cast<unsigned long long>(d.offset), static_cast<unsigned long long>(d.expected),
                 static_cast<unsigned long long>(d.got));
  }

  VmBench& b_;
  ModeResult result_;
};

HypervisorConfig configuration(ByteSource& in) {
  const uint8_t mode = in.u8();
  const uint8_t shape = in.u8();
  const auto policy = (mode & 0x70) == 0x70 ? TranslationPolicy::kReference : TranslationPolicy::kStrict;
  HypervisorConfig config =
      VmBench::config(all_modes()[1 + mode % (all_modes().size() - 1)].mode, 1 + shape % 3, policy);
  config.first_slot = shape >> 4 & 1;
  config.guest.vram_bytes = uint64_t{16} << 20;
  config.reserve_bytes = uint64_t{4} << (20 + (shape >> 5 & 2));
  config.guest_ram_bytes = VmBench::kRam + pv::kSlotAreaBytes;
  return config;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  ByteSource in(data, size);
  const HypervisorConfig config = configuration(in);
  const bool strict = config.translation == TranslationPolicy::kStrict;
  VmBench b(config);
  Witness witness(b);
  if (strict && !policy_of(config.mode).para_virtual) b.hv->set_observer(&witness);
  std::vector<HostileGuest> guests;
  for (unsigned vm = 0; vm < config.vms; ++vm) {
    // Comparing tables of different page sizes is slow: not in all inputs.
    guests.emplace_back(b, vm, (data[1] & 0xc) == 0xc,
                        [&witness, vm](auto directory) { witness.flushed(vm, directory); });
    guests.back().set_up();
  }
  IsolationCheck isolation(b, (config.first_slot + config.vms) * config.guest.vram_bytes);
  unsigned done = 0;
  for (; done < kMaxOperations && !in.empty(); ++done) {
    const uint8_t op = in.u8();
    const unsigned vm = (op >> 5) % config.vms;
    const uint64_t cost_before = b.hv->card().memory().cost(), time_before = b.hv->card().now_ns();
    const OperationCost cost;
    guests[vm].act(op, in);
    cost.require_within(kOneOperation);
    // Each guest's savings, what time has paid for, and a step that may go beyond.
    require(
        b.hv->card().memory().cost() - cost_before <=
            config.vms * (WorkAccount::kBurstNs + (b.hv->card().now_ns() - time_before) / 2 + kDearestStepNs),
        "an operation did more than was paid for");
    isolation.acted(vm);
    if (strict && done % kOperationsPerCheck == 0) isolation.run();
  }
  if (strict) isolation.run();
  OperationCount::add(done);
  return 0;
}
