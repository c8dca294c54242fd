// A push buffer that touches an address that is not mapped: its channel must die, others must live.
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tracer/guest_program/client_workloads.h"
#include "tracer/guest_program/drm.h"
#include "tracer/guest_program/kernel.h"
#include "tracer/guest_program/pattern.h"
#include "tracer/guest_program/push.h"

namespace gpuvm::guest {
namespace {

constexpr uint64_t kUnmapped = 0xde'adbe'e000;  // within the 40-bit space, far above anything allocated
constexpr uint64_t kBytes = 4096;
constexpr int kPatienceMs = 10'000;

// A killed channel refuses further work with ENODEV; until the interrupt has been handled it may still take
// some.
Status wait_until_killed(Channel& channel, std::span<const Buffer* const> buffers) {
  Push nothing;
  nothing.bind(kCopy);
  int reason = 0;
  for (int waited = 0; waited < kPatienceMs; waited += 10) {
    reason = channel.try_submit(nothing.words(), buffers);
    if (reason == ENODEV) return Ok{};
    usleep(10'000);
  }
  return error("the channel with the fault lives on after {} s ({})", kPatienceMs / 1000,
               reason == 0 ? "it still takes work" : strerror(reason));
}

}  // namespace

Result<std::string> run_fault(Reporter& reporter) {
  GPUVM_TRY_STATUS(reporter.phase("init"));
  {
    GPUVM_TRY(Device bystander_device, Device::open());
    GPUVM_TRY(Channel bystander, Channel::create(bystander_device));
    GPUVM_TRY_STATUS(bystander.create_object(kCopy.class_id));
    GPUVM_TRY(Buffer bystander_in, Buffer::create(bystander_device, kBytes, Domain::kGart));
    GPUVM_TRY(Buffer bystander_out, Buffer::create(bystander_device, kBytes, Domain::kGart));
    fill(bystander_in.words<uint64_t>(), 5);

    GPUVM_TRY(Device device, Device::open());
    GPUVM_TRY(Channel channel, Channel::create(device));
    GPUVM_TRY_STATUS(channel.create_object(kCopy.class_id));
    GPUVM_TRY(Buffer ram, Buffer::create(device, kBytes, Domain::kGart));
    fill(ram.words<uint64_t>(), 6);
    const Buffer* used[] = {&ram};
    Push push;

    GPUVM_TRY_STATUS(reporter.phase("launch"));
    push.bind(kCopy).copy(kCopy, kUnmapped, ram.gpu_address(), kBytes);
    GPUVM_TRY_STATUS(channel.submit(push.words(), used));
    GPUVM_TRY_STATUS(wait_until_killed(channel, used));
    GPUVM_TRY_STATUS(verify(ram.words<uint64_t>(), "the source of the copy that faulted", 6));
    const std::string log = kernel_log();
    if (log.find("fault") == std::string::npos || log.find("killed") == std::string::npos)
      return error("the channel was killed, but the kernel's log has no line about a fault");

    // The other client's channel, made before the fault, and a new one.
    const Buffer* bystander_used[] = {&bystander_in, &bystander_out};
    push.clear();
    push.bind(kCopy).copy(kCopy, bystander_out.gpu_address(), bystander_in.gpu_address(), kBytes);
    GPUVM_TRY_STATUS(bystander.submit(push.words(), bystander_used));
    GPUVM_TRY_STATUS(bystander_out.wait());
    GPUVM_TRY_STATUS(verify(bystander_out.words<uint64_t>(), "the bystander's copy after the fault", 5));
    GPUVM_TRY_STATUS(check_fresh_channel(7));
    GPUVM_TRY_STATUS(reporter.phase("close"));
  }
  GPUVM_TRY_STATUS(check_fresh_channel(8));
  return std::string("the faulting channel was killed, older and newer ones work, all bytes verified");
}

}  // namespace gpuvm::guest
