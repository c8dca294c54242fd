#include "emulator/card/vbios.h"

#include <numeric>

namespace gpuvm {
namespace {

constexpr size_t kImageBytes = 8192;
constexpr size_t kPcir = 0x40;
constexpr size_t kBit = 0x80;
constexpr size_t kBitInfo = 0x100;  // 'i': version
constexpr size_t kBitInit = 0x140;  // 'I': init scripts
constexpr size_t kScriptTable = 0x180;
constexpr size_t kDcb = 0x1a0;

class Image {
 public:
  Image() : bytes_(kImageBytes) {}
  void u8(size_t at, uint8_t v) { bytes_[at] = v; }
  void u16(size_t at, uint16_t v) {
    u8(at, static_cast<uint8_t>(v));
    u8(at + 1, static_cast<uint8_t>(v >> 8));
  }
  void u32(size_t at, uint32_t v) {
    u16(at, static_cast<uint16_t>(v));
    u16(at + 2, static_cast<uint16_t>(v >> 16));
  }
  void text(size_t at, const char* s) {
    while (*s != '\0') u8(at++, static_cast<uint8_t>(*s++));
  }
  std::vector<uint8_t> finish() {
    const unsigned sum = std::accumulate(bytes_.begin(), bytes_.end(), 0u);
    bytes_.back() = static_cast<uint8_t>(256 - sum % 256);
    return std::move(bytes_);
  }

 private:
  std::vector<uint8_t> bytes_;
};

void bit_entry(Image& image, size_t at, char id, uint8_t version, uint16_t length, size_t offset) {
  image.u8(at, static_cast<uint8_t>(id));
  image.u8(at + 1, version);
  image.u16(at + 2, length);
  image.u16(at + 4, static_cast<uint16_t>(offset));
}

}  // namespace

std::vector<uint8_t> make_vbios(const DeviceInfo& info) {
  Image image;
  image.u16(0x00, 0xaa55);
  image.u8(0x02, kImageBytes / 512);
  image.u16(0x18, kPcir);
  image.u16(0x36, kDcb);

  image.text(kPcir, "PCIR");
  image.u16(kPcir + 0x04, info.vendor);
  image.u16(kPcir + 0x06, info.device);
  image.u16(kPcir + 0x0a, 0x18);
  image.u8(kPcir + 0x0d, 0);
  image.u8(kPcir + 0x0e, static_cast<uint8_t>(info.class_code >> 8));
  image.u8(kPcir + 0x0f, static_cast<uint8_t>(info.class_code >> 16));
  image.u16(kPcir + 0x10, kImageBytes / 512);
  image.u8(kPcir + 0x14, 0);     // x86 image
  image.u8(kPcir + 0x15, 0x80);  // the last one

  image.u8(kBit, 0xff);
  image.u8(kBit + 1, 0xb8);
  image.text(kBit + 2, "BIT");
  image.u16(kBit + 6, 0x0100);
  image.u8(kBit + 8, 12);
  image.u8(kBit + 9, 6);   // entry size
  image.u8(kBit + 10, 2);  // entries
  bit_entry(image, kBit + 12, 'i', 2, 32, kBitInfo);
  bit_entry(image, kBit + 18, 'I', 1, 18, kBitInit);

  image.u32(kBitInfo, 0x70000001);  // version 70.00.00.01: chip 0x70 means at least NV50
  image.u16(kBitInit, kScriptTable);

  image.u8(kDcb, 0x40);
  image.u8(kDcb + 1, 0x1b);
  image.u8(kDcb + 2, 0);  // no outputs: the driver creates no display
  image.u8(kDcb + 3, 8);
  image.u32(kDcb + 6, 0x4edcbdcb);
  return image.finish();
}

}  // namespace gpuvm
