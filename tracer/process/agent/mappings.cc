// mmap, munmap, mremap and mprotect of chosen files: the moved mapping.
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "tracer/process/agent/calls.h"
#include "tracer/process/agent/kernel.h"
#include "tracer/process/agent/recorder.h"
#include "tracer/process/agent/regions.h"

#ifndef MAP_32BIT
#define MAP_32BIT 0x40
#endif

namespace gpuvm::agent {
namespace {

uint64_t page_up(uint64_t bytes) {
  return (bytes + 4095) & ~uint64_t{4095};
}

// The bytes of [from, to) that are in `region`.
struct Part {
  uint64_t from, to;
};
Part part_of(const Region& region, uint64_t from, uint64_t to) {
  return {from > region.base ? from : region.base, to < region.end() ? to : region.end()};
}
bool is_whole(const Region& region, Part part) {
  return part.from == region.base && part.to == region.end();
}

template <typename Function>
long for_regions(uint64_t from, uint64_t bytes, Function function) {
  const uint64_t to = from + page_up(bytes);
  if (to < from) return -EINVAL;
  for (uint64_t at = from; at < to;) {
    const Region* region = find_region(at);
    if (region == nullptr) {
      at += 4096;
      continue;
    }
    const Part part = part_of(*region, at, to);
    at = part.to;
    if (const long result = function(*region, part); result != 0) return result;
  }
  return 0;
}

long unmap_part(const Region& region, Part part, uint64_t pc) {
  const auto real = reinterpret_cast<long>(region.real(part.from));
  const auto bytes = static_cast<long>(part.to - part.from);
  if (is_whole(region, part)) {
    // First the record and the window: the alias' address may be given out again at once.
    remove_region(&region, pc);
    return kernel_call(SYS_munmap, real, bytes);
  }
  kernel_call(SYS_munmap, static_cast<long>(part.from), bytes);
  // The hole in the alias stays reserved, or something else would come to lie there.
  const long kept = kernel_call(SYS_mmap, real, bytes, PROT_NONE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  return kept == real ? 0 : kept;
}

}  // namespace

long call_mmap(Call* call) {
  const auto flags = static_cast<int>(call->args[3]);
  const int fd = call->fd(4);
  char path[1024];
  if (trace_channel::in_window(call->args[0]) && (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0) {
    note("a program maps something over traced memory: refused");
    return -EINVAL;
  }
  if (trace_channel::in_window(call->args[0])) call->args[0] = 0;  // a hint
  if ((flags & MAP_SHARED) == 0 || fd < 0 || !is_chosen(fd, path, sizeof path)) return reissue(call);
  if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_32BIT)) != 0) {
    note("not traced, since the program wants it at an address of its choice: ", path);
    return reissue(call);
  }
  const uint64_t bytes = page_up(call->args[1]);
  const long alias =
      kernel_call(SYS_mmap, 0, static_cast<long>(call->args[1]), static_cast<long>(call->args[2]), flags, fd,
                  static_cast<long>(call->args[5]));
  if (alias < 0 && alias >= -4095) return alias;
  const uint64_t base = add_region(static_cast<uint64_t>(alias), bytes, call->args[5],
                                   static_cast<int>(call->args[2]), path, call->frame->rip());
  if (base == 0) {
    note("not traced, since there is no room for it among the traced mappings: ", path);
    return alias;
  }
  return static_cast<long>(base);
}

long call_munmap(Call* call) {
  if (call->args[0] % 4096 != 0 || call->args[1] == 0) return -EINVAL;
  const uint64_t pc = call->frame->rip();
  return for_regions(call->args[0], call->args[1],
                     [pc](const Region& region, Part part) { return unmap_part(region, part, pc); });
}

long call_mremap(Call* call) {
  const uint64_t address = call->args[0];
  const uint64_t old_bytes = page_up(call->args[1]), new_bytes = page_up(call->args[2]);
  const auto flags = static_cast<int>(call->args[3]);
  const Region* region = find_region(address);
  if (region == nullptr) {
    if (trace_channel::in_window(call->args[4])) return -EINVAL;
    return reissue(call);
  }
  if (old_bytes == 0 || address != region->base || old_bytes != region->bytes ||
      (flags & MREMAP_FIXED) != 0) {
    note("mremap of a part of a traced mapping, or to a fixed address: refused: ", region->path);
    return -EINVAL;
  }
  const uint64_t pc = call->frame->rip();
  if (new_bytes == old_bytes) return static_cast<long>(address);
  if (new_bytes < old_bytes) {
    const long result = unmap_part(*region, {address + new_bytes, region->end()}, pc);
    return result == 0 ? static_cast<long>(address) : result;
  }
  if ((flags & MREMAP_MAYMOVE) == 0) return -ENOMEM;
  const long alias = kernel_call(SYS_mremap, static_cast<long>(region->alias), static_cast<long>(old_bytes),
                                 static_cast<long>(new_bytes), MREMAP_MAYMOVE);
  if (alias < 0 && alias >= -4095) return alias;
  const uint64_t base = add_region(static_cast<uint64_t>(alias), new_bytes, region->file_offset,
                                   region->protection.load(std::memory_order_relaxed), region->path, pc);
  remove_region(region, pc);
  if (base == 0) {
    note("not traced any more, since there is no room for it among the traced mappings");
    return alias;
  }
  return static_cast<long>(base);
}

long call_mprotect(Call* call) {
  const auto protection = static_cast<long>(call->args[2]);
  const long key = call->number == SYS_pkey_mprotect ? static_cast<long>(call->args[3]) : 0;
  const long number = call->number;
  return for_regions(call->args[0], call->args[1], [=](const Region& region, Part part) {
    const long result = kernel_call(number, reinterpret_cast<long>(region.real(part.from)),
                                    static_cast<long>(part.to - part.from), protection, key);
    // Of a part only the alias knows; the access itself then tells.
    if (result == 0) {
      set_protection(&region, is_whole(region, part) ? static_cast<int>(protection) : PROT_READ | PROT_WRITE);
    }
    return result;
  });
}

}  // namespace gpuvm::agent
