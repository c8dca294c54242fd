// What goes in comes out: all kinds, all values, any place.
#include <numeric>

#include "tests/unit/traces/format/test_events.h"
#include "traces/format/layout.h"
#include "traces/format/record_encoder.h"
#include "traces/format/verify.h"

namespace gpuvm {
namespace {

using namespace gpuvm::testing;

struct Case {
  Flavour flavour;
  Compression compression;
  uint64_t unit;
  uint32_t chunk_events;
  unsigned threads;
  size_t count;
};

void round_trip(const Case& c, uint64_t seed) {
  TempFile file;
  MemoryTrace trace = random_trace(seed, c.count, c.flavour);
  write_file(file.path(), trace,
             {.time_unit_ns = c.unit,
              .compression = c.compression,
              .chunk_events = c.chunk_events,
              .encode_threads = c.threads});
  auto reader = TraceReader::open(file.path());
  ASSERT_TRUE(reader.ok()) << reader.error().message;
  EXPECT_TRUE(reader.value()->summary().complete);
  EXPECT_EQ(reader.value()->summary().problem, "");
  EXPECT_EQ(reader.value()->summary().events, trace.events().size());
  // One event a chunk cannot be told from a made-up loss by read_all: compare events, not numbers.
  std::vector<Event> got;
  std::vector<std::byte> blob;
  for (;;) {
    auto batch = reader.value()->next();
    ASSERT_TRUE(batch.ok()) << batch.error().message;
    if (batch.value() == nullptr) break;
    EXPECT_EQ(batch.value()->first_seq, got.size());
    for (const Event& event : batch.value()->events) {
      got.push_back(event);
      Bytes payload = batch.value()->payload(event);
      blob.insert(blob.end(), payload.begin(), payload.end());
    }
  }
  std::vector<Event> want = rounded(trace, c.unit);
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], want[i]) << "event " << i << " seed " << seed;
  Bytes whole = trace.batch().blob;
  EXPECT_TRUE(std::equal(blob.begin(), blob.end(), whole.begin(), whole.end()));
}

TEST(RoundTrip, AllFlavoursLevelsUnits) {
  uint64_t seed = 1;
  for (Flavour flavour : {Flavour::kHostile, Flavour::kDriver, Flavour::kMixed}) {
    for (Compression compression : {Compression::kFast, Compression::kDefault, Compression::kBest}) {
      for (uint64_t unit : {uint64_t{1}, uint64_t{1000}, uint64_t{1001}}) {
        for (unsigned threads : {0u, 1u, 3u}) {
          round_trip({flavour, compression, unit, 512, threads, 2000}, seed++);
        }
      }
    }
  }
}

TEST(RoundTrip, EveryChunkSize) {
  for (uint32_t chunk = 1; chunk < 40; ++chunk)
    round_trip({Flavour::kMixed, Compression::kDefault, 1, chunk, 1 + chunk % 2, 97}, chunk);
}

TEST(RoundTrip, ManySeeds) {
  for (uint64_t seed = 100; seed < 300; ++seed) {
    round_trip({static_cast<Flavour>(seed % 3), Compression::kFast, 1,
                1 + static_cast<uint32_t>(seed * 7 % 900), 0, 1 + seed * 13 % 1500},
               seed);
  }
}

TEST(RoundTrip, FullChunks) {
  round_trip({Flavour::kDriver, Compression::kDefault, 1000, 65536, 2, 200'000}, 5);
}

// More different accesses, each made again, than have numbers of two bytes.
TEST(RoundTrip, RecordsWithLongNumbers) {
  constexpr uint32_t kRecords = format::kTwoByteIds + 4000;
  std::mt19937 random(1);
  MemoryTrace trace;
  std::vector<uint32_t> order(kRecords);
  std::iota(order.begin(), order.end(), 0u);
  for (int round = 0; round < 3; ++round) {
    std::shuffle(order.begin(), order.end(), random);
    for (const uint32_t n : order) {
      ASSERT_TRUE(trace
                      .write({.time_ns = trace.events().size(),
                              .address = uint64_t{n} * 0x1004,
                              .value = n * 0x9e3779b1u,
                              .kind = EventKind::kMmioWrite,
                              .width = 4})
                      .ok());
    }
  }
  format::RecordEncoder encoder;
  ASSERT_GT(encoder.encode(trace.events()).records.size(), format::kTwoByteIds);
  TempFile file;
  write_file(file.path(), trace, {.time_unit_ns = 1, .chunk_events = 3 * kRecords, .encode_threads = 0});
  auto reader = TraceReader::open(file.path()).value();
  EXPECT_EQ(read_all(*reader).events(), trace.events());
}

TEST(RoundTrip, NoEvents) {
  TempFile file;
  write_file(file.path(), MemoryTrace(), {});
  auto reader = TraceReader::open(file.path());
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(reader.value()->next().value(), nullptr);
  EXPECT_TRUE(reader.value()->summary().complete);
}

TEST(RoundTrip, LargePayloadsAndTheirLimit) {
  TempFile file;
  std::vector<std::byte> large(kMaxEventPayload, std::byte{7}), larger(kMaxEventPayload + 1);
  auto writer = TraceWriter::create(file.path(), {}).value();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(writer->write({.kind = EventKind::kDmaWrite}, large).ok());
    ASSERT_TRUE(writer->write({.kind = EventKind::kMark}, as_bytes("x")).ok());
  }
  Status refused = writer->write({.kind = EventKind::kDmaWrite}, larger);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("split it"), std::string::npos);
  ASSERT_TRUE(writer->close().ok());
  auto reader = TraceReader::open(file.path()).value();
  MemoryTrace back = read_all(*reader);
  ASSERT_EQ(back.events().size(), 6u);
  EXPECT_EQ(back.events()[4].aux, kMaxEventPayload);
  EXPECT_EQ(back.batch().blob.size(), 3 * (kMaxEventPayload + 1));
}

TEST(RoundTrip, Attachments) {
  TempFile file;
  MemoryTrace trace = random_trace(3, 100, Flavour::kDriver);
  TraceMeta meta;
  meta.workload = "copy";
  std::string large(3 << 20, 'k');
  ASSERT_TRUE(trace.attach(kMetaAttachment, as_bytes(to_json(meta))).ok());
  ASSERT_TRUE(trace.attach(kKallsymsAttachment, as_bytes(large)).ok());
  ASSERT_TRUE(trace.attach("empty", {}).ok());
  write_file(file.path(), trace, {});
  auto reader = TraceReader::open(file.path()).value();
  EXPECT_EQ(reader->meta(), meta);
  EXPECT_EQ(reader->attachment_names().size(), 3u);
  EXPECT_EQ(reader->attachment(kKallsymsAttachment).value(), large);
  EXPECT_EQ(reader->attachment("empty").value(), "");
  EXPECT_FALSE(reader->attachment("absent").ok());
}

TEST(RoundTrip, LaterAttachmentReplacesEarlier) {
  TempFile file;
  auto writer = TraceWriter::create(file.path(), {}).value();
  ASSERT_TRUE(writer->attach("a", as_bytes("one")).ok());
  ASSERT_TRUE(writer->attach("a", as_bytes("two")).ok());
  ASSERT_TRUE(writer->close().ok());
  EXPECT_EQ(TraceReader::open(file.path()).value()->attachment("a").value(), "two");
}

TEST(Parallel, GivesTheSame) {
  TempFile file;
  MemoryTrace trace = random_trace(9, 5000, Flavour::kMixed);
  write_file(file.path(), trace, {.time_unit_ns = 1, .chunk_events = 64});
  auto reader = TraceReader::open(file.path(), {.decode_threads = 3}).value();
  for (size_t from : {size_t{0}, size_t{4000}, size_t{130}}) {
    ASSERT_TRUE(reader->seek(from).ok());
    size_t seq = from;
    while (const EventBatch* batch = reader->next().value()) {
      for (const Event& event : batch->events) ASSERT_EQ(event, trace.events()[seq++]);
    }
    EXPECT_EQ(seq, 5000u);
  }
  ASSERT_TRUE(reader->seek(77).ok());
  EXPECT_EQ(reader->next().value()->events[0], trace.events()[77]);  // and leaves with work under way
}

// The event chunks of a file, without what is random in it (the file's id, and the checksums of headers).
std::string event_chunks(const std::string& path) {
  std::string bytes = slurp(path), chunks;
  const ByteSpan all(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  for (size_t at = format::kFileHeaderBytes;;) {
    const auto header = format::load_chunk_header(all.subspan(at));
    if (!header) return chunks;
    const size_t size = format::kChunkHeaderBytes + header->body_bytes;
    if (header->type == static_cast<uint16_t>(format::ChunkType::kEvents)) {
      chunks += fmt::format("{} {} {} {}\n", header->first_seq, header->count, header->blob_base,
                            header->blob_bytes);
      chunks += bytes.substr(at + format::kChunkHeaderBytes, header->body_bytes);
    }
    at += size;
  }
}

TEST(ParallelEncode, TheSameBytesHoweverManyThreads) {
  TempFile file;
  MemoryTrace trace = random_trace(11, 20'000, Flavour::kMixed);
  WriterOptions options{.time_unit_ns = 1, .chunk_events = 256, .chunk_ms = 3'600'000};
  write_file(file.path(), trace, options);
  const std::string want = event_chunks(file.path());
  EXPECT_GT(want.size(), 20'000u);
  for (unsigned threads : {2u, 3u, 5u, 16u, 1000u}) {
    options.encode_threads = threads;
    write_file(file.path(), trace, options);
    EXPECT_EQ(event_chunks(file.path()), want) << threads << " threads";
    EXPECT_TRUE(verify_trace(file.path()).value().whole());
  }
}

// flush(), attach() and events() between writes, as a recorder calls them while chunks are under way.
TEST(ParallelEncode, FlushesAndAttachmentsBetween) {
  TempFile file;
  MemoryTrace trace = random_trace(12, 6000, Flavour::kMixed);
  auto writer = TraceWriter::create(
                    file.path(), {.time_unit_ns = 1, .chunk_events = 64, .chunk_ms = 1, .encode_threads = 3})
                    .value();
  EventBatch batch = trace.batch();
  uint64_t written = 0;
  for (const Event& event : batch.events) {
    ASSERT_TRUE(writer->write(event, batch.payload(event)).ok());
    ASSERT_EQ(writer->events(), ++written);
    if (written % 97 == 0) {
      ASSERT_TRUE(writer->attach("progress", as_bytes(std::to_string(written))).ok());
    }
    if (written % 331 != 0) continue;
    ASSERT_TRUE(writer->flush().ok());
    ASSERT_EQ(TraceReader::open(file.path()).value()->summary().events, written);
  }
  ASSERT_TRUE(writer->close().ok());
  auto reader = TraceReader::open(file.path()).value();
  EXPECT_EQ(reader->attachment("progress").value(), std::to_string(6000 / 97 * 97));
  EXPECT_EQ(read_all(*reader).events().size(), 6000u);
  EXPECT_TRUE(verify_trace(file.path()).value().whole());
}

// Batches that are kept stay what they were, however the reader goes on.
TEST(Take, GivesBatchesAway) {
  TempFile file;
  const MemoryTrace trace = random_trace(9, 1000, Flavour::kMixed);
  write_file(file.path(), trace, {.time_unit_ns = 1, .chunk_events = 64});
  for (unsigned threads : {1u, 4u}) {
    auto reader = TraceReader::open(file.path(), {.decode_threads = threads}).value();
    std::vector<OwnedBatch> kept;
    ASSERT_TRUE(reader->seek(70).ok());  // the first is the rest of a chunk
    while (true) {
      OwnedBatch batch;
      batch.events.resize(kept.size() * 10);  // memory of any size is used again
      auto more = reader->take(batch);
      ASSERT_TRUE(more.ok());
      if (!more.value()) break;
      kept.push_back(std::move(batch));
      if (kept.size() != 3) continue;
      // A chunk that was given away is decoded anew when it is asked for again.
      for (const OwnedBatch* given : {&kept[2], &kept[1]}) {
        ASSERT_TRUE(reader->seek(given->first_seq).ok());
        const EventBatch* again = reader->next().value();
        ASSERT_EQ(again->first_seq, given->first_seq);
        ASSERT_TRUE(std::ranges::equal(again->events, given->events));
      }
      ASSERT_TRUE(reader->seek(kept[2].first_seq + kept[2].events.size()).ok());
    }
    size_t seq = 70;
    for (const OwnedBatch& batch : kept) {
      ASSERT_EQ(batch.first_seq, seq);
      for (const Event& event : batch.events) {
        ASSERT_EQ(event, trace.events()[seq]) << seq;
        const Bytes a = batch.view().payload(event), b = trace.batch().payload(trace.events()[seq]);
        ASSERT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end())) << seq;
        ++seq;
      }
    }
    EXPECT_EQ(seq, 1000u);
  }
}

TEST(Seek, AnySequenceNumber) {
  TempFile file;
  MemoryTrace trace = random_trace(9, 1000, Flavour::kMixed);
  write_file(file.path(), trace, {.time_unit_ns = 1, .chunk_events = 64});
  auto reader = TraceReader::open(file.path()).value();
  for (size_t seq : {size_t{999}, size_t{0}, size_t{63}, size_t{64}, size_t{65}, size_t{500}, size_t{128}}) {
    ASSERT_TRUE(reader->seek(seq).ok());
    auto batch = reader->next();
    ASSERT_TRUE(batch.ok());
    EXPECT_EQ(batch.value()->first_seq, seq);
    const Event& event = batch.value()->events[0];
    Event want = trace.events()[seq];
    EXPECT_EQ(event, want);
    Bytes a = batch.value()->payload(event), b = trace.batch().payload(want);
    EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
  }
  ASSERT_TRUE(reader->seek(1000).ok());
  EXPECT_EQ(reader->next().value(), nullptr);
  ASSERT_TRUE(reader->seek(UINT64_MAX).ok());
  EXPECT_EQ(reader->next().value(), nullptr);
}

}  // namespace
}  // namespace gpuvm
