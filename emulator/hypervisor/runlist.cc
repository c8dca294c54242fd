#include "emulator/hypervisor/runlist.h"

namespace gpuvm {
namespace {

constexpr Field kLength = gf100::field(gf100::Reg::kPfifoPlaylistLen, "LEN");
constexpr Field kWhich = gf100::field(gf100::Reg::kPfifoPlaylistLen, "UNK20");

}  // namespace

void Runlist::replace(const PartitionView& guest, const std::bitset<Fifo::kChannels>& set, uint32_t control,
                      ChannelEvents* who) {
  for (unsigned i = 0; i < guest.channels; ++i) set_[guest.first_channel + i] = false;
  set_ |= set;
  const uint64_t buffer = buffers_ + next_ * Vram::kPageBytes;
  next_ ^= 1;
  uint32_t length = 0;
  for (unsigned chid = 0; chid < set_.size(); ++chid) {
    if (!set_[chid]) continue;
    constexpr uint64_t kEntryType = uint64_t{4} << 32;  // nouveau gpfifogf100.c: {chid, 4}
    host_.card.vram().write(buffer + 8 * uint64_t{length++}, 8, chid | kEntryType);
  }
  committing_for_ = who;
  host_.write(gf100::Reg::kPfifoPlaylist, 0, fermi::with_instance(0, buffer));
  host_.write(gf100::Reg::kPfifoPlaylistLen, 0, (control & kWhich.mask()) | kLength.put(length));
  committing_for_ = nullptr;
}

}  // namespace gpuvm
