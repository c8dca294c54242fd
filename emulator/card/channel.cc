#include "emulator/card/channel.h"

#include <algorithm>

namespace gpuvm {
namespace {

// Largest indirect buffer: RAMFC's order field is 16 bits wide, and hostile.
constexpr uint32_t kMaxIbOrder = 16;
constexpr uint32_t kFetchBytes = 4096;

// Host methods, below 0x100 on every subchannel (cl906f.h).
constexpr uint32_t kSetObject = 0x00;
constexpr uint32_t kSemaphoreA = 0x10;
constexpr uint32_t kSemaphoreD = 0x1c;
constexpr uint32_t kNonStallInterrupt = 0x20;
constexpr uint32_t kFirstEngineMethod = 0x100;

constexpr uint32_t kAcquireEqual = 1;
constexpr uint32_t kRelease = 2;
constexpr uint32_t kAcquireGreaterEqual = 4;
constexpr uint32_t kAcquireAnd = 8;
constexpr uint32_t kReleaseShort = 1u << 24;

}  // namespace

Channel::Channel(unsigned chid, uint32_t instance_pointer, PhysicalMemory& memory)
    : chid_(chid), instance_pointer_(instance_pointer) {
  const uint64_t instance = fermi::instance_address(instance_pointer);
  const Aperture aperture = fermi::instance_aperture(instance_pointer);
  const uint64_t userd = memory.read(aperture, instance + fermi::kRamfcUserdLow, 8);
  userd_aperture_ = fermi::block_aperture(userd);
  userd_ = fermi::block_address(userd);
  const uint64_t ib = memory.read(aperture, instance + fermi::kRamfcIbLow, 8);
  ib_va_ = ib & fermi::kVaMask & ~uint64_t{7};
  ib_mask_ = (1u << std::min<uint32_t>((ib >> 48) & 0x1f, kMaxIbOrder)) - 1;
}

Channel::Outcome Channel::run(const Services& services, fermi::Geometry geometry, uint64_t now_ns,
                              uint64_t budget_ns) {
  services_ = &services;
  now_ns_ = now_ns;
  limit_ = services.memory.cost() + budget_ns;
  services.memory.charge(kCostOfRun);
  // The directory may have been replaced since the channel was bound; hardware reloads it at a channel
  // switch.
  space_ = address_space_of(services.memory, fermi::instance_aperture(instance_pointer_),
                            fermi::instance_address(instance_pointer_), geometry);
  began_ = services.memory.cost();
  Outcome outcome = Outcome::kIdle;
  while (!dead_) {
    if (services.memory.cost() >= limit_) {
      outcome = Outcome::kMore;
      break;
    }
    if (next_word_ == fetched_.size()) {
      fetched_.clear();
      next_word_ = 0;
      if (segment_dwords_ != 0) {
        if (!fetch_words()) break;
      } else if (ib_get_ == ib_put_ || !fetch_entry()) {
        break;
      }
      continue;
    }
    const Step step = execute(fetched_[next_word_]);
    if (step == Step::kWaiting) {
      outcome = Outcome::kWaiting;
      break;
    }
    if (step == Step::kAgain) {
      outcome = Outcome::kMore;
      break;
    }
    if (step == Step::kFault) break;
    ++next_word_;
  }
  publish();
  services_ = nullptr;
  return dead_ ? Outcome::kDead : outcome;
}

bool Channel::fetch_entry() {
  uint64_t entry = 0;
  GpuMemory memory(services_->memory);
  const uint64_t va = ib_va_ + 8 * uint64_t{ib_get_};
  if (auto fault = memory.read(space_, va, std::as_writable_bytes(std::span(&entry, 1)))) {
    fail(*fault, kFaultHost);
    return false;
  }
  segment_va_ = entry & fermi::kVaMask & ~uint64_t{3};
  segment_dwords_ = (entry >> 42) & 0x1fffff;
  ib_get_ = (ib_get_ + 1) & ib_mask_;
  services_->memory.charge(kCostOfDword);
  return true;
}

bool Channel::fetch_words() {
  const uint64_t to_block_end = (kFetchBytes - segment_va_ % kFetchBytes) / 4;
  const auto dwords = static_cast<uint32_t>(std::min<uint64_t>(segment_dwords_, to_block_end));
  fetched_.resize(dwords);
  GpuMemory memory(services_->memory);
  if (auto fault = memory.read(space_, segment_va_, std::as_writable_bytes(std::span(fetched_)))) {
    fetched_.clear();
    fail(*fault, kFaultHost);
    return false;
  }
  segment_va_ += 4 * uint64_t{dwords};
  segment_dwords_ -= dwords;
  services_->memory.charge(kCostOfDword * dwords);
  return true;
}

Channel::Step Channel::execute(uint32_t word) {
  if (method_count_ != 0) {
    const Step step = method(method_subchannel_, method_, word);
    if (step != Step::kDone) return step;
    --method_count_;
    if (increment_ == Increment::kAll) method_ += 4;
    if (increment_ == Increment::kOnce) {
      method_ += 4;
      increment_ = Increment::kNone;
    }
    return Step::kDone;
  }
  const uint32_t count = (word >> 16) & 0x1fff;
  method_subchannel_ = (word >> 13) & 7;
  method_ = (word & 0xfff) << 2;
  switch (word >> 29) {
    case 0:
      // The old form: count in 28:18, method in 12:2 (the zero word is a NOP).
      if (((word >> 16) & 3) == 0) {
        method_count_ = (word >> 18) & 0x7ff;
        method_ = word & 0x1ffc;
        increment_ = Increment::kAll;
      }
      return Step::kDone;
    case 1:
      increment_ = Increment::kAll;
      break;
    case 2:
      method_count_ = (word >> 18) & 0x7ff;
      method_ = word & 0x1ffc;
      increment_ = Increment::kNone;
      return Step::kDone;
    case 3:
      increment_ = Increment::kNone;
      break;
    case 4:
      return method(method_subchannel_, method_, count);
    case 5:
      increment_ = Increment::kOnce;
      break;
    case 7:
      // End of segment: the rest of this push buffer is not executed.
      segment_dwords_ = 0;
      next_word_ = fetched_.size() - 1;
      return Step::kDone;
    default:
      return Step::kDone;
  }
  method_count_ = count;
  return Step::kDone;
}

Channel::Step Channel::method(unsigned subchannel, uint32_t method, uint32_t value) {
  Subchannel& target = subchannels_[subchannel];
  if (method == kSetObject) {
    target.type = find_engine_class(value & 0xffff);
    services_->memory.charge(kCostOfObject);
    target.object = target.type != nullptr ? target.type->make(parts_) : nullptr;
    if (target.type == nullptr) ++ignored_methods_;
    return Step::kDone;
  }
  if (method < kFirstEngineMethod) {
    if (method >= kSemaphoreA && method < kSemaphoreD) semaphore_[(method - kSemaphoreA) / 4] = value;
    if (method == kSemaphoreD) return semaphore(value);
    if (method == kNonStallInterrupt) {
      if (too_early()) return Step::kAgain;
      services_->memory.charge(kCostOfAccess);
      services_->events.nonstall(chid_);
    }
    return Step::kDone;
  }
  if (target.object == nullptr) {
    ++ignored_methods_;
    return Step::kDone;
  }
  GpuMemory memory(services_->memory);
  MethodContext context{memory, space_, now_ns_, services_->memory.cost(), limit_, services_->work};
  if (auto fault = target.object->method(context, method, value)) {
    fail(*fault, target.type->fault);
    return Step::kFault;
  }
  return context.again ? Step::kAgain : Step::kDone;
}

Channel::Step Channel::semaphore(uint32_t operation) {
  const uint64_t va = (uint64_t{semaphore_[0] & 0xff} << 32 | semaphore_[1]) & ~uint64_t{3};
  const uint32_t payload = semaphore_[2];
  if ((operation & 0xf) == kRelease && too_early()) return Step::kAgain;
  services_->memory.charge(kCostOfAccess);
  GpuMemory memory(services_->memory);
  if ((operation & 0xf) == kRelease) {
    const std::array<uint32_t, 4> words{payload, 0, static_cast<uint32_t>(now_ns_),
                                        static_cast<uint32_t>(now_ns_ >> 32)};
    const auto bytes = std::as_bytes(std::span(words)).first((operation & kReleaseShort) != 0 ? 4 : 16);
    if (auto fault = memory.write(space_, va, bytes)) {
      fail(*fault, kFaultHost);
      return Step::kFault;
    }
    return Step::kDone;
  }
  uint32_t current = 0;
  if (auto fault = memory.read(space_, va, std::as_writable_bytes(std::span(&current, 1)))) {
    fail(*fault, kFaultHost);
    return Step::kFault;
  }
  bool holds = true;
  switch (operation & 0xf) {
    case kAcquireEqual:
      holds = current == payload;
      break;
    case kAcquireGreaterEqual:
      holds = static_cast<int32_t>(current - payload) >= 0;
      break;
    case kAcquireAnd:
      holds = (current & payload) != 0;
      break;
    default:
      break;
  }
  return holds ? Step::kDone : Step::kWaiting;
}

// Has this run done anything yet whose time has to pass first? Fetching and a few small things do not count.
bool Channel::too_early() const {
  constexpr uint64_t kNothing = 4'000;
  return services_->in_time && services_->memory.cost() - began_ > kNothing;
}

void Channel::fail(const MmuFault& fault, FaultUnit unit) {
  dead_ = true;
  services_->events.mmu_fault({chid_, instance_pointer_, unit, fault});
}

void Channel::publish() {
  PhysicalMemory& memory = services_->memory;
  // Past the last dword executed: nouveau's READ_GET wants a value inside its ring (nouveau_dma.c).
  const uint64_t get = segment_va_ - 4 * (fetched_.size() - next_word_);
  memory.write(userd_aperture_, userd_ + fermi::kUserdDmaGet, 4, get & 0xffffffff);
  memory.write(userd_aperture_, userd_ + fermi::kUserdDmaGetHigh, 4, get >> 32);
  memory.write(userd_aperture_, userd_ + fermi::kUserdIbGet, 4, ib_get_);
}

}  // namespace gpuvm
