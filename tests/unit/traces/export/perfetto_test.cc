// Perfetto's trace, read back by the format's rules: what a sequence's packets share, numbered names and
// texts, a clock that counts on from packet to packet.
#include <gmock/gmock.h>

#include <map>
#include <protozero/pbf_reader.hpp>

#include "tests/unit/traces/export/export_helpers.h"
#include "traces/regmap/gf100_namer.h"

namespace gpuvm {
namespace {

using namespace testing;
using protozero::pbf_reader;

struct Shown {
  std::string track;
  uint32_t type = 0;
  uint64_t time_ns = 0;
  std::string name;
  std::map<std::string, std::string> notes;  // numbers in decimal
};

using Texts = std::map<uint64_t, std::string>;

// One packet sequence, as a reader knows it so far.
struct Sequence {
  uint64_t track = 0, clock = 0, last = 0, unit = 1;
  Texts names, keys, texts;
};

class PerfettoReader {
 public:
  explicit PerfettoReader(std::string_view bytes) {
    pbf_reader file(bytes.data(), bytes.size());
    while (file.next(1)) packet(file.get_message());
  }
  std::vector<Shown> events;
  std::map<uint64_t, std::string> tracks;
  std::map<uint64_t, uint64_t> parents;

 private:
  static void learn(pbf_reader entry, Texts* texts) {
    uint64_t number = 0;
    std::string text;
    while (entry.next()) {
      if (entry.tag() == 1)
        number = entry.get_uint64();
      else if (entry.tag() == 2)
        text = entry.get_string();
      else
        entry.skip();
    }
    EXPECT_NE(number, 0u);
    EXPECT_TRUE(texts->emplace(number, text).second) << "twice: " << text;
  }

  void descriptor(pbf_reader in) {
    uint64_t uuid = 0, parent = 0;
    std::string name;
    while (in.next()) {
      if (in.tag() == 1)
        uuid = in.get_uint64();
      else if (in.tag() == 2)
        name = in.get_string();
      else if (in.tag() == 5)
        parent = in.get_uint64();
      else
        in.skip();
    }
    tracks[uuid] = name;
    parents[uuid] = parent;
  }

  // What is shared must be known before the packet's own fields, wherever it stands in it.
  void shared(pbf_reader in, Sequence& sequence) {
    while (in.next()) {
      if (in.tag() == 59) {
        pbf_reader defaults = in.get_message();
        while (defaults.next()) {
          if (defaults.tag() == 58) {
            sequence.clock = defaults.get_uint32();
          } else {
            pbf_reader event = defaults.get_message();
            ASSERT_TRUE(event.next(11));
            sequence.track = event.get_uint64();
          }
        }
      } else if (in.tag() == 12) {
        pbf_reader interned = in.get_message();
        while (interned.next()) {
          const uint32_t table = interned.tag();
          learn(interned.get_message(), table == 2   ? &sequence.names
                                        : table == 3 ? &sequence.keys
                                                     : &sequence.texts);
          ASSERT_TRUE(table == 2 || table == 3 || table == 29);
        }
      } else if (in.tag() == 6) {
        pbf_reader snapshot = in.get_message();
        while (snapshot.next(1)) {
          pbf_reader clock = snapshot.get_message();
          uint64_t id = 0, unit = 1;
          while (clock.next()) {
            if (clock.tag() == 1)
              id = clock.get_uint32();
            else if (clock.tag() == 4)
              unit = clock.get_uint64();
            else
              clock.skip();
          }
          if (id == 64) sequence.unit = unit;
        }
      } else {
        in.skip();
      }
    }
  }

  void packet(const pbf_reader& whole) {
    uint64_t id = 0, stamp = 0, clock = 0;
    pbf_reader in = whole, body;
    while (in.next()) {
      switch (in.tag()) {
        case 8:
          stamp = in.get_uint64();
          break;
        case 10:
          id = in.get_uint32();
          break;
        case 11:
          body = in.get_message();
          break;
        case 58:
          clock = in.get_uint32();
          break;
        case 60:
          descriptor(in.get_message());
          break;
        default:
          in.skip();
      }
    }
    Sequence& sequence = sequences_[id];
    shared(whole, sequence);
    if (body.length() == 0) return;
    if (clock == 0) clock = sequence.clock;
    ASSERT_TRUE(clock == 6 || clock == 64);
    Shown shown;
    shown.track = tracks[sequence.track];
    shown.time_ns = clock == 6 ? stamp : sequence.last += stamp * sequence.unit;
    while (body.next()) {
      if (body.tag() == 9) {
        shown.type = static_cast<uint32_t>(body.get_enum());
      } else if (body.tag() == 10) {
        shown.name = sequence.names.at(body.get_uint64());
      } else if (body.tag() == 23) {
        shown.name = body.get_string();
      } else {
        ASSERT_EQ(body.tag(), 4u);
        note(body.get_message(), sequence, &shown);
      }
    }
    events.push_back(shown);
  }

  static void note(pbf_reader in, const Sequence& sequence, Shown* shown) {
    std::string key, value;
    while (in.next()) {
      switch (in.tag()) {
        case 1:
          key = sequence.keys.at(in.get_uint64());
          break;
        case 3:
        case 7:
          value = std::to_string(in.get_uint64());
          break;
        case 17:
          value = sequence.texts.at(in.get_uint64());
          break;
        default:
          value = in.get_string();
      }
    }
    shown->notes[key] = value;
  }

  std::map<uint64_t, Sequence> sequences_;
};

PerfettoReader exported(const MemoryTrace& trace, uint64_t time_unit_ns = 1000) {
  ExportInput input = input_of(trace);
  input.meta.time_unit_ns = time_unit_ns;
  const Gf100Namer namer;
  input.namer = &namer;
  return PerfettoReader(export_text(trace, "perfetto", input));
}

TEST(PerfettoExport, SaysWhatTheTraceSays) {
  const PerfettoReader file =
      exported(import_text(std::string(kCard) + "R 4 10.000001 2 0xf6000000 0xc0a00a1 0x0 0\n"
                                                "MARK 10.000002 phase init\n"
                                                "W 4 10.000003 2 0xf6002270 0x1234 0x0 0\n"
                                                "W 4 10.000004 2 0xf6000140 0x1 0x0 0\n"
                                                "W 8 10.000005 2 0xf0000020 0x1 0x0 0\n"
                                                "W 4 10.000007 2 0xf6000140 0x1 0x0 0\n"
                                                "W 4 10.000007 2 0xf6712344 0x9 0x0 0\n"
                                                "R 1 10.000009 2 0xa0000020 0xffffff80 0x0 0\n"
                                                "MARK 10.000011 say it\n"
                                                "CPU:1 [LOST 5 EVENTS]\n")
                   .trace);
  EXPECT_EQ(file.tracks.size(), 15u);
  for (const auto& [track, parent] : file.parents) EXPECT_EQ(parent, track == 1 ? 0u : 1u);
  std::vector<std::string> lines;
  for (const Shown& e : file.events) {
    std::string line = fmt::format("{} {} {} [{}]", e.time_ns, e.track, e.type, e.name);
    for (const auto& [key, value] : e.notes) line += " " + key + "=" + value;
    lines.push_back(line);
  }
  EXPECT_THAT(lines,
              ::testing::ElementsAre(
                  "0 BAR0 3 [R4 PMC.ID 0x000000] meaning={ REVISION = 0xa1 | CHIPSET = 0xc0 | 0xa0000 } "
                  "seq=1 value=201982113",
                  "1000 phases 1 [init]",  //
                  "2000 BAR0 3 [W4 PFIFO.PLAYLIST_WR 0x002270] meaning={ ADDRESS = 0x1234 | TARGET = 0x0 } "
                  "seq=3 value=4660",
                  "3000 BAR0 3 [W4 PMC.INTR_EN_HOST 0x000140] meaning={ HARDWARE } value=1",
                  "4000 BAR3 3 [W8 BAR3] address=32 value=1",
                  "6000 BAR0 3 [W4 PMC.INTR_EN_HOST 0x000140] meaning={ HARDWARE } value=1",
                  "6000 BAR0 3 [W4 PRAMIN] address=7414596 value=9",
                  "8000 outside the BARs 3 [R1 ?] address=2684354592 value=4294967168",
                  "10000 marks and notes 3 [say it]", "10000 losses 3 [loss] address=2 value=5",
                  "10000 phases 2 []"));
}

MemoryTrace counting(size_t events, uint64_t step_ns) {
  MemoryTrace trace;
  for (size_t i = 0; i < events; ++i)
    (void)trace.write({.time_ns = i * step_ns, .address = i * 4, .value = i, .space = 1, .width = 4});
  return trace;
}

TEST(PerfettoExport, AnEventsNumberIsSaidOrFollows) {
  const PerfettoReader file = exported(counting(1000, 1000));
  ASSERT_EQ(file.events.size(), 1000u);
  size_t said = 0;
  for (size_t i = 0; i < file.events.size(); ++i) {
    if (const auto seq = file.events[i].notes.find("seq"); seq != file.events[i].notes.end()) {
      ++said;
      EXPECT_EQ(seq->second, std::to_string(i));
    }
  }
  EXPECT_EQ(said, 16u);
}

TEST(PerfettoExport, TimesAreExactWhateverTheUnitAndTheDirection) {
  for (const uint64_t unit : {uint64_t{0}, uint64_t{1}, uint64_t{1000}}) {
    MemoryTrace trace;
    const std::vector<uint64_t> times = {5000, 7000, 7001, 3000, 9000, 1, ~uint64_t{0} >> 2, 10};
    for (const uint64_t time : times) (void)trace.write({.time_ns = time, .width = 4});
    const PerfettoReader file = exported(trace, unit);
    ASSERT_EQ(file.events.size(), times.size());
    for (size_t i = 0; i < times.size(); ++i) EXPECT_EQ(file.events[i].time_ns, times[i]) << unit;
  }
}

TEST(PerfettoExport, MoreNamesThanTheTableHolds) {
  MemoryTrace trace;
  for (uint32_t i = 0; i < 70'000; ++i) {
    (void)trace.write({.address = 0x100, .value = i, .width = 4});  // a meaning each
  }
  const PerfettoReader file = exported(trace);
  ASSERT_EQ(file.events.size(), 70'000u);
  for (const Shown& event : file.events) {
    ASSERT_EQ(event.name, "R4 PMC.INTR_HOST 0x000100");
  }
}

TEST(PerfettoExport, IsSmall) {
  const MemoryTrace trace = counting(100'000, 2000);
  ExportInput input = input_of(trace);
  EXPECT_LT(export_text(trace, "perfetto", input).size() / 100'000, 28u);
}

}  // namespace
}  // namespace gpuvm
