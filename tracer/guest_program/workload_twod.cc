// 2D fills and copies against a plain model in memory.
#include <cstring>
#include <vector>

#include "tracer/guest_program/client_workloads.h"
#include "tracer/guest_program/drm.h"
#include "tracer/guest_program/pattern.h"
#include "tracer/guest_program/push.h"

namespace gpuvm::guest {
namespace {

constexpr uint64_t kBytes = 128 << 10;
constexpr uint32_t kPitch = 1024;
constexpr uint32_t kHeight = kBytes / kPitch;
constexpr uint32_t kColor = 0x80c0ffee;
constexpr unsigned kOperationsPerFormat = 24;

struct Format {
  uint32_t id;
  uint32_t bytes;
};
constexpr Format kFormats[] = {{kFormatA8R8G8B8, 4}, {kFormatR5G6B5, 2}, {kFormatY8, 1}};

// What a surface should hold.
using Model = std::vector<uint8_t>;

Model model_of_pattern(uint32_t seed) {
  Model model(kBytes);
  for (size_t i = 0; i < kBytes / 4; ++i) {
    const uint32_t word = pattern_word(seed, i);
    std::memcpy(&model[4 * i], &word, 4);
  }
  return model;
}

Rectangle random_rectangle(Random& random, uint32_t surface_width) {
  const uint32_t x = random.below(surface_width - 1), y = random.below(kHeight - 1);
  return {x, y, 1 + random.below(surface_width - x), 1 + random.below(kHeight - y)};
}

void fill_model(Model& model, const Format& format, const Rectangle& where, uint32_t color) {
  for (uint32_t y = where.y; y < where.y + where.height; ++y)
    for (uint32_t x = where.x; x < where.x + where.width; ++x)
      std::memcpy(&model[y * kPitch + x * format.bytes], &color, format.bytes);
}

void blit_model(Model& to, const Model& from, const Format& format, const Rectangle& where, uint32_t source_x,
                uint32_t source_y) {
  for (uint32_t y = 0; y < where.height; ++y)
    std::memcpy(&to[(where.y + y) * kPitch + where.x * format.bytes],
                &from[(source_y + y) * kPitch + source_x * format.bytes], where.width * format.bytes);
}

Status verify_model(const Buffer& buffer, const Model& model, std::string_view what) {
  return verify_words(buffer.words<uint64_t>(), what, [&](size_t i) {
    uint64_t word;
    std::memcpy(&word, &model[8 * i], 8);
    return word;
  });
}

}  // namespace

Result<std::string> run_twod(Reporter& reporter) {
  GPUVM_TRY_STATUS(reporter.phase("init"));
  {
    GPUVM_TRY(Device device, Device::open());
    GPUVM_TRY(Channel channel, Channel::create(device));
    GPUVM_TRY_STATUS(channel.create_object(kTwod.class_id));
    GPUVM_TRY_STATUS(channel.create_object(kCopy.class_id));
    GPUVM_TRY(Buffer ram, Buffer::create(device, kBytes, Domain::kGart));
    GPUVM_TRY(Buffer picture, Buffer::create(device, kBytes, Domain::kVram, /*cpu_mapped=*/false));
    GPUVM_TRY(Buffer canvas, Buffer::create(device, kBytes, Domain::kVram, /*cpu_mapped=*/false));
    GPUVM_TRY(Buffer out, Buffer::create(device, kBytes, Domain::kGart));

    GPUVM_TRY_STATUS(reporter.phase("HtoD"));
    const Buffer* used[] = {&ram, &picture, &canvas, &out};
    fill(ram.words<uint64_t>(), 11);
    Push push;
    push.bind(kCopy)
        .bind(kTwod)
        .copy(kCopy, picture.gpu_address(), ram.gpu_address(), kBytes)
        .copy(kCopy, canvas.gpu_address(), ram.gpu_address(), kBytes);
    GPUVM_TRY_STATUS(channel.submit(push.words(), used));
    GPUVM_TRY_STATUS(channel.wait());
    const Model picture_model = model_of_pattern(11);
    Model canvas_model = picture_model;

    GPUVM_TRY_STATUS(reporter.phase("launch"));
    Random random(2);
    for (const Format& format : kFormats) {
      push.clear();
      const uint32_t width = kPitch / format.bytes;
      const Surface from = {picture.gpu_address(), format.id, kPitch, width, kHeight};
      const Surface to = {canvas.gpu_address(), format.id, kPitch, width, kHeight};
      for (unsigned i = 0; i < kOperationsPerFormat; ++i) {
        const Rectangle where = random_rectangle(random, width);
        if (i % 2 == 0) {
          push.fill(to, where, kColor + i);
          fill_model(canvas_model, format, where, kColor + i);
        } else {
          const uint32_t x = random.below(width - where.width + 1),
                         y = random.below(kHeight - where.height + 1);
          push.blit(to, where, from, x, y);
          blit_model(canvas_model, picture_model, format, where, x, y);
        }
      }
      GPUVM_TRY_STATUS(channel.submit(push.words(), used));
    }
    GPUVM_TRY_STATUS(channel.wait());

    GPUVM_TRY_STATUS(reporter.phase("DtoH"));
    push.clear();
    push.copy(kCopy, out.gpu_address(), canvas.gpu_address(), kBytes);
    GPUVM_TRY_STATUS(channel.submit(push.words(), used));
    GPUVM_TRY_STATUS(out.wait());
    GPUVM_TRY_STATUS(verify_model(out, canvas_model, "2D fills and copies"));
    GPUVM_TRY_STATUS(reporter.phase("close"));
  }
  return fmt::format("all {} bytes verified after {} fills and copies", kBytes,
                     kOperationsPerFormat * std::size(kFormats));
}

}  // namespace gpuvm::guest
