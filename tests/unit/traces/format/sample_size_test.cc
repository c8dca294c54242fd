// Bytes per event of the bundled recordings: what the format is for must not get worse unnoticed.
// Deterministic, and no timing in it; build/format_bench shows the columns.
#include "tests/unit/traces/format/test_events.h"
#include "traces/format/chunk_codec.h"

namespace gpuvm {
namespace {

using namespace testing;

struct Bounds {
  const char* sample;
  // Bytes per event in all. Measured values (docs/trace-format.md) and 2 % for what another zstd may do.
  double at_default, at_best;
};

constexpr Bounds kBounds[] = {
    {"load", 0.1706, 0.1691},
    {"load-noaccel", 0.1992, 0.1972},
    {"fault", 0.4535, 0.3057},
    {"copy", 1.3196, 0.9564},
};

// Against `xz -9` of the same accesses as mmiotrace text (format_bench: text_xz), the goals are a sixth at
// the default level and a ninth at the best.
constexpr double kLoadTextXz = 1.681;

struct Sizes {
  double at_default = 0, at_best = 0;
};

size_t encoded_bytes(TraceReader& reader, Compression compression) {
  format::ChunkEncoder encoder(compression, 1000);
  std::vector<Event> events;
  std::vector<std::byte> blob;
  size_t bytes = 0;
  auto put = [&] {
    format::Buffer body;
    if (!events.empty()) encoder.encode(events, blob, body);
    bytes += format::kChunkHeaderBytes + body.size();
    events.clear(), blob.clear();
  };
  EXPECT_TRUE(reader.seek(0).ok());
  while (const EventBatch* batch = reader.next().value()) {
    for (const Event& event : batch->events) {
      events.push_back(event);
      const Bytes payload = batch->payload(event);
      blob.insert(blob.end(), payload.begin(), payload.end());
      if (events.size() == 65536 || blob.size() > format::kUsualPayloadBytes) put();
    }
  }
  put();
  return bytes;
}

Sizes sizes_of(const std::string& sample) {
  auto reader = TraceReader::open(GPUVM_SOURCE_DIR "/traces/samples/" + sample + ".gvt").value();
  const auto events = static_cast<double>(reader->summary().events);
  return {.at_default = static_cast<double>(encoded_bytes(*reader, Compression::kDefault)) / events,
          .at_best = static_cast<double>(encoded_bytes(*reader, Compression::kBest)) / events};
}

void expect_within(const Bounds& bounds) {
  const Sizes sizes = sizes_of(bounds.sample);
  EXPECT_LE(sizes.at_default, bounds.at_default) << bounds.sample << ", default";
  EXPECT_LE(sizes.at_best, bounds.at_best) << bounds.sample << ", best";
  ::testing::Test::RecordProperty(std::string(bounds.sample) + "_default", std::to_string(sizes.at_default));
  ::testing::Test::RecordProperty(std::string(bounds.sample) + "_best", std::to_string(sizes.at_best));
}

TEST(SampleSize, StaysWithinItsBounds) {
  for (const Bounds& bounds : kBounds) expect_within(bounds);
}

TEST(SampleSize, FullLoadReachesTheGoals) {
  const Sizes sizes = sizes_of("load");
  EXPECT_LE(sizes.at_default, kLoadTextXz / 6);
  EXPECT_LE(sizes.at_best, kLoadTextXz / 9);
}

}  // namespace
}  // namespace gpuvm
