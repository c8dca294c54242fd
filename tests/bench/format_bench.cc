// Size and speed of the .gvt container, beside `xz -9` of the same events as mmiotrace text.
//
//   build/format_bench [TRACE.gvt...]       default: every sample in traces/samples
//
// Counters: bytes per event by column (size/*), text_xz and the ratio to it; events per second (encode/*,
// decode/*), and the same without checksums (.../no-checksums).
#include <benchmark/benchmark.h>
#include <lzma.h>

#include <algorithm>
#include <filesystem>

#include "traces/format/chunk_codec.h"

namespace {

using namespace gpuvm;

constexpr uint32_t kChunk = 65536;

struct Input {
  std::string name;
  uint64_t unit = 1000;
  std::vector<Event> events;
  std::vector<std::byte> blob;
};

Input load(const std::string& path) {
  Input input;
  input.name = std::filesystem::path(path).stem();
  auto reader = TraceReader::open(path);
  if (!reader.ok()) {
    fmt::print(stderr, "{}\n", reader.error().message);
    std::exit(2);
  }
  while (const EventBatch* batch = reader.value()->next().value()) {
    input.events.insert(input.events.end(), batch->events.begin(), batch->events.end());
    input.blob.insert(input.blob.end(), batch->blob.begin(), batch->blob.end());
  }
  return input;
}

// The accesses as Linux writes them: 20070824 text, BARs at made-up places.
std::string mmiotrace_text(const Input& input) {
  std::string text = "VERSION 20070824\n";
  for (const Event& event : input.events) {
    if (!is_mmio(event.kind)) continue;
    uint64_t us = event.time_ns / 1000;
    uint64_t base = event.space == kNoBar ? 0 : 0xc0000000 + uint64_t{event.space} * 0x10000000;
    fmt::format_to(std::back_inserter(text), "{} {} {}.{:06} {} {:#x} {:#x} 0x0 0\n",
                   event.kind == EventKind::kMmioRead ? 'R' : 'W', event.width, us / 1'000'000,
                   us % 1'000'000, event.space + 1, base + event.address, event.value);
  }
  return text;
}

size_t xz_size(const std::string& text) {
  std::vector<uint8_t> out(lzma_stream_buffer_bound(text.size()));
  size_t size = 0;
  if (lzma_easy_buffer_encode(9, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const uint8_t*>(text.data()),
                              text.size(), out.data(), &size, out.size()) != LZMA_OK) {
    std::abort();
  }
  return size;
}

struct Chunk {
  format::ChunkHeader header;
  format::Buffer body;
};

std::vector<Chunk> encode(const Input& input, Compression compression, bool checksums = true) {
  format::ChunkEncoder encoder(compression, input.unit);
  std::vector<Chunk> chunks;
  uint64_t blob = 0;
  for (size_t at = 0; at < input.events.size(); at += kChunk) {
    std::span<const Event> events(input.events.data() + at,
                                  std::min<size_t>(kChunk, input.events.size() - at));
    uint64_t bytes = 0;
    for (const Event& event : events) bytes += has_payload(event.kind) ? event.aux : 0;
    Chunk chunk;
    encoder.encode(events, Bytes(input.blob).subspan(blob, bytes), chunk.body);
    chunk.header = {.flags = format::kRecordCodec,
                    .count = static_cast<uint32_t>(events.size()),
                    .first_seq = at,
                    .blob_base = blob,
                    .blob_bytes = static_cast<uint32_t>(bytes),
                    .body_bytes = static_cast<uint32_t>(chunk.body.size())};
    if (checksums) chunk.header.body_hash = format::hash_bytes(chunk.body);
    blob += bytes;
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

void size_benchmark(benchmark::State& state, const Input& input, Compression compression) {
  std::vector<Chunk> chunks;
  for (auto _ : state) chunks = encode(input, compression);
  constexpr std::array<const char*, format::kStreams> kNames{
      "ids",     "shapes", "shape_of", "addresses", "values", "far",      "lit32",   "lit64",
      "lengths", "t_head", "t_words",  "t_extra",   "blob",   "planes32", "planes64"};
  std::array<size_t, format::kStreams> sizes{};
  size_t total = 0;
  format::ChunkDecoder decoder;
  format::DecodedChunk decoded;
  for (const Chunk& chunk : chunks) {
    if (!decoder.decode(chunk.header, chunk.body, decoded).ok()) std::abort();
    for (const format::StreamInfo& column : decoder.columns()) sizes[column.id] += column.stored_bytes;
    total += format::kChunkHeaderBytes + chunk.body.size();
  }
  auto per_event = [&](size_t bytes) {
    return static_cast<double>(bytes) / static_cast<double>(input.events.size());
  };
  for (size_t column = 0; column < sizes.size(); ++column)
    state.counters[kNames[column]] = per_event(sizes[column]);
  size_t xz = xz_size(mmiotrace_text(input));
  state.counters["all"] = per_event(total);
  state.counters["text_xz"] = per_event(xz);
  state.counters["xz_ratio"] = static_cast<double>(xz) / static_cast<double>(total);
}

void encode_benchmark(benchmark::State& state, const Input& input, Compression compression, bool checksums) {
  for (auto _ : state) benchmark::DoNotOptimize(encode(input, compression, checksums));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * input.events.size()));
}

void decode_benchmark(benchmark::State& state, const Input& input, Compression compression, bool checksums) {
  std::vector<Chunk> chunks = encode(input, compression);
  format::ChunkDecoder decoder;
  format::DecodedChunk decoded;
  for (auto _ : state) {
    for (const Chunk& chunk : chunks) {
      if (checksums && format::hash_bytes(chunk.body) != chunk.header.body_hash) std::abort();
      if (!decoder.decode(chunk.header, chunk.body, decoded).ok()) std::abort();
      benchmark::DoNotOptimize(decoded.events.data());
    }
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * input.events.size()));
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::vector<std::string> paths(argv + 1, argv + argc);
  std::error_code none;
  if (paths.empty()) {
    for (const auto& entry : std::filesystem::directory_iterator(GPUVM_SOURCE_DIR "/traces/samples", none)) {
      if (entry.path().extension() == ".gvt") paths.push_back(entry.path());
    }
  }
  std::vector<Input> inputs;
  for (const std::string& path : paths) inputs.push_back(load(path));
  constexpr std::array kLevels{std::pair("fast", Compression::kFast),
                               std::pair("default", Compression::kDefault),
                               std::pair("best", Compression::kBest)};
  for (const Input& input : inputs) {
    for (auto [level, compression] : kLevels) {
      auto name = [&](const char* what) { return fmt::format("{}/{}/{}", what, input.name, level); };
      benchmark::RegisterBenchmark(name("size").c_str(), [&input, c = compression](benchmark::State& s) {
        size_benchmark(s, input, c);
      })->Iterations(1);
      for (bool checksums : {true, false}) {
        auto also = [&](const char* what) { return name(what) + (checksums ? "" : "/no-checksums"); };
        benchmark::RegisterBenchmark(also("encode").c_str(),
                                     [&input, c = compression, checksums](benchmark::State& s) {
                                       encode_benchmark(s, input, c, checksums);
                                     });
        benchmark::RegisterBenchmark(also("decode").c_str(),
                                     [&input, c = compression, checksums](benchmark::State& s) {
                                       decode_benchmark(s, input, c, checksums);
                                     });
      }
    }
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
