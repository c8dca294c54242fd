#include "tracer/process/recorder/ioctls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

// Headers of this machine, which the tables were not made from.
#include <libdrm/amdgpu_drm.h>
#include <libdrm/drm.h>
#include <libdrm/i915_drm.h>

#include <array>

namespace gpuvm {
namespace {

using testing::HasSubstr;

constexpr uint32_t kCreateQueue = 0xc0584b02;  // its header needs others that libdrm does not have

std::string_view name_of_request(uint32_t request) {
  const Ioctl* known = find_ioctl(request);
  return known == nullptr ? "" : known->name;
}

TEST(Ioctls, NumbersAreThoseOfTheHeaders) {
  EXPECT_EQ(name_of_request(DRM_IOCTL_GEM_CLOSE), "DRM_IOCTL_GEM_CLOSE");
  EXPECT_EQ(name_of_request(DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT), "DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT");
  EXPECT_EQ(name_of_request(DRM_IOCTL_AMDGPU_CS), "DRM_IOCTL_AMDGPU_CS");
  EXPECT_EQ(name_of_request(DRM_IOCTL_I915_GEM_EXECBUFFER2_WR), "DRM_IOCTL_I915_GEM_EXECBUFFER2_WR");
  EXPECT_EQ(name_of_request(DRM_IOCTL_I915_GETPARAM), "DRM_IOCTL_I915_GETPARAM");
  EXPECT_EQ(name_of_request(kCreateQueue), "AMDKFD_IOC_CREATE_QUEUE");
  EXPECT_EQ(name_of_request(0xc0306480), "DRM_IOCTL_NOUVEAU_GEM_NEW");
  EXPECT_EQ(name_of_request(0x40386449), "DRM_IOCTL_XE_EXEC");
  // As long as it likes.
  EXPECT_EQ(name_of_request(0xc0206447), "DRM_IOCTL_NOUVEAU_NVIF");
  EXPECT_EQ(name_of_request(0xc1006447), "DRM_IOCTL_NOUVEAU_NVIF");
  EXPECT_EQ(name_of_request(0xc0604b02), "AMDKFD_IOC_CREATE_QUEUE");
  EXPECT_EQ(name_of_request(0xdeadbeef), "");
  EXPECT_EQ(name_of_request(0xc0316480), "");  // whose, nobody can tell
}

template <typename Argument>
std::string described(uint32_t request, const Argument& argument, size_t bytes = sizeof(Argument)) {
  return describe_argument(*find_ioctl(request), Bytes(reinterpret_cast<const std::byte*>(&argument), bytes));
}

TEST(Ioctls, FieldsAreWhereTheHeadersHaveThem) {
  EXPECT_EQ(described(DRM_IOCTL_GEM_CLOSE, drm_gem_close{.handle = 7, .pad = 9}), "{handle=0x7}");
  const std::array<uint64_t, 11> queue{0x7f0011223344, 0, 0, 0xabc, 5ull << 32};  // as older kernels have it
  EXPECT_THAT(described(kCreateQueue, queue), HasSubstr("ring_base_address=0x7f0011223344"));
  EXPECT_THAT(described(kCreateQueue, queue), HasSubstr("doorbell_offset=0xabc"));
  EXPECT_THAT(described(kCreateQueue, queue), HasSubstr("gpu_id=0x5 "));
  drm_amdgpu_gem_create in{};
  in.in.bo_size = 0x10000;
  EXPECT_THAT(described(DRM_IOCTL_AMDGPU_GEM_CREATE, in), HasSubstr("in.bo_size=0x10000"));
  // Cut short: what is not there is not told.
  EXPECT_THAT(described(kCreateQueue, queue, 8), "{ring_base_address=0x7f0011223344}");
}

}  // namespace
}  // namespace gpuvm
