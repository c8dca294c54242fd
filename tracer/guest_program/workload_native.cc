// NOP, LOOP, CPY and PINCPY: the benchmarks of the GPUvm and Gdev papers that compute nothing, as push
// buffers on the copy engine. How long a launch is on the card is set by how many bytes it moves within VRAM.
#include <algorithm>
#include <cstdlib>

#include "tracer/guest_program/client_workloads.h"
#include "tracer/guest_program/drm.h"
#include "tracer/guest_program/pattern.h"
#include "tracer/guest_program/push.h"

namespace gpuvm::guest {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint32_t kIn = 21, kUntouched = 22;  // pattern seeds

struct Client {
  Device device;
  Channel channel;

  static Result<Client> open() {
    GPUVM_TRY(Device device, Device::open());
    GPUVM_TRY(Channel channel, Channel::create(device));
    GPUVM_TRY_STATUS(channel.create_object(kCopy.class_id));
    return Client{std::move(device), std::move(channel)};
  }
  Status run(const Push& push, std::span<const Buffer* const> used) {
    GPUVM_TRY_STATUS(channel.submit(push.words(), used));
    return channel.wait();
  }
};

// An empty launch: a push buffer with a semaphore, and its fence.
Result<std::string> nop(Client& client, Reporter& reporter, unsigned scale) {
  GPUVM_TRY(const Buffer semaphore, Buffer::create(client.device, 4096, Domain::kGart));
  GPUVM_TRY_STATUS(reporter.phase("launch"));
  for (uint32_t i = 1; i <= scale; ++i) {
    Push push;
    push.bind(kCopy).release_semaphore(semaphore.gpu_address(), i);
    const Buffer* used[] = {&semaphore};
    GPUVM_TRY_STATUS(client.run(push, used));
    if (semaphore.words<uint32_t>()[0] != i) return error("the launch's semaphore was not released");
  }
  return fmt::format("{} empty launches, each with its semaphore", scale);
}

// Launches without data: each moves the same MiB forth and back within VRAM, five times.
Result<std::string> loop(Client& client, Reporter& reporter, unsigned scale) {
  constexpr unsigned kLaunches = 20, kRounds = 5;
  constexpr uint64_t kBytes = kMiB / 2;
  GPUVM_TRY(const Buffer a, Buffer::create(client.device, kBytes, Domain::kVram, /*cpu_mapped=*/false));
  GPUVM_TRY(const Buffer b, Buffer::create(client.device, kBytes, Domain::kVram, /*cpu_mapped=*/false));
  GPUVM_TRY_STATUS(reporter.phase("launch"));
  const Buffer* used[] = {&a, &b};
  Push push;
  push.bind(kCopy);
  for (unsigned round = 0; round < kRounds; ++round) {
    push.copy(kCopy, b.gpu_address(), a.gpu_address(), kBytes)
        .copy(kCopy, a.gpu_address(), b.gpu_address(), kBytes);
  }
  for (unsigned i = 0; i < kLaunches * scale; ++i) GPUVM_TRY_STATUS(client.run(push, used));
  return fmt::format("{} launches of {} MiB moved within VRAM", kLaunches * scale, kRounds);
}

// Bytes into VRAM and back. `piece`: how many at a time go through the buffer that the card can reach.
Result<std::string> copy_through(Client& client, Reporter& reporter, unsigned scale, uint64_t piece) {
  const uint64_t bytes = 4 * kMiB * scale;
  GPUVM_TRY(const Buffer vram, Buffer::create(client.device, bytes, Domain::kVram, /*cpu_mapped=*/false));
  GPUVM_TRY(const Buffer ram, Buffer::create(client.device, piece, Domain::kGart));
  const Buffer* used[] = {&vram, &ram};
  GPUVM_TRY_STATUS(reporter.phase("HtoD"));
  for (uint64_t at = 0; at < bytes; at += piece) {
    fill(ram.words<uint64_t>(), kIn + static_cast<uint32_t>(at / piece), page_word);
    Push push;
    push.bind(kCopy).copy(kCopy, vram.gpu_address() + at, ram.gpu_address(), piece);
    GPUVM_TRY_STATUS(client.run(push, used));
  }
  GPUVM_TRY_STATUS(reporter.phase("DtoH"));
  for (uint64_t at = 0; at < bytes; at += piece) {
    if (at == 0) fill(ram.words<uint64_t>(), kUntouched, page_word);
    Push push;
    push.bind(kCopy).copy(kCopy, ram.gpu_address(), vram.gpu_address() + at, piece);
    GPUVM_TRY_STATUS(client.run(push, used));
    GPUVM_TRY_STATUS(verify(ram.words<uint64_t>(), "RAM to VRAM to RAM",
                            kIn + static_cast<uint32_t>(at / piece), page_word));
  }
  return fmt::format("all {} bytes verified", bytes);
}

Result<std::string> cpy(Client& client, Reporter& reporter, unsigned scale) {
  return copy_through(client, reporter, scale, 256 << 10);
}
Result<std::string> pincpy(Client& client, Reporter& reporter, unsigned scale) {
  return copy_through(client, reporter, scale, 4 * kMiB * scale);
}

using Body = Result<std::string> (*)(Client&, Reporter&, unsigned scale);

unsigned scale_of_environment() {
  const char* text = std::getenv(kScaleVariable);
  return static_cast<unsigned>(std::max(text != nullptr ? std::atoi(text) : 1, 1));
}

Result<std::string> in_phases(Body body, Reporter& reporter) {
  const unsigned scale = scale_of_environment();
  GPUVM_TRY_STATUS(reporter.phase("init"));
  std::string did;
  {
    GPUVM_TRY(Client client, Client::open());
    GPUVM_TRY(did, body(client, reporter, scale));
    GPUVM_TRY_STATUS(reporter.phase("close"));
  }
  return did;
}

}  // namespace

Result<std::string> run_nop(Reporter& reporter) {
  return in_phases(nop, reporter);
}
Result<std::string> run_loop(Reporter& reporter) {
  return in_phases(loop, reporter);
}
Result<std::string> run_cpy(Reporter& reporter) {
  return in_phases(cpy, reporter);
}
Result<std::string> run_pincpy(Reporter& reporter) {
  return in_phases(pincpy, reporter);
}

}  // namespace gpuvm::guest
