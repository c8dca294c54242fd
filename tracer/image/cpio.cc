#include "tracer/image/cpio.h"

#include <fmt/format.h>

#include "traces/core/result.h"

namespace gpuvm {

// Layout: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel: a 110-byte header of hex
// fields, the name with its NUL, the bytes; name and bytes each padded to 4.
void CpioWriter::add(std::string_view path, uint32_t mode, std::string_view bytes, uint32_t major,
                     uint32_t minor) {
  GPUVM_CHECK(bytes.size() < UINT32_MAX);
  const uint32_t fields[] = {next_inode_++,
                             mode,
                             0 /* uid */,
                             0 /* gid */,
                             1 /* links */,
                             0 /* time */,
                             static_cast<uint32_t>(bytes.size()),
                             0,
                             0 /* device of the file */,
                             major,
                             minor,
                             static_cast<uint32_t>(path.size() + 1),
                             0 /* checksum, unused in newc */};
  archive_ += "070701";
  for (uint32_t field : fields) archive_ += fmt::format("{:08x}", field);
  archive_ += path;
  archive_ += '\0';
  archive_.resize((archive_.size() + 3) & ~size_t{3}, '\0');
  archive_ += bytes;
  archive_.resize((archive_.size() + 3) & ~size_t{3}, '\0');
}

std::string CpioWriter::finish() {
  add("TRAILER!!!", 0, {}, 0, 0);
  return std::move(archive_);
}

}  // namespace gpuvm
