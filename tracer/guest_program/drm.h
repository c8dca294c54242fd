// A client of nouveau's DRM interface, with the ioctls as they are: no libdrm at run time.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "traces/core/result.h"
#include "traces/core/unique_fd.h"

namespace gpuvm::guest {

inline constexpr char kRenderNode[] = "/dev/dri/renderD128";

// An open render node: one client, one GPU address space.
class Device {
 public:
  static Result<Device> open();

  int fd() const { return fd_.get(); }
  // NOUVEAU_GETPARAM_*
  Result<uint64_t> parameter(uint64_t number) const;

 private:
  explicit Device(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

enum class Domain { kVram, kGart };

// A buffer object, mapped into the client's GPU address space and, unless asked otherwise, into ours. Must
// not outlive its device.
class Buffer {
 public:
  static Result<Buffer> create(const Device& device, uint64_t bytes, Domain domain, bool cpu_mapped = true);
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&&) = delete;
  ~Buffer();

  uint32_t handle() const { return handle_; }
  uint64_t gpu_address() const { return gpu_address_; }
  uint64_t size() const { return size_; }  // bytes, as asked for
  Domain domain() const { return domain_; }
  // The mapping. A VRAM buffer's is in BAR1: each access is an MMIO access of just that width.
  template <typename Word>
  std::span<volatile Word> words() const {
    return {static_cast<volatile Word*>(mapping_), size_ / sizeof(Word)};
  }
  // Waits until the GPU is done with it (GEM_CPU_PREP); the kernel gives up after 30 s.
  Status wait() const;

 private:
  Buffer(int fd, uint64_t size, Domain domain) : fd_(fd), size_(size), domain_(domain) {}

  int fd_;
  uint32_t handle_ = 0;
  uint64_t gpu_address_ = 0;
  uint64_t size_;
  Domain domain_;
  void* mapping_ = nullptr;
};

// A GPU channel of the client. Must not outlive its device.
class Channel {
 public:
  static Result<Channel> create(const Device& device);
  Channel(Channel&& other) noexcept
      : fd_(other.fd_),
        id_(std::exchange(other.id_, -1)),
        push_(std::move(other.push_)),
        used_(other.used_) {}
  Channel& operator=(Channel&&) = delete;
  ~Channel();

  int id() const { return id_; }
  // Creates an object of an engine class on this channel (NOUVEAU_GROBJ_ALLOC).
  Status create_object(uint32_t class_id);
  // Hands `words` to the GPU; it runs them after everything submitted before. `buffers` are what they refer
  // to: the kernel keeps those in place until then.
  Status submit(std::span<const uint32_t> words, std::span<const Buffer* const> buffers);
  // As submit, but gives errno: 0 if taken. A killed channel answers ENODEV.
  int try_submit(std::span<const uint32_t> words, std::span<const Buffer* const> buffers);
  // Until the GPU has run everything that was submitted.
  Status wait() { return push_.wait(); }

 private:
  Channel(int fd, int id, Buffer push) : fd_(fd), id_(id), push_(std::move(push)) {}

  int fd_;
  int id_;
  Buffer push_;        // command words are copied here, one submission after the other
  uint64_t used_ = 0;  // bytes of push_
};

}  // namespace gpuvm::guest
