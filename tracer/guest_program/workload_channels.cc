// Several clients with several channels each, all with work at the same time.
#include <deque>

#include "tracer/guest_program/client_workloads.h"
#include "tracer/guest_program/drm.h"
#include "tracer/guest_program/pattern.h"
#include "tracer/guest_program/push.h"

namespace gpuvm::guest {
namespace {

constexpr unsigned kClients = 3;
constexpr unsigned kChannelsPerClient = 3;
constexpr unsigned kRounds = 4;
constexpr uint64_t kBytes = 32 << 10;

// One channel with its buffers. Clients have address spaces of their own, so their buffers may well have the
// same GPU addresses: a copy in the wrong space shows as another one's seed.
struct Worker {
  Channel channel;
  Buffer in, vram, out;
  uint32_t seed;

  static Result<Worker> create(const Device& device, uint32_t seed) {
    GPUVM_TRY(Channel channel, Channel::create(device));
    GPUVM_TRY_STATUS(channel.create_object(kCopy.class_id));
    GPUVM_TRY_STATUS(channel.create_object(kM2mf.class_id));
    GPUVM_TRY(Buffer in, Buffer::create(device, kBytes, Domain::kGart));
    GPUVM_TRY(Buffer vram, Buffer::create(device, kBytes, Domain::kVram, /*cpu_mapped=*/false));
    GPUVM_TRY(Buffer out, Buffer::create(device, kBytes, Domain::kGart));
    fill(in.words<uint64_t>(), seed);
    return Worker{std::move(channel), std::move(in), std::move(vram), std::move(out), seed};
  }

  Status submit(unsigned round) {
    // A quarter of the buffer a round, up with one engine and down with the other, no waiting in between.
    const uint64_t at = round * (kBytes / kRounds), bytes = kBytes / kRounds;
    const bool swap = (seed + round) % 2 != 0;
    Push push;
    push.bind(kCopy)
        .bind(kM2mf)
        .copy(swap ? kCopy : kM2mf, vram.gpu_address() + at, in.gpu_address() + at, bytes)
        .copy(swap ? kM2mf : kCopy, out.gpu_address() + at, vram.gpu_address() + at, bytes);
    const Buffer* used[] = {&in, &vram, &out};
    return channel.submit(push.words(), used);
  }

  Status check() {
    GPUVM_TRY_STATUS(out.wait());
    return verify(out.words<uint64_t>(), fmt::format("channel {} with seed {}", channel.id(), seed), seed);
  }
};

}  // namespace

Result<std::string> run_channels(Reporter& reporter) {
  GPUVM_TRY_STATUS(reporter.phase("init"));
  {
    std::deque<Device> devices;
    std::deque<Worker> workers;
    for (unsigned client = 0; client < kClients; ++client) {
      GPUVM_TRY(Device device, Device::open());
      devices.push_back(std::move(device));
      for (unsigned i = 0; i < kChannelsPerClient; ++i) {
        GPUVM_TRY(Worker worker, Worker::create(devices.back(), 100 + client * kChannelsPerClient + i));
        workers.push_back(std::move(worker));
      }
    }
    GPUVM_TRY_STATUS(reporter.phase("launch"));
    for (unsigned round = 0; round < kRounds; ++round)
      for (Worker& worker : workers) GPUVM_TRY_STATUS(worker.submit(round));
    GPUVM_TRY_STATUS(reporter.phase("DtoH"));
    for (Worker& worker : workers) GPUVM_TRY_STATUS(worker.check());
    GPUVM_TRY_STATUS(reporter.phase("close"));
  }
  return fmt::format("{} clients with {} channels each, all {} bytes verified", kClients, kChannelsPerClient,
                     kClients * kChannelsPerClient * kBytes);
}

}  // namespace gpuvm::guest
