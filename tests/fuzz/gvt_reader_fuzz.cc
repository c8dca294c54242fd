// Any bytes as a .gvt: opened, read, searched, verified and repaired without a crash or a large allocation.
// The first byte chooses: bit 0, mend the checksums first, so that what they protect is reached. An operation
// is an event read, or a call on the file: open, next, seek, an attachment, verify, repair.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "tests/support/operation_cost.h"
#include "tests/support/operation_count.h"
#include "traces/format/layout.h"
#include "traces/format/verify.h"

namespace {

using namespace gpuvm;
using test::OperationCount;

// A chunk of a few bytes may hold a whole batch of equal events.
constexpr test::CostLimit kFile{.once_us = 200'000, .each_us = 200, .once_kib = 64 << 10, .each_kib = 1};

// Makes every checksum right where a chunk header seems to stand.
void mend(format::Buffer& bytes) {
  if (bytes.size() < format::kFileHeaderBytes) return;
  store<uint64_t>(bytes.data() + format::kFileHeaderBytes - 8,
                  format::hash_bytes(ByteSpan(bytes).first(format::kFileHeaderBytes - 8)));
  size_t at = format::kFileHeaderBytes;
  while (bytes.size() - at >= format::kChunkHeaderBytes) {
    uint8_t* header = bytes.data() + at;
    auto body = load<uint32_t>(header + 40);
    size_t room = bytes.size() - at - format::kChunkHeaderBytes;
    if (body > room) body = static_cast<uint32_t>(room);
    store<uint64_t>(header + 48, format::hash_bytes({header + format::kChunkHeaderBytes, body}));
    store<uint64_t>(header + 56, format::hash_bytes({header, 56}));
    at += format::kChunkHeaderBytes + body;
  }
  if (bytes.size() >= format::kTrailerBytes) {
    uint8_t* trailer = bytes.data() + bytes.size() - format::kTrailerBytes;
    store<uint64_t>(trailer + 24, format::hash_bytes({trailer, 24}));
  }
}

uint64_t read(const std::string& path) {
  OperationCount::add();
  auto opened = TraceReader::open(path);
  if (!opened.ok()) return 1;
  TraceReader& reader = *opened.value();
  uint64_t sum = 0, done = 1;
  for (int pass = 0; pass < 2; ++pass) {
    for (int batches = 0; batches < 1000; ++batches) {
      OperationCount::add();
      auto batch = reader.next();
      if (!batch.ok() || batch.value() == nullptr) break;
      OperationCount::add(batch.value()->events.size());
      done += 1 + batch.value()->events.size();
      for (const Event& event : batch.value()->events) {
        for (std::byte byte : batch.value()->payload(event)) sum += static_cast<uint64_t>(byte);
      }
    }
    OperationCount::add();
    (void)reader.seek(reader.summary().end_seq / 2);
  }
  for (const std::string& name : reader.attachment_names()) {
    OperationCount::add();
    (void)reader.attachment(name).ok();
  }
  (void)reader.refresh().ok();
  volatile uint64_t keep = sum;
  (void)keep;
  return done + reader.attachment_names().size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  format::Buffer bytes(data + 1, data + size);
  if (data[0] & 1) mend(bytes);
  int fd = memfd_create("gvt", MFD_CLOEXEC);
  if (fd < 0 || ::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return 0;
  std::string path = "/proc/self/fd/" + std::to_string(fd);
  const test::OperationCost cost;
  const uint64_t done = read(path);
  OperationCount::add();
  (void)gpuvm::verify_trace(path).ok();
  if (data[0] & 2) {
    OperationCount::add();
    int out = memfd_create("out", MFD_CLOEXEC);
    (void)gpuvm::repair_trace(path, "/proc/self/fd/" + std::to_string(out)).ok();
    ::close(out);
  }
  cost.require_within(kFile, done);
  ::close(fd);
  return 0;
}
