// What envytools' demmio would make of an exported log: a reader of its own, by the rules of demmio's.
//
// It reads lines into 1,024 bytes, so that longer ones come in pieces. "PCIDEV " is a card if it is NVIDIA's,
// BAR0 has an address and no flag and BAR1 is memory; its third window is BAR2, or BAR3 if there is none. "R
// " and "W " are accesses: width, time, map id, address, value. Everything else it passes over.
#include <cinttypes>
#include <filesystem>

#include "tests/unit/traces/export/export_helpers.h"
#include "traces/format/gvt.h"

namespace gpuvm {
namespace {

using namespace testing;

struct Access {
  bool write = false;
  int width = 0;
  unsigned bar = 0;
  uint64_t offset = 0;
  uint64_t value = 0;
  friend bool operator==(const Access&, const Access&) = default;
};

class Demmio {
 public:
  std::vector<Access> accesses;
  size_t outside = 0;  // of every window
  size_t broken = 0;   // accesses that its formats do not fit

  void read(std::string text) {
    FILE* in = fmemopen(text.data(), text.size(), "r");
    char piece[1024];
    while (fgets(piece, sizeof piece, in) != nullptr) line(piece);
    fclose(in);
  }

 private:
  struct Window {
    unsigned bar = 0;
    uint64_t base = 0, size = 0;
  };

  void line(const char* text) {
    const std::string_view view(text);
    if (view.starts_with("PCIDEV ")) card(text);
    if (view.starts_with("R ") || view.starts_with("W ")) access(text);
  }

  void card(const char* text) {
    uint64_t id = 0, base[4] = {}, size[4] = {};
    const int got =
        sscanf(text,
               "%*s %*s %" SCNx64 " %*s %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %*s %*s %*s %" SCNx64
               " %" SCNx64 " %" SCNx64 " %" SCNx64,
               &id, &base[0], &base[1], &base[2], &base[3], &size[0], &size[1], &size[2], &size[3]);
    const bool usable = base[0] != 0 && (base[0] & 0xf) == 0 && base[1] != 0 && (base[1] & 1) == 0;
    if (got != 9 || id >> 16 != 0x10de || !usable) return;
    for (const unsigned bar : {0u, 1u, base[2] != 0 ? 2u : 3u})
      windows_.push_back({bar, base[bar] & ~uint64_t{0xf}, size[bar]});
  }

  void access(const char* text) {
    Access access{.write = text[0] == 'W'};
    double time = 0;
    uint64_t address = 0;
    if (sscanf(text, "%*s %d %lf %*d %" SCNx64 " %" SCNx64, &access.width, &time, &address, &access.value) !=
        4)
      ++broken;
    for (const Window& window : windows_) {
      if (address < window.base || address - window.base >= window.size) continue;
      access.bar = window.bar;
      access.offset = address - window.base;
      accesses.push_back(access);
      return;
    }
    ++outside;
  }

  std::vector<Window> windows_;
};

TEST(Demmio, SeesEachAccessOfTheSamples) {
  size_t samples = 0;
  for (const auto& entry : std::filesystem::directory_iterator(GPUVM_SOURCE_DIR "/traces/samples")) {
    if (entry.path().extension() != ".gvt") continue;
    ++samples;
    auto reader = TraceReader::open(entry.path()).value();
    StringSink sink;
    ASSERT_TRUE(export_trace(*reader, sink, *find_export_format("mmiotrace"), {.meta = reader->meta()}).ok());
    Demmio demmio;
    demmio.read(sink.text());
    EXPECT_EQ(demmio.broken, 0u);
    EXPECT_EQ(demmio.outside, 0u);
    ASSERT_TRUE(reader->seek(0).ok());
    size_t at = 0;
    while (const EventBatch* batch = reader->next().value()) {
      for (const Event& event : batch->events) {
        if (!is_mmio(event.kind)) continue;
        ASSERT_LT(at, demmio.accesses.size()) << entry.path();
        const Access want{.write = event.kind == EventKind::kMmioWrite,
                          .width = event.width,
                          .bar = event.space,
                          .offset = event.address,
                          .value = event.value};
        ASSERT_TRUE(demmio.accesses[at] == want)
            << entry.path() << " access " << at << " at " << event.address << ", read as "
            << demmio.accesses[at].offset << " in BAR" << demmio.accesses[at].bar;
        ++at;
      }
    }
    EXPECT_EQ(at, demmio.accesses.size()) << entry.path();
  }
  EXPECT_GE(samples, 3u);
}

// Texts of any length that look like accesses, wherever a piece of 1,023 bytes may begin.
TEST(Demmio, SeesNoAccessInTexts) {
  MemoryTrace trace;
  TraceMeta meta;
  meta.device.vendor = 0x10de;
  meta.device.bars[0] = {.base = 0xf6000000, .size = 16 << 20};
  meta.device.bars[1] = {.base = 0xe0000000, .size = 128 << 20, .prefetchable = true};
  ASSERT_TRUE(trace.attach(kMetaAttachment, as_bytes(to_json(meta))).ok());
  for (const char* text : {"W 4 1.000000 1 0xf6000000 0x1 0x0 0 ", "R me ",
                           "PCIDEV 0100 10de0000 0 1000 2000 ", "x W 4 1.0 1 0xf6000000 0x1 0 0"}) {
    for (const size_t length : {size_t{40}, size_t{1100}, size_t{2100}, size_t{5000}}) {
      for (size_t shift = 0; shift < 40; ++shift) {
        std::string long_text(shift, '_');
        while (long_text.size() < length) long_text += text;
        ASSERT_TRUE(trace.write({.kind = EventKind::kMark}, as_bytes(long_text)).ok());
        ASSERT_TRUE(trace.write({.kind = EventKind::kNote}, as_bytes(long_text)).ok());
        ASSERT_TRUE(trace.write({.kind = EventKind::kDmaWrite}, as_bytes(long_text)).ok());
      }
    }
  }
  Event read{.value = 0xc0a00a1, .kind = EventKind::kMmioRead, .width = 4};
  ASSERT_TRUE(trace.write(read).ok());
  const std::string text = export_text(trace, "mmiotrace", input_of(trace));
  Demmio demmio;
  demmio.read(text);
  ASSERT_EQ(demmio.accesses.size(), 1u);
  EXPECT_EQ(demmio.accesses[0].value, 0xc0a00a1u);
  EXPECT_EQ(demmio.outside + demmio.broken, 0u);
  expect_same_events(trace, import_text(text).trace);
}

}  // namespace
}  // namespace gpuvm
