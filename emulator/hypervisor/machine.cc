#include "emulator/hypervisor/machine.h"

#include <algorithm>

namespace gpuvm {
namespace {

class BareCards : public Machine {
 public:
  explicit BareCards(const std::vector<MachineGuest>& guests) {
    for (const MachineGuest& g : guests)
      cards_.push_back(std::make_unique<Card>(g.card, *g.dma, *g.interrupts));
  }
  PciDevice& device(unsigned guest) override { return *cards_[guest]; }
  const RegisterFile& registers(unsigned guest) const override { return cards_[guest]->registers(); }
  uint64_t ignored_methods() const override {
    uint64_t sum = 0;
    for (const auto& card : cards_) sum += card->ignored_methods();
    return sum;
  }
  const GpuWork& work(unsigned guest) const override { return cards_[guest]->work(); }
  uint64_t charged_ns(unsigned guest) const override { return cards_[guest]->charged_ns(); }
  const Vram& vram(unsigned guest) const override { return cards_[guest]->vram(); }

 private:
  std::vector<std::unique_ptr<Card>> cards_;
};

template <typename Port>
std::vector<Port*> ports(const std::vector<MachineGuest>& guests, Port* MachineGuest::*member) {
  std::vector<Port*> all;
  for (const MachineGuest& g : guests) all.push_back(g.*member);
  return all;
}

class SharedCard : public Machine {
 public:
  SharedCard(const HypervisorConfig& config, const std::vector<MachineGuest>& guests)
      : hypervisor_(config, ports(guests, &MachineGuest::dma), ports(guests, &MachineGuest::interrupts)) {}
  PciDevice& device(unsigned guest) override { return hypervisor_.vm(guest); }
  const RegisterFile& registers(unsigned guest) const override { return hypervisor_.vm(guest).registers(); }
  Hypervisor* hypervisor() override { return &hypervisor_; }
  const SubmissionQueue* submissions() const override { return hypervisor_.submissions(); }
  uint64_t ignored_methods() const override { return hypervisor_.card().ignored_methods(); }
  const GpuWork& work(unsigned guest) const override {
    return hypervisor_.card().work(hypervisor_.partition(guest).slot);
  }
  uint64_t charged_ns(unsigned guest) const override {
    return hypervisor_.card().charged_ns(hypervisor_.partition(guest).slot);
  }
  const Vram& vram(unsigned) const override { return hypervisor_.card().vram(); }

 private:
  mutable Hypervisor hypervisor_;
};

}  // namespace

std::optional<ScheduleUsage> Machine::schedule_usage(unsigned guest) const {
  const SubmissionQueue* queue = submissions();
  if (queue == nullptr) return std::nullopt;
  const MachineUsage& usage = queue->scheduler().usage(guest);
  const UsageWindows& windows = queue->scheduler().windows();
  static_assert(UsageWindows::kWindowNs == ScheduleUsage::kWindowNs);
  ScheduleUsage out{.scheduler = std::string(traits_of(queue->options().kind).name),
                    .submissions = usage.submissions,
                    .finished = usage.finished,
                    .withdrawn = usage.withdrawn,
                    .joined = queue->joined(guest),
                    .gpu_ns = usage.gpu_ns,
                    .wait_ns = usage.wait_ns,
                    .longest_wait_ns = usage.longest_wait_ns,
                    .busy_ns = {}};
  for (size_t i = 0; i < std::min(windows.count(), ScheduleUsage::kMaxWindows); ++i)
    out.busy_ns.push_back(windows.busy_ns(guest, i));
  return out;
}

Result<std::unique_ptr<Machine>> make_machine(Mode mode, const std::vector<MachineGuest>& guests,
                                              TranslationPolicy translation,
                                              const std::optional<SchedulerOptions>& scheduler) {
  if (mode == Mode::kPassthrough && scheduler && scheduler->kind != SchedulerKind::kDirect) {
    return error(
        "scheduler {} needs a hypervisor that holds doorbells; take --mode naive, or another, instead of "
        "passthrough",
        traits_of(scheduler->kind).name);
  }
  if (mode == Mode::kPassthrough) return std::unique_ptr<Machine>(std::make_unique<BareCards>(guests));
  HypervisorConfig config;
  config.mode = mode;
  config.translation = translation;
  config.scheduler = scheduler;
  config.vms = static_cast<unsigned>(guests.size());
  config.guest = guests.at(0).card;
  uint64_t ram_bytes = 0;
  for (const MachineGuest& g : guests) {
    ram_bytes = g.ram_bytes == 0 ? config.guest_ram_bytes : std::max(ram_bytes, g.ram_bytes);
    if (g.card.vram_bytes != config.guest.vram_bytes || g.card.delay_ns != config.guest.delay_ns) {
      return error(
          "guests that share a card must have been given the same one: {} MiB of VRAM and a delay of {} ns "
          "are not {} MiB and {} ns; replay them one by one",
          g.card.vram_bytes >> 20, g.card.delay_ns, config.guest.vram_bytes >> 20, config.guest.delay_ns);
    }
  }
  config.guest_ram_bytes = std::min(ram_bytes, config.guest_ram_bytes);
  GPUVM_TRY_STATUS(check(config));
  return std::unique_ptr<Machine>(std::make_unique<SharedCard>(config, guests));
}

}  // namespace gpuvm
