// Asks for as much as a guest can, of each kind of work in turn: meant for --guests 2, beside a guest that
// copies and must not be kept waiting. What it does is allowed, so in the end its own GPU works as before.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "tracer/guest_program/bar0.h"
#include "tracer/guest_program/client_workloads.h"
#include "tracer/guest_program/drm.h"
#include "tracer/guest_program/push.h"

namespace gpuvm::guest {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kEach{1500};

// Sources: envytools fifo/gf100_pfifo.xml, memory/gf100_pffb.xml; nouveau nvkm/subdev/mmu/vmmgf100.c.
constexpr uint64_t kRunlist = 0x2274, kRunlistInterrupt = 0x2a00, kChannelTable = 0x3000;
constexpr uint64_t kFlushDirectory = 0x100cb8, kFlush = 0x100cbc;
constexpr uint32_t kFlushEverything = 0x80000007;
constexpr uint64_t kDirectoryInInstance = 0x200;
constexpr unsigned kChannels = 16;

// `attack` again and again; how often.
template <typename Attack>
uint64_t repeat(Attack attack) {
  uint64_t times = 0;
  for (const auto end = SteadyClock::now() + kEach; SteadyClock::now() < end; ++times) attack();
  return times;
}

// Push data that M2MF scatters into guest memory, a byte a page, and copies that are large.
Result<uint64_t> flood_doorbells() {
  GPUVM_TRY(const Device device, Device::open());
  GPUVM_TRY(Channel channel, Channel::create(device));
  GPUVM_TRY_STATUS(channel.create_object(kM2mf.class_id));
  GPUVM_TRY_STATUS(channel.create_object(kCopy.class_id));
  constexpr uint64_t kPages = 64, kBig = 4 << 20;
  GPUVM_TRY(const Buffer ram, Buffer::create(device, kPages * 4096, Domain::kGart));
  GPUVM_TRY(const Buffer vram, Buffer::create(device, kBig, Domain::kVram, /*cpu_mapped=*/false));
  const uint64_t to = ram.gpu_address();
  Push push;
  push.bind(kM2mf).bind(kCopy);
  for (unsigned i = 0; i < 16; ++i) {
    push.methods(kM2mf.subchannel, 0x238, {static_cast<uint32_t>(to >> 32), static_cast<uint32_t>(to)})
        .methods(kM2mf.subchannel, 0x318, {4096, 1, kPages})
        .methods(kM2mf.subchannel, 0x300, {0x111});
    for (unsigned word = 0; word < kPages / 4; ++word) push.methods(kM2mf.subchannel, 0x304, {0x41414141});
    push.copy(kCopy, vram.gpu_address(), vram.gpu_address(), kBig);
  }
  const Buffer* used[] = {&ram, &vram};
  Status status = Ok{};
  const uint64_t times = repeat([&] {
    if (status) status = channel.submit(push.words(), used);
  });
  GPUVM_TRY_STATUS(status);
  GPUVM_TRY_STATUS(channel.wait());
  return times;
}

uint64_t flood_rebuilds(const Registers& registers) {
  return repeat([&] {
    registers.write(kFlushDirectory, 0);
    registers.write(kFlush, kFlushEverything);
  });
}

// The page directory of a channel's instance block goes away and comes back.
Result<uint64_t> flood_page_tables(const Registers& registers) {
  const uint32_t window = registers.read(Registers::kPraminBase);
  uint64_t instance = 0;
  for (unsigned chid = 0; chid < kChannels && instance == 0; ++chid) {
    instance = uint64_t{registers.read(kChannelTable + 8 * chid) & 0x0fffffff} << 12;
  }
  if (instance == 0) return error("no channel is bound");
  const uint64_t at = instance + kDirectoryInInstance;
  registers.write(Registers::kPraminBase, static_cast<uint32_t>(at >> 16));
  volatile uint64_t* directory = registers.pramin() + (at & 0xffff) / 8;
  const uint64_t own = *directory;
  const uint64_t times = repeat([&] {
    *directory = 0;
    *directory = own;
  });
  registers.write(Registers::kPraminBase, window);
  return times;
}

// The card's message goes into the card's own BAR. Its driver hears nothing meanwhile.
Result<uint64_t> flood_messages(const Registers& registers) {
  GPUVM_TRY(const std::string folder, card_folder());
  UniqueFd config(::open((folder + "/config").c_str(), O_RDWR | O_CLOEXEC));
  uint8_t capability = 0, id = 0, bytes[2] = {};
  uint32_t bar0 = 0, before = 0;
  bool ok = config.valid() && pread(config.get(), &bar0, 4, 0x10) == 4 &&
            pread(config.get(), &capability, 1, 0x34) == 1;
  for (int i = 0; ok && i < 16 && capability != 0; ++i, capability = bytes[1]) {
    ok = pread(config.get(), bytes, 2, capability) == 2;
    if (ok && (id = bytes[0]) == 5) break;  // MSI
  }
  if (!ok || id != 5) return error("the card has no MSI capability");
  const uint32_t own = (bar0 & ~0xfu) + 0x1100;
  if (pread(config.get(), &before, 4, capability + 4) != 4 ||
      pwrite(config.get(), &own, 4, capability + 4) != 4)
    return error("the configuration space: {}", strerror(errno));
  const uint32_t runlist = registers.read(kRunlist);
  const uint64_t times = repeat([&] {
    registers.write(kRunlist, runlist);
    registers.write(kRunlistInterrupt, ~0u);
  });
  if (pwrite(config.get(), &before, 4, capability + 4) != 4) return error("config: {}", strerror(errno));
  registers.write(kRunlist, runlist);  // one that the driver hears
  return times;
}

uint64_t flood_marks(Reporter& reporter) {
  constexpr unsigned kAtOnce = 64;
  return kAtOnce * repeat([&] { reporter.flood_marks(kAtOnce); });
}

uint64_t flood_attachments(Reporter& reporter) {
  const std::string small(1000, 's'), large(2 << 20, 'l');
  for (int i = 0; i < 10; ++i) reporter.attach("large.txt", large);
  return repeat([&] { reporter.attach("small.txt", small); });
}

}  // namespace

Result<std::string> run_flooder(Reporter& reporter) {
  GPUVM_TRY(const Registers registers, Registers::open());
  GPUVM_TRY_STATUS(reporter.phase("doorbells"));
  GPUVM_TRY(const uint64_t doorbells, flood_doorbells());
  GPUVM_TRY_STATUS(reporter.phase("rebuilds"));
  const uint64_t rebuilds = flood_rebuilds(registers);
  GPUVM_TRY_STATUS(reporter.phase("page-tables"));
  GPUVM_TRY(const uint64_t tables, flood_page_tables(registers));
  GPUVM_TRY_STATUS(reporter.phase("marks"));
  const uint64_t marks = flood_marks(reporter);
  GPUVM_TRY_STATUS(reporter.phase("attachments"));
  const uint64_t attachments = flood_attachments(reporter);
  GPUVM_TRY_STATUS(reporter.phase("messages"));
  GPUVM_TRY(const uint64_t messages, flood_messages(registers));
  GPUVM_TRY_STATUS(reporter.phase("after"));
  GPUVM_TRY_STATUS(check_fresh_channel(6));
  return fmt::format(
      "{} submissions, {} rebuilds, {} page directories, {} marks, {} attachments, {} messages; the GPU "
      "works",
      doorbells, rebuilds, tables, marks, attachments, messages);
}

}  // namespace gpuvm::guest
