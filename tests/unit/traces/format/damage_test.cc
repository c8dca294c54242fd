// Cut, flipped and foreign bytes: always a clear answer, and everything that is whole is read.
#include <array>

#include "tests/unit/traces/format/test_events.h"
#include "traces/format/layout.h"
#include "traces/format/plain_codec.h"
#include "traces/format/verify.h"

namespace gpuvm {
namespace {

using namespace gpuvm::testing;

constexpr uint32_t kChunk = 50;

std::string sample(const std::string& path, size_t count, uint64_t seed = 1) {
  MemoryTrace trace = random_trace(seed, count, Flavour::kMixed);
  EXPECT_TRUE(trace.attach("note", as_bytes("attached text")).ok());
  auto writer =
      TraceWriter::create(path, {.time_unit_ns = 1, .chunk_events = kChunk, .encode_threads = 0}).value();
  EXPECT_TRUE(writer->attach("first", as_bytes("at the start")).ok());
  EXPECT_TRUE(write_all(*writer, trace).ok());
  EXPECT_TRUE(writer->close().ok());
  return slurp(path);
}

// Reads all that can be read; what is there must be a part of `want` at the right place. Returns the events
// matched.
size_t expect_part_of(const std::string& path, const std::vector<Event>& want) {
  auto reader = TraceReader::open(path);
  if (!reader.ok()) {
    EXPECT_EQ(reader.error().message.find('\n'), std::string::npos);
    EXPECT_NE(reader.error().message.find(path), std::string::npos);
    return 0;
  }
  size_t matched = 0;
  uint64_t seq = 0;
  for (;;) {
    auto batch = reader.value()->next();
    EXPECT_TRUE(batch.ok());
    if (!batch.ok() || batch.value() == nullptr) break;
    EXPECT_EQ(batch.value()->first_seq, seq);
    std::span<const Event> events = batch.value()->events;
    bool hole = events.size() == 1 && events[0].kind == EventKind::kLoss &&
                !(seq < want.size() && events[0] == want[seq]);
    if (hole) {
      EXPECT_FALSE(reader.value()->summary().problem.empty());
      seq += events[0].value;
      continue;
    }
    for (const Event& event : events) {
      EXPECT_LT(seq, want.size());
      if (seq >= want.size()) return matched;
      EXPECT_EQ(event, want[seq]) << "event " << seq;
      (void)batch.value()->payload(event);
      ++seq;
      ++matched;
    }
  }
  return matched;
}

TEST(Damage, CutAtEveryByte) {
  TempFile file;
  std::string whole = sample(file.path(), 300);
  std::vector<Event> want = random_trace(1, 300, Flavour::kMixed).events();
  size_t before = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    spill(file.path(), whole.substr(0, size));
    size_t matched = expect_part_of(file.path(), want);
    EXPECT_EQ(matched % kChunk, 0u);
    EXPECT_GE(matched, before);
    before = matched;
    auto report = verify_trace(file.path());
    if (report.ok()) {
      EXPECT_FALSE(report.value().whole());
      EXPECT_EQ(report.value().events, matched);
    }
  }
  EXPECT_EQ(before, 300u);
}

TEST(Damage, ThousandFlipsAndCuts) {
  TempFile file;
  std::string whole = sample(file.path(), 3000);
  std::vector<Event> want = random_trace(1, 3000, Flavour::kMixed).events();
  std::mt19937_64 random(4);
  std::string repaired = file.sibling("repaired.gvt");
  for (int round = 0; round < 1000; ++round) {
    std::string bytes = whole;
    for (uint64_t flips = random() % 4; flips > 0; --flips)
      bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
    if (random() % 3 == 0) bytes.resize(random() % bytes.size());
    if (random() % 8 == 0) bytes.erase(random() % bytes.size(), random() % 300);
    spill(file.path(), bytes);
    size_t matched = expect_part_of(file.path(), want);
    auto report = verify_trace(file.path());
    if (!report.ok()) continue;
    EXPECT_EQ(report.value().whole(), bytes == whole) << round;
    if (round % 4 != 0) continue;
    auto saved = repair_trace(file.path(), repaired);
    ASSERT_TRUE(saved.ok()) << saved.error().message;
    EXPECT_EQ(saved.value().saved_events, report.value().events);
    EXPECT_GE(matched + kChunk, saved.value().saved_events);
    auto clean = verify_trace(repaired);
    ASSERT_TRUE(clean.ok());
    EXPECT_TRUE(clean.value().whole());
    EXPECT_EQ(clean.value().events, saved.value().saved_events + saved.value().loss_events);
  }
}

// The beginning of a bundled recording of stock nouveau, in small chunks so that every round is quick and
// hits headers, index and trailer too.
std::string recording(const std::string& path, std::vector<Event>& events) {
  auto reader = TraceReader::open(GPUVM_SOURCE_DIR "/traces/samples/load-noaccel.gvt").value();
  MemoryTrace trace;
  while (trace.events().size() < 10'000) {
    const EventBatch* batch = reader->next().value();
    for (const Event& event : batch->events) {
      EXPECT_TRUE(trace.write(event, batch->payload(event)).ok());
    }
  }
  EXPECT_TRUE(trace.attach(kMetaAttachment, as_bytes(to_json(reader->meta()))).ok());
  write_file(path, trace,
             {.chunk_events = static_cast<uint32_t>(trace.events().size() / 20), .encode_threads = 0});
  events.assign(trace.events().begin(), trace.events().end());
  return slurp(path);
}

// Reader, verify and repair of what is left of a file must agree and lose nothing that is whole.
void expect_clear_answer(const std::string& path, const std::vector<Event>& want, bool whole) {
  const size_t matched = expect_part_of(path, want);
  auto report = verify_trace(path);
  const std::string repaired = path + ".repaired";
  auto saved = repair_trace(path, repaired);
  ASSERT_EQ(report.ok(), saved.ok());
  if (!report.ok()) {
    EXPECT_EQ(report.error().message.find('\n'), std::string::npos);
    EXPECT_NE(report.error().message.find(path), std::string::npos);
    return;
  }
  EXPECT_EQ(report.value().whole(), whole);
  EXPECT_EQ(saved.value().saved_events, report.value().events);
  // An index that is whole can hide a chunk that only a search finds, never the other way round.
  EXPECT_LE(matched, saved.value().saved_events);
  auto clean = verify_trace(repaired);
  ASSERT_TRUE(clean.ok());
  EXPECT_TRUE(clean.value().whole());
  EXPECT_EQ(clean.value().events, saved.value().saved_events + saved.value().loss_events);
}

TEST(Damage, ThousandCutsOfARecording) {
  TempFile file;
  std::vector<Event> want;
  const std::string whole = recording(file.path(), want);
  std::mt19937_64 random(11);
  for (int round = 0; round < 1000; ++round) {
    spill(file.path(), whole.substr(0, random() % whole.size()));
    expect_clear_answer(file.path(), want, /*whole=*/false);
    if (HasFailure()) FAIL() << "round " << round;
  }
}

TEST(Damage, ThousandBitFlipsOfARecording) {
  TempFile file;
  std::vector<Event> want;
  const std::string whole = recording(file.path(), want);
  std::mt19937_64 random(12);
  for (int round = 0; round < 1000; ++round) {
    std::string bytes = whole;
    bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
    spill(file.path(), bytes);
    expect_clear_answer(file.path(), want, /*whole=*/false);
    if (HasFailure()) FAIL() << "round " << round;
  }
}

TEST(Damage, OneBadChunkHidesNoOther) {
  TempFile file;
  std::string whole = sample(file.path(), 1000);
  // The fourth event chunk: its body, then its header, then its magic.
  size_t at = format::kFileHeaderBytes;
  for (int chunk = 0; chunk < 4; ++chunk) {
    ByteSpan rest(reinterpret_cast<const uint8_t*>(whole.data()) + at, whole.size() - at);
    at += format::kChunkHeaderBytes + format::load_chunk_header(rest)->body_bytes;
  }
  for (size_t offset : {at + 70, at + 20, at}) {
    std::string bytes = whole;
    bytes[offset] ^= 0x10;
    spill(file.path(), bytes);
    EXPECT_EQ(expect_part_of(file.path(), random_trace(1, 1000, Flavour::kMixed).events()), 950u);
    VerifyReport report = verify_trace(file.path()).value();
    EXPECT_TRUE(report.complete);
    ASSERT_EQ(report.missing.size(), 1u);
    EXPECT_EQ(report.missing[0].first_seq, 150u);
    EXPECT_EQ(report.missing[0].count, 50u);
    ASSERT_EQ(report.damage.size(), 1u);
    EXPECT_EQ(report.damage[0].offset, at);
    std::string repaired = file.sibling("repaired.gvt");
    RepairReport saved = repair_trace(file.path(), repaired).value();
    EXPECT_EQ(saved.saved_events, 950u);
    EXPECT_EQ(saved.loss_events, 1u);
    auto reader = TraceReader::open(repaired).value();
    EXPECT_EQ(reader->summary().lost_events - TraceReader::open(file.path()).value()->summary().lost_events,
              50u);
    EXPECT_EQ(reader->attachment("first").value(), "at the start");
    ASSERT_TRUE(reader->seek(150).ok());
    const Event& loss = reader->next().value()->events[0];
    EXPECT_EQ(loss.kind, EventKind::kLoss);
    EXPECT_EQ(loss.value, 50u);
  }
}

// A recording may hold another trace as payload: its chunks are not ours, even when ours are damaged.
TEST(Damage, TraceInsideATraceIsNotTakenForPartOfIt) {
  TempFile file;
  std::mt19937_64 random(5);
  std::string inner(format::kChunkHeaderBytes + 100'000, '\0');
  for (char& byte : inner) byte = static_cast<char>(random());  // so that it is stored as it is
  auto* bytes = reinterpret_cast<uint8_t*>(inner.data());
  ByteSpan body(bytes + format::kChunkHeaderBytes, inner.size() - format::kChunkHeaderBytes);
  format::store_chunk_header({.type = 900,
                              .file_id = random(),
                              .body_bytes = static_cast<uint32_t>(body.size()),
                              .body_hash = format::hash_bytes(body)},
                             bytes);
  MemoryTrace outer;
  ASSERT_TRUE(outer.write({.kind = EventKind::kMark}, as_bytes("before")).ok());
  ASSERT_TRUE(outer.write({.kind = EventKind::kDmaWrite}, as_bytes(inner)).ok());
  ASSERT_TRUE(outer.write({.kind = EventKind::kMark}, as_bytes("after")).ok());
  write_file(file.path(), outer, {.chunk_events = 1});
  std::string whole = slurp(file.path());
  size_t at = whole.find(inner);
  ASSERT_NE(at, std::string::npos);
  size_t header = whole.rfind("gvc", at);
  whole[header + 20] ^= 1;
  spill(file.path(), whole);
  VerifyReport report = verify_trace(file.path()).value();
  EXPECT_EQ(report.events, 2u);
  EXPECT_EQ(report.unknown_chunks, 0u);
}

TEST(Damage, RepairOntoItselfIsRefused) {
  TempFile file;
  std::string whole = sample(file.path(), 100);
  EXPECT_FALSE(repair_trace(file.path(), file.path()).ok());
  EXPECT_EQ(slurp(file.path()), whole);
}

TEST(Damage, NotAGvt) {
  TempFile file;
  for (const std::string& bytes :
       {std::string(), std::string("VERSION 20070824\n"), std::string(4096, '\0')}) {
    spill(file.path(), bytes);
    auto reader = TraceReader::open(file.path());
    ASSERT_FALSE(reader.ok());
    EXPECT_NE(reader.error().message.find("not a .gvt"), std::string::npos);
    EXPECT_FALSE(verify_trace(file.path()).ok());
    EXPECT_FALSE(repair_trace(file.path(), file.sibling("out.gvt")).ok());
    EXPECT_FALSE(std::filesystem::exists(file.sibling("out.gvt")));
  }
  EXPECT_FALSE(TraceReader::open(file.sibling("absent.gvt")).ok());
  EXPECT_FALSE(TraceReader::open("/").ok());
}

// Written by the writer of version 1 (plain columns).
TEST(Versions, One) {
  const std::string path = GPUVM_SOURCE_DIR "/tests/data/traces/version1.gvt";
  EXPECT_TRUE(verify_trace(path).value().whole());
  auto reader = TraceReader::open(path).value();
  EXPECT_EQ(reader->meta().workload, "version 1");
  MemoryTrace trace = read_all(*reader);
  ASSERT_EQ(trace.events().size(), 300u);
  auto hash = [](const void* bytes, size_t size) {
    return format::hash_bytes({static_cast<const uint8_t*>(bytes), size});
  };
  EXPECT_EQ(hash(trace.events().data(), 300 * sizeof(Event)), 2036451097834526351u);
  EXPECT_EQ(hash(trace.batch().blob.data(), trace.batch().blob.size()), 5860500313828132852u);
}

// One event: as many bytes as a number can have, and one more.
TEST(Versions, AColumnOfVersionOneIsNoLongerThanItCanBe) {
  constexpr std::array<size_t, 5> kMost{4, 10, 10, 10, 5};  // kinds, times, addresses, values, lengths
  format::StreamWriter writer(1);
  for (uint8_t longest = 0; longest < kMost.size(); ++longest) {
    for (const size_t more : {0, 1}) {
      format::Buffer body;
      for (uint8_t id = 0; id < kMost.size(); ++id) {
        const size_t bytes = id == longest ? kMost[id] : id == 0 ? 4 : 1;
        format::Buffer column(bytes, id == 0 ? 0 : 0x80);
        column.back() = 0;
        if (id == longest) column.resize(bytes + more);
        writer.put(body, id, {column.data(), column.size()});
      }
      format::StreamReader streams;
      ASSERT_TRUE(streams.open({body.data(), body.size()}).ok());
      format::DecodedChunk chunk;
      EXPECT_EQ(format::decode_plain({.count = 1}, streams, chunk).ok(), more == 0) << int{longest};
    }
  }
}

TEST(Versions, FromTheFuture) {
  TempFile file;
  std::string whole = sample(file.path(), 100);
  format::FileHeader header;
  auto* bytes = reinterpret_cast<uint8_t*>(whole.data());
  ASSERT_EQ(format::load_file_header({bytes, whole.size()}, &header), format::HeaderState::kWhole);

  format::FileHeader later = header;
  later.version = format::kVersion + 1;
  format::store_file_header(later, bytes);
  spill(file.path(), whole);
  auto reader = TraceReader::open(file.path());
  ASSERT_FALSE(reader.ok());
  EXPECT_NE(reader.error().message.find("newer gpuvm"), std::string::npos);

  later = header;
  later.required_flags = 0x80;
  format::store_file_header(later, bytes);
  spill(file.path(), whole);
  reader = TraceReader::open(file.path());
  ASSERT_FALSE(reader.ok());
  EXPECT_NE(reader.error().message.find("0x80"), std::string::npos);

  later = header;
  later.optional_flags = 0x80;
  format::store_file_header(later, bytes);
  spill(file.path(), whole);
  EXPECT_TRUE(TraceReader::open(file.path()).ok());
  EXPECT_TRUE(verify_trace(file.path()).value().whole());
}

TEST(Versions, UnknownChunksAreSkippedAndKept) {
  TempFile file;
  std::string whole = sample(file.path(), 100);
  auto* bytes = reinterpret_cast<uint8_t*>(whole.data());
  format::FileHeader header;
  ASSERT_EQ(format::load_file_header({bytes, whole.size()}, &header), format::HeaderState::kWhole);
  std::string body = "from a later version";
  std::string chunk(format::kChunkHeaderBytes, '\0');
  ByteSpan body_bytes(reinterpret_cast<const uint8_t*>(body.data()), body.size());
  format::store_chunk_header({.type = 900,
                              .flags = 3,
                              .file_id = header.file_id,
                              .body_bytes = static_cast<uint32_t>(body.size()),
                              .body_hash = format::hash_bytes(body_bytes)},
                             reinterpret_cast<uint8_t*>(chunk.data()));
  // Right behind the file header; the index then points to the wrong places, so it goes, with the trailer.
  whole.insert(format::kFileHeaderBytes, chunk + body);
  whole.resize(whole.size() - format::kTrailerBytes);
  spill(file.path(), whole);
  EXPECT_EQ(TraceReader::open(file.path()).value()->summary().events, 100u);
  EXPECT_EQ(verify_trace(file.path()).value().unknown_chunks, 1u);
  std::string repaired = file.sibling("repaired.gvt");
  ASSERT_TRUE(repair_trace(file.path(), repaired).ok());
  EXPECT_EQ(verify_trace(repaired).value().unknown_chunks, 1u);
  EXPECT_NE(slurp(repaired).find(body), std::string::npos);
}

}  // namespace
}  // namespace gpuvm
