#include "tracer/guest_program/bar0.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "tracer/guest_program/kernel.h"
#include "traces/core/unique_fd.h"

namespace gpuvm::guest {
namespace {

constexpr uint64_t kBar0Bytes = 16 << 20;

}  // namespace

Result<std::string> card_folder() {
  const std::string folder = "/sys/bus/pci/devices";
  DIR* devices = opendir(folder.c_str());
  if (devices == nullptr) return error("cannot open {}: {}", folder, strerror(errno));
  std::string found;
  while (dirent* entry = readdir(devices)) {
    const std::string device = folder + "/" + entry->d_name;
    const auto vendor = read_file(device + "/vendor");
    if (vendor && vendor.value() == "0x10de\n") found = device;
  }
  closedir(devices);
  if (found.empty()) return error("no card in {}", folder);
  return found;
}

Result<Registers> Registers::open() {
  GPUVM_TRY(const std::string folder, card_folder());
  const std::string file = folder + "/resource0";
  UniqueFd fd(::open(file.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) return error("cannot open {}: {}", file, strerror(errno));
  void* mapping = mmap(nullptr, kBar0Bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (mapping == MAP_FAILED) return error("cannot map {}: {}", file, strerror(errno));
  return Registers(static_cast<volatile uint8_t*>(mapping));
}

}  // namespace gpuvm::guest
