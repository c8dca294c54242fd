// Kinds of logs that people bring: who wrote them, what stands around their lines, what they leave out.
#include <bzlib.h>
#include <gmock/gmock.h>

#include "tests/unit/traces/import/import_helpers.h"
#include "traces/context.h"
#include "traces/import/importers.h"

namespace gpuvm {
namespace {

using testing::import_text;
using testing::Imported;
using testing::kCard;

constexpr std::string_view kTwo =
    "R 4 7.000001 1 0xf6000000 0xc0400a1 0x0 0\nW 4 7.000002 1 0xf6000140 0x1 0x0 0\n";

std::string error_of(std::string_view text, ImportOptions options = {}) {
  auto source = memory_byte_source(text, "x.log");
  if (!source) return source.error().message;
  MemoryTrace trace;
  options.name = "x.log";
  const auto report = import_log(*source.value(), trace, options);
  return report ? "" : report.error().message;
}

std::string each_line(std::string_view text, std::string_view before, std::string_view after) {
  std::string out;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    out.append(before).append(text.substr(0, end)).append(after);
    text.remove_prefix(end + 1);
  }
  return out;
}

// --- What ends lines and stands around them.

TEST(LogNoise, LineEnds) {
  for (const std::string_view end : {"\n", "\r\n", "\r\r\n", "\r", " \n", "\t\r\n", " \r\r\n"}) {
    const Imported log = import_text(each_line(kTwo, "", end));
    EXPECT_EQ(log.report.reads, 1u) << ::testing::PrintToString(std::string(end));
    EXPECT_EQ(log.report.writes, 1u);
    EXPECT_EQ(log.report.notes, 0u);
    EXPECT_EQ(log.report.lines, 2u);
  }
}

TEST(LogNoise, AReturnInAMarkEndsALine) {
  const Imported log = import_text("MARK 1.000000 10%\rdone\n" + std::string(kTwo));
  EXPECT_EQ(log.report.marks, 1u);
  EXPECT_EQ(log.payload(0), "10%");
  EXPECT_EQ(log.payload(1), "done");
  EXPECT_EQ(log.report.accesses(), 2u);
}

TEST(LogNoise, PrefixesAreTakenOff) {
  for (const std::string_view prefix :
       {"[  123.456789] ", "[12345.678901][ T1234] ", "Jan  2 03:04:05 host kernel: [ 12.345678] ", "> ",
        "> > ", "boot.log:12:", "12:", "Jan 02 03:04:05 ", "2026-01-02T03:04:05+0100 host kernel: ",
        "     7\t", "| ", "<6>[  1.000000] ", "\x1b[32m", "\x1b[0m[ 1.000000] \x1b[33m"}) {
    const Imported log = import_text(each_line(kTwo, prefix, "\n"));
    EXPECT_EQ(log.report.reads, 1u) << prefix;
    EXPECT_EQ(log.report.writes, 1u) << prefix;
    EXPECT_EQ(log.report.prefixed_lines, 2u) << prefix;
    EXPECT_EQ(log.report.notes, 0u) << prefix;
  }
}

TEST(LogNoise, APrefixMayChange) {
  const Imported log = import_text(
      "[    9.999999] R 4 7.000001 1 0xf6000000 0x1 0x0 0\n[   10.000000] R 4 7.000002 1 0xf6000000 0x1 0x0 "
      "0\n"
      "[12345.000000] R 4 7.000003 1 0xf6000000 0x1 0x0 0\nR 4 7.000004 1 0xf6000000 0x1 0x0 0\n");
  EXPECT_EQ(log.report.reads, 4u);
}

TEST(LogNoise, ARecordInAnotherTextIsNone) {
  const Imported log = import_text(std::string(kTwo) + "demmt: R 4 7.000001 1 0xf6000000 0x1 0x0 0\n" +
                                   "MARK 7.000003 see R 4 7.000001 1 0xf6000000 0x1 0x0 0\n");
  EXPECT_EQ(log.report.accesses(), 2u);
  EXPECT_EQ(log.report.notes, 1u);
  EXPECT_EQ(log.report.marks, 1u);
}

TEST(LogNoise, ColoursBehindALine) {
  const Imported log = import_text(each_line(kTwo, "\x1b[1;31m", "\x1b[0m\x1b[K\n"));
  EXPECT_EQ(log.report.accesses(), 2u);
}

std::string utf16(std::string_view text, bool big, bool mark) {
  std::string out = !mark ? "" : big ? "\xfe\xff" : "\xff\xfe";
  for (const char c : text) {
    if (big) out.push_back(0);
    out.push_back(c);
    if (!big) out.push_back(0);
  }
  return out;
}

TEST(LogNoise, Encodings) {
  EXPECT_EQ(import_text("\xef\xbb\xbf" + std::string(kTwo)).report.accesses(), 2u);
  for (const bool big : {false, true}) {
    for (const bool mark : {false, true}) {
      const Imported log = import_text(utf16(kTwo, big, mark));
      EXPECT_EQ(log.report.accesses(), 2u) << big << mark;
      EXPECT_EQ(log.report.notes, 0u);
    }
  }
}

std::string bzip2(std::string_view text) {
  std::string out(text.size() + 1000, 0);
  auto size = static_cast<unsigned>(out.size());
  EXPECT_EQ(BZ2_bzBuffToBuffCompress(out.data(), &size, const_cast<char*>(text.data()),
                                     static_cast<unsigned>(text.size()), 9, 0, 0),
            BZ_OK);
  out.resize(size);
  return out;
}

TEST(LogPacking, Bzip2InSeveralStreams) {
  EXPECT_EQ(import_text(bzip2(kTwo) + bzip2(kTwo)).report.accesses(), 4u);
  const std::string whole = bzip2(kTwo);
  EXPECT_NE(error_of(whole.substr(0, whole.size() / 2)).find("bzip2 data end early"), std::string::npos);
  std::string damaged = whole;
  damaged[4] = static_cast<char>(damaged[4] ^ 1);  // a block's magic number
  auto source = memory_byte_source(damaged, "x.log");
  ASSERT_TRUE(source.ok());
  MemoryTrace trace;
  const auto report = import_log(*source.value(), trace, {});
  const std::string said = report ? report.value().problem : report.error().message;
  EXPECT_NE(said.find("damaged bzip2 data"), std::string::npos) << said;
}

// A tar entry by POSIX.1; `type`: '0' a file, '5' a folder.
std::string tar_entry(const std::string& name, const std::string& text, char type = '0') {
  std::string header(512, 0);
  header.replace(0, name.size(), name);
  header.replace(124, 11, fmt::format("{:011o}", text.size()));
  header.replace(148, 8, "        ");
  header[156] = type;
  header.replace(257, 5, "ustar");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  header.replace(148, 7, fmt::format("{:06o}", sum) + '\0');
  return header + text + std::string((512 - text.size() % 512) % 512, 0);
}

TEST(LogPacking, TarGivesItsFilesOneAfterTheOther) {
  const std::string two(kTwo);
  const std::string archive = tar_entry("logs/", "", '5') + tar_entry("logs/._a", "attributes") +
                              tar_entry("logs/a", two.substr(0, two.size() - 1)) +
                              tar_entry("logs/empty", "") + tar_entry("logs/b", two) + std::string(1024, 0) +
                              "behind";
  const Imported log = import_text(archive);
  EXPECT_EQ(log.report.accesses(), 4u);
  EXPECT_EQ(log.report.notes, 0u);
  EXPECT_EQ(import_text(bzip2(archive)).report.accesses(), 4u);
  EXPECT_EQ(import_text(utf16(two, false, true)).report.accesses(), 2u);
  const Imported cut = import_text(archive.substr(0, 512 * 3 + 600));
  EXPECT_EQ(cut.report.reads, 1u);
  EXPECT_NE(cut.report.problem.find("tar archive ends early"), std::string::npos);
}

TEST(LogPacking, WhatIsNoLogIsNamed) {
  EXPECT_NE(error_of("PK\x03\x04 zip").find("is a zip archive: unpack it first"), std::string::npos);
  EXPECT_NE(error_of("7z\xbc\xaf\x27\x1c").find("7z archive"), std::string::npos);
  EXPECT_NE(error_of("\x7f"
                     "ELF\2\1\1")
                .find("a program"),
            std::string::npos);
  EXPECT_NE(error_of("PERFILE2....").find("perf script"), std::string::npos);
  EXPECT_NE(error_of("\x8bGVT\r\n").find("a trace of gpuvm already"), std::string::npos);
}

TEST(Import, ALogWithoutAnEventIsRefused) {
  EXPECT_NE(error_of("VERSION 20070824\n").find("none of its 1 lines"), std::string::npos);
  EXPECT_NE(error_of("VERSION 20070824\nnothing here\n").find("none of its 2 lines"), std::string::npos);
  EXPECT_NE(error_of("vfio_realize  (gpu) group 1\n").find("none of its 1 lines"), std::string::npos);
  // The first line is quoted although more has been read since.
  std::string long_one = "VERSION 20070824\n";
  for (int i = 0; i < 100'000; ++i) long_one += "nothing here\n";
  EXPECT_NE(error_of(long_one).find("(it begins with \"VERSION 20070824\")"), std::string::npos);
}

// --- Sessions.

constexpr std::string_view kJoined =
    "VERSION 20070824\n"
    "PCIDEV 0100 10de0dcd 10 d4000000 c000000c 0 d000000c 0 4001 c0002 1000000 10000000 0 2000000 0 80 20000 "
    "\n"
    "R 4 50.000000 1 0xd4000000 0xc3680a1 0x0 0\n"
    "W 4 53.500000 1 0xd4000140 0x0 0x0 0\n"
    "VERSION 20070824\n"
    "PCIDEV 0100 10de0dcd 10 e4000000 b000000c 0 e000000c 0 4001 c0002 1000000 10000000 0 2000000 0 80 20000 "
    "\n"
    "R 4 80.000000 1 0xe4000000 0xc3680a1 0x0 0\n"
    "W 4 80.250000 1 0xe0000010 0x0 0x0 0\n"
    "W 4 81.000000 1 0xd4000140 0x0 0x0 0\n";

TEST(Sessions, EachHasItsClockAndItsBars) {
  const Imported log = import_text(kJoined);
  const std::vector<Event> accesses = log.accesses();
  ASSERT_EQ(accesses.size(), 5u);
  EXPECT_EQ(accesses[1].time_ns, 3'500'000'000u);
  EXPECT_EQ(accesses[2].time_ns, 3'500'000'000u) << "time goes on where it was";
  EXPECT_EQ(accesses[4].time_ns, 4'500'000'000u);
  EXPECT_EQ(accesses[2].space, 0);
  EXPECT_EQ(accesses[2].address, 0u);
  EXPECT_EQ(accesses[3].space, 3);
  EXPECT_EQ(accesses[3].address, 0x10u);
  EXPECT_EQ(accesses[4].space, kNoBar);
  EXPECT_EQ(accesses[4].address, 0xd4000140u);
  const std::vector<SessionInfo>& sessions = log.report.meta.sessions;
  ASSERT_EQ(sessions.size(), 2u);
  EXPECT_EQ(sessions[0].duration_ns, 3'500'000'000u);
  EXPECT_EQ(sessions[1].start_ns, 3'500'000'000u);
  EXPECT_EQ(sessions[1].duration_ns, 1'000'000'000u);
  EXPECT_EQ(sessions[1].device.bars[0].base, 0xe4000000u);
  EXPECT_EQ(sessions[0].events + sessions[1].events, log.report.events);
}

TEST(Sessions, OneCanBePicked) {
  for (const uint64_t session : {1u, 2u}) {
    const Imported log = import_text(kJoined, {.session = session});
    EXPECT_EQ(log.report.accesses(), session == 1 ? 2u : 3u);
    EXPECT_EQ(log.accesses()[0].time_ns, 0u);
    EXPECT_TRUE(log.report.meta.sessions.empty());
    EXPECT_EQ(log.report.meta.device.bars[0].base, session == 1 ? 0xd4000000u : 0xe4000000u);
    EXPECT_EQ(log.report.lines, 9u);
    EXPECT_EQ(log.report.skipped_lines, session == 1 ? 5u : 4u);
    EXPECT_EQ(log.trace.events().size(), log.report.events);
  }
  EXPECT_EQ(error_of(kJoined, {.session = 3}), "x.log: --session 3: the log has 2 sessions");
}

TEST(Sessions, ARepeatedHeaderAloneOpensNone) {
  const Imported log = import_text(std::string(kCard) + std::string(kCard) + std::string(kTwo));
  EXPECT_TRUE(log.report.meta.sessions.empty());
  EXPECT_EQ(log.report.accesses(), 2u);
}

// --- Which device.

constexpr std::string_view kTwoCards =
    "VERSION 20070824\n"
    "PCIDEV 0100 10de0dcd 10 d4000000 c000000c 0 d000000c 0 4001 c0002 1000000 10000000 0 2000000 0 80 20000 "
    "nvidia\n"
    "PCIDEV 0300 8086100e 11 fe400000 0 fe000004 0 0 0 0 8000 0 200000 0 0 0 0 e1000\n";

TEST(WhichDevice, TheOneThatMostAccessesHit) {
  const std::string log(kTwoCards);
  const Imported other = import_text(log +
                                     "R 4 1.000000 1 0xd4000000 0xc3680a1 0x0 0\n"
                                     "R 4 1.000001 1 0xfe400000 0x1 0x0 0\n"
                                     "R 4 1.000002 1 0xfe400004 0x1 0x0 0\n");
  EXPECT_EQ(other.report.meta.device.vendor, 0x8086);
  EXPECT_EQ(other.report.meta.driver, "e1000");
  EXPECT_EQ(other.report.meta.device.chip, "");
  const Imported tie = import_text(log +
                                   "R 4 1.000001 1 0xfe400000 0x1 0x0 0\n"
                                   "R 4 1.000002 1 0xd4000140 0x1 0x0 0\n");
  EXPECT_EQ(tie.report.meta.device.vendor, 0x10de) << "NVIDIA breaks a tie";
  const Imported none = import_text(log + "R 4 1.000001 1 0xa0000000 0x1 0x0 0\n");
  EXPECT_EQ(none.report.meta.device.vendor, 0) << "none is hit, none is chosen";
}

TEST(WhichDevice, WithAndWithoutDomain) {
  const std::string log = std::string(kTwoCards) + "R 4 1.000000 1 0xd4000000 0xc3680a1 0x0 0\n";
  for (const char* place : {"03:00.0", "0000:03:00.0", "0300"}) {
    EXPECT_EQ(import_text(log, {.device = place}).report.meta.device.vendor, 0x8086) << place;
  }
  const std::string problem = error_of(log, {.device = "04:00.0"});
  EXPECT_NE(problem.find("the log has no such device; it lists 01:00.0 (10de:0dcd), 03:00.0 (8086:100e)"),
            std::string::npos)
      << problem;
}

TEST(WhichDevice, QemuWithAndWithoutDomain) {
  constexpr std::string_view kVfio =
      "vfio_region_read  (0000:04:00.1:region4+0x108, 4) = 0x1\nvfio_region_read  (0000:05:00.0:region0+0x0, "
      "4) = "
      "0x1\nvfio_region_read  (0000:05:00.0:region0+0x4, 4) = 0x1\n";
  EXPECT_EQ(import_text(kVfio).report.reads, 2u);
  EXPECT_EQ(import_text(kVfio).report.meta.device.place, "0000:05:00.0");
  EXPECT_EQ(import_text(kVfio, {.device = "04:00.1"}).report.reads, 1u);
  EXPECT_EQ(import_text(kVfio, {.device = "0000:04:00.1"}).report.reads, 1u);
  const std::string problem = error_of(kVfio, {.device = "09:00.0"});
  EXPECT_NE(problem.find("no such device; its first lines have 0000:04:00.1, 0000:05:00.0"),
            std::string::npos)
      << problem;
}

TEST(WhichDevice, ADeviceLineThatDoesNotParseIsCounted) {
  const Imported log = import_text(
      "VERSION 20070824\nPCIDEV 0010 80860f31 61 b0000000 0 a0000008 0\nR 4 1.000000 1 0xb0000000 0x0 0x0 "
      "0\n");
  EXPECT_EQ(log.report.bad_devices, 1u);
  EXPECT_EQ(log.report.first_bad_device, "PCIDEV 0010 80860f31 61 b0000000 0 a0000008 0");
}

TEST(WhichDevice, BarsOfAnAmdCardAreGuessed) {
  const Imported log = import_text(
      "MAP 1.000000 1 0xfcd00000 0xffffc90000000000 0x80000 0x0 0\n"
      "MAP 1.000001 2 0xf0000000 0xffffc90001000000 0x200000 0x0 0\n"
      "MAP 1.000002 3 0xe0000000 0xffffc90002000000 0x10000000 0x0 0\n"
      "R 4 1.000003 1 0xfcd05428 0x0 0x0 0\nW 4 1.000004 1 0xfcd05428 0x0 0x0 0\nW 4 1.000004 1 0xfcd0542c "
      "0x0 0x0 0\n"
      "W 4 1.000005 2 0xf0000008 0x0 0x0 0\nW 4 1.000006 3 0xe0001000 0x0 0x0 0\n");
  std::vector<int> bars;
  for (const Event& e : log.accesses()) bars.push_back(e.space);
  EXPECT_EQ(bars, (std::vector<int>{5, 5, 5, 2, 0}));
  EXPECT_TRUE(log.report.bars_guessed);
  EXPECT_TRUE(log.report.meta.device.bars[5].guessed);
  EXPECT_FALSE(log.report.meta.device.bars[5].flags_known);
  EXPECT_EQ(log.report.meta.device.vendor, 0);
}

// --- Which chip.

TEST(WhichChip, TheFirstValueThatIsOne) {
  const std::string card(kCard);
  EXPECT_EQ(
      import_text(card + "R 4 1.0 1 0xf6000000 0xffffffff 0x0 0\n" +
                  "R 4 1.000000 1 0xf6000000 0xffffffff 0x0 0\nR 4 1.000001 1 0xf6000000 0xbadf1100 0x0 0\n"
                  "R 1 1.000002 1 0xf6000000 0xa1 0x0 0\nR 4 1.000003 1 0xf6000000 0xc3680a1 0x0 0\n")
          .report.meta.device.chip,
      "GF106");
  EXPECT_EQ(import_text("vfio_region_read  (0000:01:00.0:region0+0x0, 1) = 0xa1\n"
                        "vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0xc3680a1\n")
                .report.meta.device.chip,
            "GF106");
  EXPECT_EQ(import_text("VERSION 20070824\n"
                        "PCIDEV 0300 8086100e 11 fe400000 0 0 0 0 0 0 20000 0 0 0 0 0 0 e1000\n"
                        "R 4 1.000003 1 0xfe400000 0xc3680a1 0x0 0\n")
                .report.meta.device.boot0,
            0u)
      << "another maker's card has something else there";
}

// --- Other loggers.

struct Logger {
  const char* format;
  const char* text;
  std::vector<std::string> events;  // "R4 none 0x10 0x1 @label"
  uint64_t merged = 0;
};

std::string event_text(const Event& e, std::string_view label) {
  return fmt::format("{}{} {} {:#x} {}{}{}", e.kind == EventKind::kMmioRead ? 'R' : 'W', e.width,
                     e.space == kNoBar ? "none" : std::to_string(e.space), e.address,
                     (e.flags & kFlagValueUnknown) != 0 ? "?" : fmt::format("{:#x}", e.value),
                     label.empty() ? "" : " @", label);
}

class OtherLoggers : public ::testing::TestWithParam<Logger> {};

TEST_P(OtherLoggers, AreReadAndTold) {
  const Logger& logger = GetParam();
  const Imported log = import_text(logger.text);
  EXPECT_EQ(log.report.format, logger.format);
  std::map<uint64_t, std::string> labels;
  std::vector<std::string> events;
  for (const Event& e : log.trace.events()) {
    if (e.kind == EventKind::kContext)
      labels[e.address] = decode_context(log.batch().payload(e)).value().label;
    if (is_mmio(e.kind)) events.push_back(event_text(e, labels[e.aux]));
  }
  EXPECT_EQ(events, logger.events);
  EXPECT_EQ(log.report.merged_lines, logger.merged);
  EXPECT_EQ(log.report.meta.not_recorded.empty(), false);
}

TEST(Untimed, ALogWithoutStampsDoesNotClaimToTakeNoTime) {
  const auto blind = [](const std::string& log) { return import_text(log).report.meta.not_recorded; };
  const std::string access = "vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0xc3680a1\n";
  EXPECT_THAT(blind(access + access), ::testing::Contains("time"));
  EXPECT_THAT(blind("77@1700000000.000001:" + access), ::testing::Not(::testing::Contains("time")));
  EXPECT_THAT(blind("2026-01-02T03:04:08Z " + access), ::testing::Not(::testing::Contains("time")));
  EXPECT_THAT(blind("R32 0xffffc90000800000 0xc3680a1\n"), ::testing::Contains("time"));
  EXPECT_THAT(blind("12.000345 R32 0xffffc90000800000 0x7\n"), ::testing::Not(::testing::Contains("time")));
}

INSTANTIATE_TEST_SUITE_P(
    Formats, OtherLoggers,
    ::testing::Values(
        Logger{
            "rwmmio",
            "# tracer: nop\n#\n"
            "          <idle>-0       [001] d.h1.    12.345678: rwmmio_write: foo_start+0x10/0x20 width=32 "
            "val=0x1 addr=0xffff800011000140\n"
            "          <idle>-0       [001] d.h1.    12.345679: rwmmio_post_write: foo_start+0x10/0x20 "
            "width=32 "
            "val=0x1 addr=0xffff800011000140\n"
            "     kworker/0:1-77      [000] .....    12.345680: rwmmio_read: foo_irq+0x4/0x80 -> "
            "readl+0x4/0x80 width=32 addr=0xffff800011000000\n"
            "     kworker/0:1-77      [000] .....    12.345681: rwmmio_post_read: foo_irq+0x4/0x80 -> "
            "readl+0x4/0x80 width=32 val=0x2 addr=0xffff800011000000\n"
            "     kworker/0:1-77      [000] .....    12.345690: rwmmio_read: bar+0x4/0x80 width=8 "
            "addr=0xffff800011000003\n",
            {"W4 none 0xffff800011000140 0x1 @foo_start+0x10/0x20",
             "R4 none 0xffff800011000000 0x2 @foo_irq+0x4/0x80 -> readl+0x4/0x80",
             "R1 none 0xffff800011000003 ? @bar+0x4/0x80"},
            2},
        Logger{"kvm",
               " qemu-system-x86-4321  [003] ..... 100.000001: kvm_mmio: mmio unsatisfied-read len 4 gpa "
               "0xfd000000 "
               "val 0x0\n"
               " qemu-system-x86-4321  [003] ..... 100.000009: kvm_mmio: mmio read len 4 gpa 0xfd000000 val "
               "0xc3680a1\n"
               " CPU 1/KVM  4322 [002]   100.000010: kvm:kvm_mmio: mmio write len 1 gpa 0xfd000140 val 0x7\n"
               " qemu-system-x86-4321  [003] ..... 100.000011: kvm_mmio: mmio unsatisfied-read len 2 gpa "
               "0xfd000004 "
               "val 0x0\n",
               {"R4 0 0x0 0xc3680a1", "W1 0 0x140 0x7", "R2 0 0x4 ?"},
               1},
        Logger{"amdgpu",
               "            Xorg-612     [003] .....   123.456789: amdgpu_device_wreg: 0x687f, 0x0000150a, "
               "0x00000001\n"
               "            Xorg-612     [003] .....   123.456790: amdgpu_device_rreg: 0x687f, 0x0000150b, "
               "0xffffffff\n",
               {"W4 5 0x5428 0x1", "R4 5 0x542c 0xffffffff"},
               0},
        Logger{"m1n1",
               "TTY> booting\n"
               "[cpu0] [0xfffffe0012345678] MMIO: R.4   0x23c500010 (dptx-phy[1], offset 0x10) = 0x5\n"
               "[0xfffffe0012345678] MMIO: W.8 + 0x23c500018 (dptx-phy[1], offset 0x18) = 0x1\n"
               "[cpu3] [Handoff] MMIO: R.4   FLUSH[1] = 0x0 ()\n"
               "# [cpu1] [Tracer@/arm-io/sgx] MMIO: R.1   0x204d14000 = 0x7\n",
               {"R4 none 0x23c500010 0x5 @dptx-phy[1]", "W8 none 0x23c500018 0x1 @dptx-phy[1]",
                "R1 none 0x204d14000 0x7 @Tracer@/arm-io/sgx"},
               0},
        Logger{
            "panda",
            "[\n"
            "{ \"type\": \"R\", \"guest_pc\": \"0xc0012074\", \"phys_addr\": \"0x10001000\", \"virt_addr\": "
            "\"0xc8001000\", \"size\": \"0x00000004\", \"value\": \"0x00000001\", \"device\": \"pl011\" },\n"
            "{ \"type\": \"W\", \"guest_pc\": \"0xc0012078\", \"phys_addr\": \"0x10001004\", \"virt_addr\": "
            "\"0xc8001004\", \"size\": \"0x00000002\", \"value\": \"0x00000007\", \"device\": \"[NONE]\" }\n"
            "]\n",
            {"R4 none 0x10001000 0x1 @pl011", "W2 none 0x10001004 0x7"},
            0},
        Logger{"panda",
               "W:0xc01d9578:0x10000024:0x00000004:0xf8fc77e8\nR:0xc001c850:0x10000010:0x00000001:0x10\n",
               {"W4 none 0x10000024 0xf8fc77e8", "R1 none 0x10000010 0x10"},
               0},
        Logger{"bpftrace",
               "Attaching 4 probes...\nR32 0xffffc90000800000 0xc3680a1\nW32 0xffffc90000800140 0x1\n"
               "R8 ffffc90000800003 7\n",
               {"R4 none 0xffffc90000800000 0xc3680a1", "W4 none 0xffffc90000800140 0x1",
                "R1 none 0xffffc90000800003 0x7"},
               0}));

TEST(OtherLoggers, StampsThreadsAndCpus) {
  const Imported log = import_text(
      "  a-b-12    [005] .....   100.000001: kvm_mmio: mmio write len 4 gpa 0x10 val 0x1\n"
      "  a-b-12    [005] .....   100.5: kvm_mmio: mmio write len 4 gpa 0x10 val 0x1\n");
  EXPECT_EQ(log.accesses()[1].time_ns, 499'999'000u);
  const ContextRecord context = decode_context(log.batch().payload(log.event(0))).value();
  EXPECT_EQ(context.thread, 12u);
  EXPECT_EQ(context.cpu, 6u);
}

TEST(OtherLoggers, BarsCanBeGiven) {
  const Imported log =
      import_text("R32 0xffffc90000800004 0x1\n", {.bars = parse_bars("0=0xffffc90000800000:16M").value()});
  EXPECT_EQ(log.accesses()[0].space, 0);
  EXPECT_EQ(log.accesses()[0].address, 4u);
}

TEST(OtherLoggers, OneOfSeveralAmdCards) {
  constexpr std::string_view kLog =
      "x-1 [000] ..... 1.000001: amdgpu_device_wreg: 0x687f, 0x00000001, 0x00000001\n"
      "x-1 [000] ..... 1.000002: amdgpu_device_wreg: 0x73bf, 0x00000002, 0x00000001\n"
      "x-1 [000] ..... 1.000003: amdgpu_device_wreg: 0x73bf, 0x00000003, 0x00000001\n";
  EXPECT_EQ(import_text(kLog).report.writes, 2u);
  EXPECT_EQ(import_text(kLog).report.meta.device.device, 0x73bf);
  EXPECT_EQ(import_text(kLog, {.device = "1002:687f"}).report.writes, 1u);
  EXPECT_NE(error_of(kLog, {.device = "1002:ffff"}).find("it has 1002:687f, 1002:73bf"), std::string::npos);
}

TEST(Importers, EveryCutAndFlipEndsInAnAnswer) {
  for (const ImporterRow& row : importers()) {
    for (const std::string_view text :
         {"  a-b-12 [005] ..... 1.5: rwmmio_post_read: f+0x1/0x2 width=32 val=0x1 addr=0x10",
          "  a-b-12 [005] ..... 1.5: kvm_mmio: mmio read len 4 gpa 0x10 val 0x1",
          "x-1 [000] ..... 1.5: amdgpu_device_wreg: 0x687f, 0x00000001, 0x00000001",
          "[cpu0] [0x12] MMIO: R.4   0x10 (a, offset 0x10) = 0x5",
          "{ \"type\": \"R\", \"guest_pc\": \"0x1\", \"phys_addr\": \"0x2\", \"size\": \"0x4\", \"value\": "
          "\"0x1\" }",
          "W:0x1:0x2:0x4:0x3", "12.5 R32 0x10 0x20"}) {
      for (size_t i = 0; i < text.size(); ++i) {
        error_of(text.substr(0, i + 1), {.format = std::string(row.name)});
        std::string flipped(text);
        flipped[i] = static_cast<char>(flipped[i] ^ 16);
        error_of(flipped, {.format = std::string(row.name)});
      }
    }
  }
}

}  // namespace
}  // namespace gpuvm
