#include "tracer/guest_program/drm.h"

#include <drm.h>
#include <fcntl.h>
// The header is C and has a member of that name.
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wkeyword-macro"
#endif
#define class class_id
#include <nouveau_drm.h>
#undef class
#ifdef __clang__
#pragma clang diagnostic pop
#endif
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tracer/guest_program/kernel.h"

namespace gpuvm::guest {
namespace {

constexpr uint64_t kPushBytes = 64 << 10;
constexpr uint32_t kPageBytes = 4096;

template <typename Argument>
constexpr unsigned long request(unsigned number) {
  return DRM_IOWR(DRM_COMMAND_BASE + number, Argument);
}

int call(int fd, unsigned long number, void* argument) {
  int result;
  do {
    result = ioctl(fd, number, argument);
  } while (result != 0 && (errno == EINTR || errno == EAGAIN));
  return result;
}

uint32_t gem_domain(Domain domain) {
  return domain == Domain::kVram ? NOUVEAU_GEM_DOMAIN_VRAM : NOUVEAU_GEM_DOMAIN_GART;
}

}  // namespace

Result<Device> Device::open() {
  UniqueFd fd(::open(kRenderNode, O_RDWR | O_CLOEXEC));
  if (!fd.valid()) return error("cannot open {}: {}", kRenderNode, strerror(errno));
  return Device(std::move(fd));
}

Result<uint64_t> Device::parameter(uint64_t number) const {
  drm_nouveau_getparam argument{.param = number, .value = 0};
  if (call(fd(), request<drm_nouveau_getparam>(DRM_NOUVEAU_GETPARAM), &argument) != 0)
    return error("GETPARAM {}: {}", number, strerror(errno));
  return argument.value;
}

Result<Buffer> Buffer::create(const Device& device, uint64_t bytes, Domain domain, bool cpu_mapped) {
  Buffer buffer(device.fd(), bytes, domain);
  drm_nouveau_gem_new argument{};
  argument.info.size = (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  argument.info.domain = gem_domain(domain) | (cpu_mapped ? NOUVEAU_GEM_DOMAIN_MAPPABLE : 0);
  argument.info.tile_flags = NOUVEAU_GEM_TILE_NONCONTIG;
  argument.align = kPageBytes;
  if (call(buffer.fd_, request<drm_nouveau_gem_new>(DRM_NOUVEAU_GEM_NEW), &argument) != 0)
    return error("GEM_NEW of {} bytes: {}", bytes, strerror(errno));
  buffer.handle_ = argument.info.handle;
  buffer.gpu_address_ = argument.info.offset;
  if (!cpu_mapped) return buffer;
  void* mapping = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, buffer.fd_,
                       static_cast<off_t>(argument.info.map_handle));
  if (mapping == MAP_FAILED) return error("mmap of {} bytes: {}", bytes, strerror(errno));
  buffer.mapping_ = mapping;
  return buffer;
}

Buffer::Buffer(Buffer&& other) noexcept
    : fd_(other.fd_),
      handle_(std::exchange(other.handle_, 0)),
      gpu_address_(other.gpu_address_),
      size_(other.size_),
      domain_(other.domain_),
      mapping_(std::exchange(other.mapping_, nullptr)) {}

Buffer::~Buffer() {
  if (mapping_ != nullptr) munmap(mapping_, size_);
  drm_gem_close argument{.handle = handle_, .pad = 0};
  if (handle_ == 0) return;
  put_kernel_workers_first();
  call(fd_, DRM_IOCTL_GEM_CLOSE, &argument);
  // A worker of the kernel takes it out of the page tables. It shall be done before what comes next, so that
  // the order of accesses is the same every time.
  let_kernel_finish();
}

Status Buffer::wait() const {
  drm_nouveau_gem_cpu_prep argument{.handle = handle_, .flags = NOUVEAU_GEM_CPU_PREP_WRITE};
  // Declared as a write-only ioctl, unlike the others.
  const unsigned long number = DRM_IOW(DRM_COMMAND_BASE + DRM_NOUVEAU_GEM_CPU_PREP, drm_nouveau_gem_cpu_prep);
  if (call(fd_, number, &argument) != 0) return error("CPU_PREP: {}", strerror(errno));
  return Ok{};
}

Result<Channel> Channel::create(const Device& device) {
  GPUVM_TRY(Buffer push, Buffer::create(device, kPushBytes, Domain::kGart));
  drm_nouveau_channel_alloc argument{};
  if (call(device.fd(), request<drm_nouveau_channel_alloc>(DRM_NOUVEAU_CHANNEL_ALLOC), &argument) != 0)
    return error("CHANNEL_ALLOC: {}", strerror(errno));
  return Channel(device.fd(), argument.channel, std::move(push));
}

Channel::~Channel() {
  drm_nouveau_channel_free argument{.channel = id_};
  if (id_ >= 0)
    call(fd_, DRM_IOW(DRM_COMMAND_BASE + DRM_NOUVEAU_CHANNEL_FREE, drm_nouveau_channel_free), &argument);
}

Status Channel::create_object(uint32_t class_id) {
  drm_nouveau_grobj_alloc argument{};
  argument.channel = id_;
  argument.handle = 0xbeef0000 | class_id;  // any number that is unique in the channel
  argument.class_id = static_cast<int>(class_id);
  if (call(fd_, DRM_IOW(DRM_COMMAND_BASE + DRM_NOUVEAU_GROBJ_ALLOC, drm_nouveau_grobj_alloc), &argument) != 0)
    return error("GROBJ_ALLOC of class {:#x}: {}", class_id, strerror(errno));
  return Ok{};
}

int Channel::try_submit(std::span<const uint32_t> words, std::span<const Buffer* const> buffers) {
  GPUVM_CHECK(words.size_bytes() <= push_.size());
  if (used_ + words.size_bytes() > push_.size()) {
    if (!push_.wait()) return ETIMEDOUT;
    used_ = 0;
  }
  std::span<volatile uint32_t> room = push_.words<uint32_t>().subspan(used_ / sizeof(uint32_t), words.size());
  std::copy(words.begin(), words.end(), room.begin());

  std::vector<drm_nouveau_gem_pushbuf_bo> list;
  auto refer_to = [&](const Buffer& buffer) {
    drm_nouveau_gem_pushbuf_bo entry{};
    entry.handle = buffer.handle();
    entry.valid_domains = gem_domain(buffer.domain());
    entry.read_domains = gem_domain(buffer.domain());
    entry.write_domains = &buffer == &push_ ? 0 : gem_domain(buffer.domain());
    list.push_back(entry);
  };
  refer_to(push_);
  for (const Buffer* buffer : buffers) refer_to(*buffer);
  drm_nouveau_gem_pushbuf_push push{.bo_index = 0, .pad = 0, .offset = used_, .length = words.size_bytes()};
  drm_nouveau_gem_pushbuf argument{};
  argument.channel = static_cast<uint32_t>(id_);
  argument.nr_buffers = static_cast<uint32_t>(list.size());
  argument.buffers = reinterpret_cast<uintptr_t>(list.data());
  argument.nr_push = 1;
  argument.push = reinterpret_cast<uintptr_t>(&push);
  if (call(fd_, request<drm_nouveau_gem_pushbuf>(DRM_NOUVEAU_GEM_PUSHBUF), &argument) != 0) return errno;
  used_ += words.size_bytes();
  return 0;
}

Status Channel::submit(std::span<const uint32_t> words, std::span<const Buffer* const> buffers) {
  int reason = try_submit(words, buffers);
  if (reason != 0) return error("PUSHBUF on channel {}: {}", id_, strerror(reason));
  return Ok{};
}

}  // namespace gpuvm::guest
