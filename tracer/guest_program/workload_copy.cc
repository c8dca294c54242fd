// Copies by copy engine, M2MF and BAR1, and a semaphore.
#include <drm.h>

#include <optional>

#include "tracer/guest_program/client_workloads.h"
#include "tracer/guest_program/drm.h"
#include "tracer/guest_program/pattern.h"
#include "tracer/guest_program/push.h"

namespace gpuvm::guest {
namespace {

// Sizes keep a recording small: each BAR1 access is an event, and DMA bytes are recorded too.
constexpr uint64_t kDmaBytes = 512 << 10;
constexpr uint64_t kBarBytes = 256 << 10;
constexpr uint32_t kFromRam = 1, kFromBar = 2, kUntouched = 3;  // pattern seeds
constexpr uint32_t kSemaphorePayload = 0x600d5e3a;

// Rows cut out of a buffer and packed: pitch and line length differ, so that a wrong one shows.
constexpr LineCopy kCutOut = {.line_bytes = 200, .lines = 300, .source_pitch = 512, .destination_pitch = 256};
constexpr uint64_t kCutOutBytes = uint64_t{kCutOut.lines} * kCutOut.destination_pitch;

uint8_t pattern_byte(uint32_t seed, uint64_t at) {
  return static_cast<uint8_t>(pattern_word(seed, at / 4) >> (at % 4 * 8));
}

// What the destination of kCutOut holds: lines of the source, and between them what was there before.
uint64_t cut_out_word(uint32_t source_seed, size_t index) {
  uint64_t word = 0;
  for (unsigned i = 0; i < 8; ++i) {
    const uint64_t at = 8 * index + i, line = at / kCutOut.destination_pitch,
                   column = at % kCutOut.destination_pitch;
    const uint64_t byte = column < kCutOut.line_bytes
                              ? pattern_byte(source_seed, line * kCutOut.source_pitch + column)
                              : pattern_byte(kUntouched, at);
    word |= byte << (8 * i);
  }
  return word;
}

struct CopyJob {
  Buffer ram_in, vram_a, vram_b, vram_bar, vram_c, ram_out_a, ram_out_c, ram_cut, semaphore;

  static Result<CopyJob> create(const Device& device) {
    GPUVM_TRY(Buffer ram_in, Buffer::create(device, kDmaBytes, Domain::kGart));
    GPUVM_TRY(Buffer vram_a, Buffer::create(device, kDmaBytes, Domain::kVram, /*cpu_mapped=*/false));
    GPUVM_TRY(Buffer vram_b, Buffer::create(device, kDmaBytes, Domain::kVram));
    GPUVM_TRY(Buffer vram_bar, Buffer::create(device, kBarBytes, Domain::kVram));
    GPUVM_TRY(Buffer vram_c, Buffer::create(device, kBarBytes, Domain::kVram, /*cpu_mapped=*/false));
    GPUVM_TRY(Buffer ram_out_a, Buffer::create(device, kDmaBytes, Domain::kGart));
    GPUVM_TRY(Buffer ram_out_c, Buffer::create(device, kBarBytes, Domain::kGart));
    GPUVM_TRY(Buffer ram_cut, Buffer::create(device, kCutOutBytes, Domain::kGart));
    GPUVM_TRY(Buffer semaphore, Buffer::create(device, 4096, Domain::kGart));
    return CopyJob{std::move(ram_in),    std::move(vram_a),  std::move(vram_b),
                   std::move(vram_bar),  std::move(vram_c),  std::move(ram_out_a),
                   std::move(ram_out_c), std::move(ram_cut), std::move(semaphore)};
  }

  Status host_to_device(Channel& channel) {
    fill(ram_in.words<uint64_t>(), kFromRam);
    fill(ram_out_a.words<uint64_t>(), kUntouched);
    fill(ram_out_c.words<uint64_t>(), kUntouched);
    fill(ram_cut.words<uint64_t>(), kUntouched);
    fill(vram_bar.words<uint64_t>(), kFromBar);
    Push push;
    push.bind(kCopy).copy(kCopy, vram_a.gpu_address(), ram_in.gpu_address(), kDmaBytes);
    const Buffer* used[] = {&ram_in, &vram_a};
    GPUVM_TRY_STATUS(channel.submit(push.words(), used));
    return vram_a.wait();
  }

  Status launch(Channel& channel) {
    Push push;
    push.bind(kM2mf)
        .copy(kCopy, vram_b.gpu_address(), vram_a.gpu_address(), kDmaBytes)
        .copy(kM2mf, vram_c.gpu_address(), vram_bar.gpu_address(), kBarBytes)
        .release_semaphore(semaphore.gpu_address(), kSemaphorePayload);
    const Buffer* used[] = {&vram_a, &vram_b, &vram_c, &vram_bar, &semaphore};
    GPUVM_TRY_STATUS(channel.submit(push.words(), used));
    GPUVM_TRY_STATUS(semaphore.wait());
    const uint32_t payload = semaphore.words<uint32_t>()[0];
    if (payload != kSemaphorePayload)
      return error("semaphore: {:#x} instead of {:#x}", payload, kSemaphorePayload);
    return Ok{};
  }

  Status device_to_host(Channel& channel) {
    Push push;
    push.copy(kCopy, ram_out_a.gpu_address(), vram_b.gpu_address(), kDmaBytes)
        .copy(kM2mf, ram_out_c.gpu_address(), vram_c.gpu_address(), kBarBytes)
        .copy_lines(kM2mf, ram_cut.gpu_address(), vram_c.gpu_address(), kCutOut);
    const Buffer* used[] = {&ram_out_a, &ram_out_c, &ram_cut, &vram_b, &vram_c};
    GPUVM_TRY_STATUS(channel.submit(push.words(), used));
    for (const Buffer* buffer : {&ram_out_a, &ram_out_c, &ram_cut}) GPUVM_TRY_STATUS(buffer->wait());
    GPUVM_TRY_STATUS(
        verify(ram_out_a.words<uint64_t>(), "RAM to VRAM to VRAM to RAM by copy engine", kFromRam));
    GPUVM_TRY_STATUS(verify(ram_out_c.words<uint64_t>(), "BAR1 to VRAM to RAM by M2MF", kFromBar));
    GPUVM_TRY_STATUS(verify_words(ram_cut.words<uint64_t>(), "lines cut out by M2MF",
                                  [](size_t i) { return cut_out_word(kFromBar, i); }));
    return verify(vram_b.words<uint64_t>().first(kBarBytes / 8), "VRAM read through BAR1", kFromRam);
  }
};

// One access of each width through BAR1, beyond what memcpy does.
Status check_narrow_accesses(const Buffer& vram) {
  std::span<volatile uint8_t> bytes = vram.words<uint8_t>();
  bytes[5] = 0xa5;
  vram.words<uint16_t>()[3] = 0xc3c3;
  vram.words<uint32_t>()[2] = 0x0f1e2d3c;
  const uint8_t expected[] = {0xa5, 0xc3, 0xc3, 0x3c, 0x2d, 0x1e, 0x0f};
  for (size_t i = 0; i < std::size(expected); ++i)
    if (bytes[5 + i] != expected[i])
      return error("narrow BAR1 access: byte {} is {:#04x}, should be {:#04x}", 5 + i, bytes[5 + i],
                   expected[i]);
  return Ok{};
}

}  // namespace

Result<std::string> run_copy(Reporter& reporter) {
  GPUVM_TRY_STATUS(reporter.phase("init"));
  {
    GPUVM_TRY(Device device, Device::open());
    GPUVM_TRY(uint64_t chipset, device.parameter(11 /* NOUVEAU_GETPARAM_CHIPSET_ID */));
    GPUVM_TRY(uint64_t vram, device.parameter(8 /* NOUVEAU_GETPARAM_FB_SIZE */));
    reporter.log(fmt::format("chipset {:#x}, {} MiB of VRAM for us", chipset, vram >> 20));
    GPUVM_TRY(Channel channel, Channel::create(device));
    GPUVM_TRY_STATUS(channel.create_object(kCopy.class_id));
    GPUVM_TRY_STATUS(channel.create_object(kM2mf.class_id));
    GPUVM_TRY(CopyJob job, CopyJob::create(device));
    GPUVM_TRY_STATUS(reporter.phase("HtoD"));
    GPUVM_TRY_STATUS(job.host_to_device(channel));
    GPUVM_TRY_STATUS(reporter.phase("launch"));
    GPUVM_TRY_STATUS(job.launch(channel));
    GPUVM_TRY_STATUS(reporter.phase("DtoH"));
    GPUVM_TRY_STATUS(job.device_to_host(channel));
    GPUVM_TRY_STATUS(check_narrow_accesses(job.vram_bar));
    GPUVM_TRY_STATUS(reporter.phase("close"));
  }
  constexpr uint64_t kVerified = kDmaBytes + 2 * kBarBytes + kCutOutBytes;
  return fmt::format("all {} bytes verified", kVerified);
}

Status check_fresh_channel(uint32_t seed) {
  constexpr uint64_t kBytes = 64 << 10;
  GPUVM_TRY(Device device, Device::open());
  GPUVM_TRY(Channel channel, Channel::create(device));
  GPUVM_TRY_STATUS(channel.create_object(kCopy.class_id));
  GPUVM_TRY(Buffer in, Buffer::create(device, kBytes, Domain::kGart));
  GPUVM_TRY(Buffer vram, Buffer::create(device, kBytes, Domain::kVram, /*cpu_mapped=*/false));
  GPUVM_TRY(Buffer out, Buffer::create(device, kBytes, Domain::kGart));
  fill(in.words<uint64_t>(), seed);
  Push push;
  push.bind(kCopy)
      .copy(kCopy, vram.gpu_address(), in.gpu_address(), kBytes)
      .copy(kCopy, out.gpu_address(), vram.gpu_address(), kBytes);
  const Buffer* used[] = {&in, &vram, &out};
  GPUVM_TRY_STATUS(channel.submit(push.words(), used));
  GPUVM_TRY_STATUS(out.wait());
  return verify(out.words<uint64_t>(), "copy on a fresh channel", seed);
}

}  // namespace gpuvm::guest
