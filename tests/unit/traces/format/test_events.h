// Events and files for the tests of the container.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>

#include "traces/core/memory_stream.h"
#include "traces/format/gvt.h"

namespace gpuvm::testing {

// A path in a directory of its own, which goes away with it.
class TempFile {
 public:
  explicit TempFile(const std::string& name = "t.gvt") {
    std::string pattern = std::filesystem::temp_directory_path() / "gpuvm-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    path_ = directory_ + "/" + name;
  }
  ~TempFile() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;

  const std::string& path() const { return path_; }
  std::string sibling(const std::string& name) const { return directory_ + "/" + name; }

 private:
  std::string directory_, path_;
};

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void spill(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

enum class Flavour { kHostile, kDriver, kMixed };

// kHostile: every field anything. kDriver: runs, polls and table writes as a driver makes them.
inline MemoryTrace random_trace(uint64_t seed, size_t count, Flavour flavour) {
  std::mt19937_64 random(seed);
  MemoryTrace trace;
  auto number = [&] { return random() >> (random() % 64); };
  uint64_t time = 0, address = 0, value = 0;
  while (trace.events().size() < count) {
    bool hostile = flavour == Flavour::kHostile || (flavour == Flavour::kMixed && random() % 4 == 0);
    if (hostile) {
      Event event{.time_ns = number(),
                  .address = number(),
                  .value = number(),
                  .aux = static_cast<uint32_t>(number()),
                  .kind = static_cast<EventKind>(random() % kEventKinds),
                  .space = static_cast<uint8_t>(number()),
                  .width = static_cast<uint8_t>(number()),
                  .flags = static_cast<uint8_t>(number())};
      std::vector<std::byte> payload(random() % 8 == 0 ? random() % 300 : random() % 8);
      for (std::byte& byte : payload) byte = static_cast<std::byte>(random());
      EXPECT_TRUE(trace.write(event, has_payload(event.kind) ? Bytes(payload) : Bytes{}).ok());
      continue;
    }
    size_t run = 1 + random() % 40;
    switch (random() % 5) {
      case 0:  // memset
        address = random() % 65536 * 16, value = random() % 2 ? 0 : random();
        for (size_t i = 0; i < run; ++i, address += 4) {
          EXPECT_TRUE(trace
                          .write({.time_ns = time += 11'000 + random() % 2000,
                                  .address = address,
                                  .value = value,
                                  .kind = EventKind::kMmioWrite,
                                  .space = 3,
                                  .width = 4})
                          .ok());
        }
        break;
      case 1:  // table entries
        address = random() % 65536 * 8, value = random() % 65536 * 16 + 1;
        for (size_t i = 0; i < 2 * run; ++i, address += 4) {
          EXPECT_TRUE(trace
                          .write({.time_ns = time += 11'000 + random() % 2000,
                                  .address = address,
                                  .value = i % 2 ? 5 : value,
                                  .kind = EventKind::kMmioWrite,
                                  .space = 3,
                                  .width = 4})
                          .ok());
          if (i % 2) value += 0x10;
        }
        break;
      case 2:  // poll
        address = 0x100c80 + random() % 4 * 4;
        for (size_t i = 0; i < run; ++i) {
          EXPECT_TRUE(trace
                          .write({.time_ns = time += 12'000 + random() % 3000,
                                  .address = address,
                                  .value = i + 1 == run ? 0x8000u : 0u,
                                  .kind = EventKind::kMmioRead,
                                  .width = 4})
                          .ok());
        }
        break;
      case 3:  // upload to a port
        for (size_t i = 0; i < run; ++i) {
          EXPECT_TRUE(trace
                          .write({.time_ns = time += 11'000 + random() % 2000,
                                  .address = 0x409184,
                                  .value = random() & 0xffffffff,
                                  .kind = EventKind::kMmioWrite,
                                  .width = 4})
                          .ok());
        }
        break;
      default:  // the GPU fetches
        std::vector<std::byte> payload(8 * run);
        for (std::byte& byte : payload) byte = static_cast<std::byte>(random() % 4);
        EXPECT_TRUE(trace
                        .write({.time_ns = time += 500,
                                .address = 0x1000 * (random() % 4096),
                                .kind = EventKind::kDmaRead},
                               payload)
                        .ok());
    }
  }
  MemoryTrace exact;
  for (const Event& event : trace.batch().events.first(count)) {
    EXPECT_TRUE(exact.write(event, trace.batch().payload(event)).ok());
  }
  return exact;
}

inline Status write_all(TraceWriter& writer, const MemoryTrace& trace) {
  EventBatch batch = trace.batch();
  for (const Event& event : batch.events) GPUVM_TRY_STATUS(writer.write(event, batch.payload(event)));
  for (const auto& [name, bytes] : trace.attachments())
    GPUVM_TRY_STATUS(writer.attach(name, as_bytes(bytes)));
  return Ok{};
}

inline void write_file(const std::string& path, const MemoryTrace& trace, const WriterOptions& options) {
  auto writer = TraceWriter::create(path, options);
  ASSERT_TRUE(writer.ok()) << writer.error().message;
  Status written = write_all(*writer.value(), trace);
  ASSERT_TRUE(written.ok()) << written.error().message;
  Status closed = writer.value()->close();
  ASSERT_TRUE(closed.ok()) << closed.error().message;
}

// Everything from `reader` until its end, checking that batches follow each other.
inline MemoryTrace read_all(TraceReader& reader, uint64_t from = 0) {
  MemoryTrace trace;
  uint64_t seq = from;
  for (;;) {
    Result<const EventBatch*> batch = reader.next();
    EXPECT_TRUE(batch.ok()) << batch.error().message;
    if (!batch.ok() || batch.value() == nullptr) return trace;
    const EventBatch& events = *batch.value();
    EXPECT_EQ(events.first_seq, seq);
    for (const Event& event : events.events) {
      bool made_up = event.kind == EventKind::kLoss && events.events.size() == 1;
      seq += made_up ? 0 : 1;
      EXPECT_TRUE(trace.write(event, events.payload(event)).ok());
    }
    if (events.events.size() == 1 && events.events[0].kind == EventKind::kLoss)
      seq = events.first_seq + events.events[0].value;
  }
}

// What a trace must read back as: times in whole units.
inline std::vector<Event> rounded(const MemoryTrace& trace, uint64_t unit, size_t first = 0) {
  std::vector<Event> events(trace.events().begin() + static_cast<std::ptrdiff_t>(first),
                            trace.events().end());
  for (Event& event : events) event.time_ns = event.time_ns / unit * unit;
  return events;
}

}  // namespace gpuvm::testing
