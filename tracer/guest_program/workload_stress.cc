// Random copies against a model, and more VRAM buffers than there is VRAM.
#include <deque>
#include <vector>

#include "tracer/guest_program/client_workloads.h"
#include "tracer/guest_program/drm.h"
#include "tracer/guest_program/pattern.h"
#include "tracer/guest_program/push.h"

namespace gpuvm::guest {
namespace {

constexpr uint64_t kAreaBytes = 256 << 10;
constexpr unsigned kCopies = 400;
constexpr unsigned kCopiesPerSubmission = 16;
constexpr uint64_t kEvictionBytes = 2 << 20;             // of each buffer
constexpr uint64_t kMaxVramBytes = uint64_t{384} << 20;  // what is evicted must fit in the guest's memory

constexpr EngineClass kEngines[] = {kCopy, kM2mf};

// Copies of random size, place and pitch between two VRAM buffers and a RAM buffer.
Status random_copies(const Device& device, Channel& channel) {
  std::deque<Buffer> areas;
  std::vector<std::vector<uint8_t>> models;
  GPUVM_TRY(Buffer staging, Buffer::create(device, kAreaBytes, Domain::kGart));
  for (uint32_t i = 0; i < 3; ++i) {
    GPUVM_TRY(Buffer area, Buffer::create(device, kAreaBytes, i < 2 ? Domain::kVram : Domain::kGart, i == 2));
    areas.push_back(std::move(area));
    fill(staging.words<uint64_t>(), 20 + i);
    Push push;
    push.copy(kCopy, areas[i].gpu_address(), staging.gpu_address(), kAreaBytes);
    const Buffer* used[] = {&staging, &areas[i]};
    GPUVM_TRY_STATUS(channel.submit(push.words(), used));
    GPUVM_TRY_STATUS(channel.wait());
    std::span<volatile uint8_t> bytes = staging.words<uint8_t>();
    models.emplace_back(bytes.begin(), bytes.end());
  }

  const Buffer* used[] = {&areas[0], &areas[1], &areas[2]};
  Random random(9);
  Push push;
  for (unsigned i = 0; i < kCopies; ++i) {
    const uint32_t from = random.below(3), to = (from + 1 + random.below(2)) % 3;  // never within one buffer
    const uint32_t line = 1 + random.below(700), lines = 1 + random.below(40);
    const LineCopy shape = {line, lines, line + random.below(100), line + random.below(100)};
    const uint32_t from_at = random.below(static_cast<uint32_t>(kAreaBytes) - shape.source_pitch * lines);
    const uint32_t to_at = random.below(static_cast<uint32_t>(kAreaBytes) - shape.destination_pitch * lines);
    push.copy_lines(kEngines[random.below(2)], areas[to].gpu_address() + to_at,
                    areas[from].gpu_address() + from_at, shape);
    for (uint32_t row = 0; row < lines; ++row)
      std::copy_n(&models[from][from_at + row * shape.source_pitch], line,
                  &models[to][to_at + row * shape.destination_pitch]);
    if (i % kCopiesPerSubmission + 1 < kCopiesPerSubmission && i + 1 < kCopies) continue;
    GPUVM_TRY_STATUS(channel.submit(push.words(), used));
    push.clear();
  }

  for (size_t i = 0; i < areas.size(); ++i) {
    push.clear();
    push.copy(kCopy, staging.gpu_address(), areas[i].gpu_address(), kAreaBytes);
    const Buffer* pair[] = {&staging, &areas[i]};
    GPUVM_TRY_STATUS(channel.submit(push.words(), pair));
    GPUVM_TRY_STATUS(staging.wait());
    GPUVM_TRY_STATUS(verify_words(staging.words<uint64_t>(),
                                  fmt::format("buffer {} after {} random copies", i, kCopies),
                                  [&](size_t at) {
                                    uint64_t word = 0;
                                    for (size_t byte = 0; byte < 8; ++byte)
                                      word |= uint64_t{models[i][8 * at + byte]} << (8 * byte);
                                    return word;
                                  }));
  }
  return Ok{};
}

// Fills more buffers than fit; each use of one moves it into VRAM and others out of it. Returns how many.
Result<size_t> evict(const Device& device, Channel& channel) {
  GPUVM_TRY(uint64_t vram, device.parameter(8 /* NOUVEAU_GETPARAM_FB_SIZE */));
  if (vram > kMaxVramBytes)
    return error("the card has {} MiB of VRAM, this workload can fill at most {}; give it a smaller one",
                 vram >> 20, kMaxVramBytes >> 20);
  const size_t count = static_cast<size_t>(vram / kEvictionBytes * 5 / 4);
  GPUVM_TRY(Buffer staging, Buffer::create(device, kEvictionBytes, Domain::kGart));
  std::deque<Buffer> buffers;
  for (uint32_t i = 0; i < count; ++i) {
    GPUVM_TRY(Buffer buffer, Buffer::create(device, kEvictionBytes, Domain::kVram, /*cpu_mapped=*/false));
    buffers.push_back(std::move(buffer));
    fill(staging.words<uint64_t>(), 1000 + i, page_word);
    Push push;
    push.copy(kCopy, buffers[i].gpu_address(), staging.gpu_address(), kEvictionBytes);
    const Buffer* used[] = {&staging, &buffers[i]};
    GPUVM_TRY_STATUS(channel.submit(push.words(), used));
    GPUVM_TRY_STATUS(staging.wait());
  }
  for (uint32_t i = 0; i < count; ++i) {
    Push push;
    push.copy(kCopy, staging.gpu_address(), buffers[i].gpu_address(), kEvictionBytes);
    const Buffer* used[] = {&staging, &buffers[i]};
    GPUVM_TRY_STATUS(channel.submit(push.words(), used));
    GPUVM_TRY_STATUS(staging.wait());
    GPUVM_TRY_STATUS(verify(staging.words<uint64_t>(), fmt::format("VRAM buffer {} of {}", i, count),
                            1000 + i, page_word));
  }
  return count;
}

}  // namespace

Result<std::string> run_stress(Reporter& reporter) {
  size_t evicted = 0;
  GPUVM_TRY_STATUS(reporter.phase("init"));
  {
    GPUVM_TRY(Device device, Device::open());
    GPUVM_TRY(Channel channel, Channel::create(device));
    for (const EngineClass& engine : kEngines) GPUVM_TRY_STATUS(channel.create_object(engine.class_id));
    Push push;
    push.bind(kCopy).bind(kM2mf);
    GPUVM_TRY_STATUS(channel.submit(push.words(), {}));
    GPUVM_TRY_STATUS(reporter.phase("launch"));
    GPUVM_TRY_STATUS(random_copies(device, channel));
    GPUVM_TRY_STATUS(reporter.phase("evict"));
    GPUVM_TRY(evicted, evict(device, channel));
    GPUVM_TRY_STATUS(reporter.phase("close"));
  }
  return fmt::format("{} random copies and {} buffers of {} MiB, all bytes verified", kCopies, evicted,
                     kEvictionBytes >> 20);
}

}  // namespace gpuvm::guest
