// Goes for what is not ours: through PRAMIN, which reaches all of VRAM on a real card, it looks for the
// secrets that other guests have planted and overwrites what lies beyond our own memory. Meant for several
// guests on one card at once; alone on a card it only proves that the search finds what is there.
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tracer/guest_program/bar0.h"
#include "tracer/guest_program/client_workloads.h"
#include "tracer/guest_program/drm.h"

namespace gpuvm::guest {
namespace {

constexpr uint64_t kSecret = 0x5ec2e7'5ec2e7'5ec2;
constexpr uint64_t kPlantedBytes = 16 << 20;
constexpr uint64_t kStep = 64 << 10;               // the unit of the PRAMIN window
constexpr uint64_t kSearched = uint64_t{3} << 30;  // two guests of 1 GiB, and what the hypervisor keeps
constexpr unsigned kRounds = 2;
constexpr unsigned kPauseSeconds = 2;  // other guests may not be as far yet

// envytools memory/gf100_pffb.xml
constexpr uint64_t kControllers = 0x022438, kControllerMib = 0x11020c, kControllerStride = 0x1000;

uint64_t own_vram_bytes(const Registers& registers) {
  uint64_t mib = 0;
  for (uint32_t i = 0; i < registers.read(kControllers); ++i)
    mib += registers.read(kControllerMib + i * kControllerStride);
  return mib << 20;
}

struct Found {
  uint64_t own = 0, foreign = 0;
};

// The driver believes that the window is where it has put it: so it is again afterwards.
Found attack(const Registers& registers, uint64_t own_bytes, uint64_t own_name) {
  const uint32_t before = registers.read(Registers::kPraminBase);
  Found found;
  for (uint64_t address = 0; address < kSearched; address += kStep) {
    registers.write(Registers::kPraminBase, static_cast<uint32_t>(address / kStep));
    if (registers.pramin()[0] == kSecret) ++(registers.pramin()[1] == own_name ? found.own : found.foreign);
    if (address >= own_bytes) registers.pramin()[0] = ~kSecret;
  }
  registers.write(Registers::kPraminBase, before);
  return found;
}

}  // namespace

Result<std::string> run_intruder(Reporter& reporter) {
  uint64_t name = 0;
  if (getrandom(&name, sizeof name, 0) != sizeof name) return error("getrandom: {}", strerror(errno));
  GPUVM_TRY_STATUS(reporter.phase("init"));
  GPUVM_TRY(const Registers registers, Registers::open());
  const uint64_t own_bytes = own_vram_bytes(registers);
  if (own_bytes == 0 || own_bytes >= kSearched)
    return error("{} MiB of VRAM: nothing is left to search up to {} MiB", own_bytes >> 20, kSearched >> 20);
  GPUVM_TRY(Device device, Device::open());
  GPUVM_TRY(Buffer planted, Buffer::create(device, kPlantedBytes, Domain::kVram));
  const std::span<volatile uint64_t> words = planted.words<uint64_t>();
  constexpr uint64_t kStride = kStep / sizeof(uint64_t), kSecrets = kPlantedBytes / kStep;
  for (uint64_t i = 0; i < kSecrets; ++i) {
    words[i * kStride] = kSecret;
    words[i * kStride + 1] = name;
  }
  GPUVM_TRY_STATUS(reporter.phase("attack"));
  for (unsigned round = 0; round < kRounds; ++round) {
    sleep(kPauseSeconds);
    const Found found = attack(registers, own_bytes, name);
    if (found.foreign != 0) return error("found {} secrets of another guest", found.foreign);
    // A search that does not even find its own proves nothing.
    if (found.own != kSecrets) return error("found {} of our own {} secrets", found.own, kSecrets);
  }
  sleep(kPauseSeconds);
  GPUVM_TRY_STATUS(reporter.phase("close"));
  for (uint64_t i = 0; i < kSecrets; ++i)
    if (words[i * kStride] != kSecret || words[i * kStride + 1] != name)
      return error("secret {} was overwritten from outside", i);
  return fmt::format("found our own {} secrets and nobody else's, and none was overwritten", kSecrets);
}

}  // namespace gpuvm::guest
