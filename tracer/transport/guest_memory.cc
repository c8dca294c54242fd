#include "tracer/transport/guest_memory.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace gpuvm {
namespace {

constexpr size_t kMaxSections = 1024;
constexpr uint64_t kMaxAddress = uint64_t{1} << 62;

// On any other file system an access may wait for a disk, or for whoever implements it (FUSE), and all guests
// with it.
bool is_memory_file(const UniqueFd& fd) {
  struct stat info {};
  struct statfs system {};
  return fstat(fd.get(), &info) == 0 && S_ISREG(info.st_mode) && fstatfs(fd.get(), &system) == 0 &&
         (system.f_type == TMPFS_MAGIC || system.f_type == HUGETLBFS_MAGIC);
}

}  // namespace

Status GuestMemory::set_map(const std::vector<MemorySection>& sections, std::vector<UniqueFd> fds) {
  std::vector<Region> regions;
  for (size_t i = 0; i < sections.size(); ++i) {
    if (!is_memory_file(fds[i])) {
      return error(
          "memory section {} is not backed by a file in memory (tmpfs or hugetlbfs); start QEMU with "
          "memory-backend-memfd,share=on",
          i);
    }
    regions.push_back({sections[i].address, sections[i].bytes, sections[i].file_offset, std::move(fds[i])});
  }
  regions_ = std::move(regions);
  return Ok{};
}

int GuestMemory::add(const MemorySection& section, bool writable, UniqueFd fd) {
  const auto [address, bytes, file_offset] = section;
  if (bytes == 0 || bytes > kMaxAddress || address > kMaxAddress || file_offset > kMaxAddress) return EINVAL;
  if (fd.valid() && !is_memory_file(fd)) return EINVAL;
  for (const Region& r : regions_) {
    if (address < r.address + r.bytes && r.address < address + bytes) return EEXIST;
  }
  if (regions_.size() >= kMaxSections) return ENOSPC;
  regions_.push_back({address, bytes, file_offset, std::move(fd), writable});
  return 0;
}

bool GuestMemory::remove(uint64_t address, uint64_t bytes) {
  return std::erase_if(regions_, [&](const Region& r) { return r.address == address && r.bytes == bytes; }) !=
         0;
}

const GuestMemory::Region* GuestMemory::find(uint64_t address, uint64_t bytes) const {
  for (const Region& r : regions_) {
    if (address >= r.address && bytes <= r.bytes && address - r.address <= r.bytes - bytes) return &r;
  }
  return nullptr;
}

bool GuestMemory::read(uint64_t address, std::span<std::byte> out) {
  const Region* r = find(address, out.size());
  if (r == nullptr) return false;
  const auto at = static_cast<off_t>(r->file_offset + (address - r->address));
  return pread(r->fd.get(), out.data(), out.size(), at) == static_cast<ssize_t>(out.size());
}

bool GuestMemory::write(uint64_t address, std::span<const std::byte> in) {
  const Region* r = find(address, in.size());
  if (r == nullptr || !r->writable) return false;
  const auto at = static_cast<off_t>(r->file_offset + (address - r->address));
  // Never past the end: that would grow the peer's file.
  struct stat info {};
  if (fstat(r->fd.get(), &info) != 0 || at + static_cast<off_t>(in.size()) > info.st_size) return false;
  return pwrite(r->fd.get(), in.data(), in.size(), at) == static_cast<ssize_t>(in.size());
}

uint64_t GuestMemory::end() const {
  uint64_t end = 0;
  for (const Region& r : regions_) {
    if (r.fd.valid()) end = std::max(end, r.address + r.bytes);
  }
  return end;
}

}  // namespace gpuvm
