#include "emulator/card/shader_memory.h"

namespace gpuvm {

const ShaderMemory::Entry* ShaderMemory::find(uint64_t va, bool write) {
  const uint64_t page = va / kPage;
  Entry& entry = entries_[page % entries_.size()];
  if (entry.bytes == 0 || entry.page != page) {
    const Translation t = context_->memory.look_up(context_->space, va & fermi::kVaMask);
    if (va > fermi::kVaMask || !t.mapped) {
      fail({va, va > fermi::kVaMask ? FaultReason::kLimit : t.reason, write});
      return nullptr;
    }
    entry = {page, kPage, t.aperture, t.read_only, t.address - va % kPage};
  }
  if (write && entry.read_only) {
    fail({va, FaultReason::kReadOnly, true});
    return nullptr;
  }
  return &entry;
}

bool ShaderMemory::read(uint64_t va, std::span<std::byte> out) {
  const Entry* entry = find(va, false);
  if (entry == nullptr) return false;
  PhysicalMemory& memory = context_->memory.physical();
  if (memory.read_bytes(entry->aperture, entry->address + va % kPage, out)) return true;
  return fail({va, FaultReason::kPageNotPresent, false});
}

bool ShaderMemory::write(uint64_t va, std::span<const std::byte> in) {
  const Entry* entry = find(va, true);
  if (entry == nullptr) return false;
  PhysicalMemory& memory = context_->memory.physical();
  if (memory.write_bytes(entry->aperture, entry->address + va % kPage, in)) return true;
  return fail({va, FaultReason::kPageNotPresent, true});
}

}  // namespace gpuvm
