#include "tracer/process/agent/access.h"

#include <sys/mman.h>

#include "tracer/process/agent/raw.h"
#include "tracer/process/agent/recorder.h"
#include "tracer/process/agent/regions.h"

namespace gpuvm::agent {
namespace {

Record record_of(Operation operation, const Region& region, uint64_t address, size_t width, uint64_t pc,
                 uint8_t flags) {
  Record record;
  record.type = RecordType::kAccess;
  record.operation = operation;
  record.width = static_cast<uint8_t>(width);
  record.flags = flags;
  record.map = region.map;
  record.offset = region.offset_of(address);
  record.pc = pc;
  return record;
}

}  // namespace

size_t run_length(uint64_t address, size_t bytes) {
  if (const Region* region = find_region(address)) {
    const uint64_t left = region->end() - address;
    return bytes < left ? bytes : left;
  }
  const uint64_t left = 4096 - address % 4096;
  return bytes < left ? bytes : left;
}

bool Access::failed(uint64_t address) {
  fault_signal = thread_state.nested.si_signo;
  fault_code = thread_state.nested.si_code;
  fault_address = address;
  return false;
}

// mprotect() of a part of a mapping is not followed: then the access itself tells.
bool Access::allowed(const Region& region, uint64_t address, bool write) {
  const int protection = region.protection.load(std::memory_order_relaxed);
  if ((protection & (write ? PROT_WRITE : PROT_READ | PROT_WRITE)) != 0) return true;
  fault_signal = SIGSEGV, fault_code = SEGV_ACCERR, fault_address = address;
  return false;
}

bool Access::traced(Kind kind, const Region& region, uint64_t address, uint8_t* data, const uint8_t* old,
                    size_t bytes, uint8_t flags) {
  void* real = region.real(address);
  if (kind == Kind::kPeek) return raw_read(real, data, bytes) || failed(address);
  const Operation operation = kind == Kind::kLoad    ? Operation::kRead
                              : kind == Kind::kStore ? Operation::kWrite
                                                     : Operation::kUpdate;
  Record record = record_of(operation, region, address, bytes > 64 ? 8 : bytes, pc, flags);
  if (bytes > 64) record.flags |= trace_channel::kRepeated;
  record.bytes = static_cast<uint32_t>(bytes);
  const bool recording = begin_order(2 * bytes);
  const bool done = kind == Kind::kLoad ? raw_read(real, data, bytes) : raw_write(real, data, bytes);
  if (done && recording) {
    if (kind == Kind::kUpdate) {
      append_record(record, old, bytes, data, bytes);
    } else {
      append_record(record, data, bytes);
    }
  }
  end_order();
  return done || failed(address);
}

bool Access::pieces(Kind kind, uint64_t address, uint8_t* data, const uint8_t* old, size_t bytes,
                    uint8_t flags) {
  const bool write = kind == Kind::kStore || kind == Kind::kUpdate;
  const bool whole = run_length(address, bytes) == bytes;
  if (!whole) flags |= trace_channel::kPart;
  // A fault in a later piece must find nothing done in an earlier one.
  for (size_t at = 0; at < bytes; at += run_length(address + at, bytes - at)) {
    const Region* region = find_region(address + at);
    if (region != nullptr && !allowed(*region, address + at, write)) return false;
  }
  for (size_t at = 0; at < bytes;) {
    const size_t n = run_length(address + at, bytes - at);
    if (const Region* region = find_region(address + at)) {
      if (!traced(kind, *region, address + at, data + at, old == nullptr ? nullptr : old + at, n, flags))
        return false;
    } else {
      auto* memory = reinterpret_cast<void*>(address + at);
      if (!(write ? raw_write(memory, data + at, n) : raw_read(memory, data + at, n)))
        return failed(address + at);
    }
    at += n;
  }
  return true;
}

bool Access::load(uint64_t address, void* out, size_t bytes, uint8_t flags) {
  return pieces(Kind::kLoad, address, static_cast<uint8_t*>(out), nullptr, bytes, flags);
}
bool Access::store(uint64_t address, const void* in, size_t bytes, uint8_t flags) {
  return pieces(Kind::kStore, address, static_cast<uint8_t*>(const_cast<void*>(in)), nullptr, bytes, flags);
}
bool Access::peek(uint64_t address, void* out, size_t bytes) {
  return pieces(Kind::kPeek, address, static_cast<uint8_t*>(out), nullptr, bytes, 0);
}
bool Access::update(uint64_t address, const void* old, const void* in, size_t bytes, uint8_t flags) {
  return pieces(Kind::kUpdate, address, static_cast<uint8_t*>(const_cast<void*>(in)),
                static_cast<const uint8_t*>(old), bytes, flags);
}

bool Access::compare_exchange(uint64_t address, const void* old, const void* in, size_t bytes,
                              bool* swapped) {
  const Region* region = find_region(address);
  if (!allowed(*region, address, true)) return false;
  Record record = record_of(Operation::kUpdate, *region, address, bytes, pc, trace_channel::kAtomic);
  record.bytes = static_cast<uint32_t>(bytes);
  const bool recording = begin_order(2 * bytes);
  const bool done = raw_compare_exchange(region->real(address), old, in, bytes, swapped);
  if (done && *swapped && recording) append_record(record, old, bytes, in, bytes);
  end_order();
  return done || failed(address);
}

bool Access::load_run(uint64_t address, void* out, size_t width, size_t count) {
  const Region* region = find_region(address);
  if (region == nullptr) {
    return raw_copy_units(out, reinterpret_cast<const void*>(address), width, count) || failed(address);
  }
  if (!allowed(*region, address, false)) return false;
  Record record = record_of(Operation::kRead, *region, address, width, pc, trace_channel::kRepeated);
  record.bytes = static_cast<uint32_t>(width * count);
  const bool recording = begin_order(record.bytes);
  const bool done = raw_copy_units(out, region->real(address), width, count);
  if (done && recording) append_record(record, out, record.bytes);
  end_order();
  return done || failed(address);
}

bool Access::store_run(uint64_t address, const void* in, size_t width, size_t count) {
  const Region* region = find_region(address);
  if (region == nullptr) {
    return raw_copy_units(reinterpret_cast<void*>(address), in, width, count) || failed(address);
  }
  if (!allowed(*region, address, true)) return false;
  Record record = record_of(Operation::kWrite, *region, address, width, pc, trace_channel::kRepeated);
  record.bytes = static_cast<uint32_t>(width * count);
  const bool recording = begin_order(record.bytes);
  const bool done = raw_copy_units(region->real(address), in, width, count);
  if (done && recording) append_record(record, in, record.bytes);
  end_order();
  return done || failed(address);
}

}  // namespace gpuvm::agent
