#include "tests/unit/traces/import/import_helpers.h"
#include "traces/context.h"

namespace gpuvm {
namespace {

using testing::import_damaged;
using testing::import_text;
using testing::Imported;

TEST(QemuImport, VfioRegionAccesses) {
  const Imported log = import_text(
      "1234@1700000000.000100:vfio_realize  (0000:01:00.0) group 12\n"
      "1234@1700000000.000200:vfio_region_setup Device 0000:01:00.0, region 0 \"0000:01:00.0 BAR 0\", flags: "
      "0x7, "
      "offset: 0x0, size: 0x1000000\n"
      "1234@1700000000.000300:vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0xc0a00a1\n"
      "1234@1700000000.000400:vfio_region_write  (0000:01:00.0:region3+0x9410, 0xdeadbeef12345678, 8)\n");
  ASSERT_EQ(log.report.format, "qemu");
  const std::vector<Event> accesses = log.accesses();
  ASSERT_EQ(accesses.size(), 2u);
  EXPECT_EQ(accesses[0], (Event{.time_ns = 200'000,
                                .address = 0,
                                .value = 0xc0a00a1,
                                .aux = 1,
                                .kind = EventKind::kMmioRead,
                                .space = 0,
                                .width = 4}));
  EXPECT_EQ(accesses[1], (Event{.time_ns = 300'000,
                                .address = 0x9410,
                                .value = 0xdeadbeef12345678,
                                .aux = 1,
                                .kind = EventKind::kMmioWrite,
                                .space = 3,
                                .width = 8}));
  EXPECT_EQ(log.report.meta.device.bars[0].size, 0x1000000u);
  EXPECT_EQ(log.report.meta.device.chip, "GF100");
  EXPECT_EQ(log.report.notes, 2u);
  EXPECT_EQ(log.report.first_note_line, 0u);
}

TEST(QemuImport, VfioConfigInterruptsAndReset) {
  const Imported log = import_text(
      "vfio_region_read  (gpu:region0+0x0, 4) = 0x0\n"
      "vfio_pci_read_config  (gpu, @0x0, len=0x2) 0x10de\n"
      "vfio_pci_write_config  (gpu, @0x4, 0x7, len=0x2)\n"
      "vfio_intx_interrupt  (gpu) Pin A\n"
      "vfio_intx_eoi  (gpu) EOI\n"
      "vfio_msi_interrupt  (gpu) vector 0 0xfee00000/0x4021\n"
      "vfio_pci_reset  (gpu)\n"
      "vfio_pci_reset  (other)\n");
  ASSERT_EQ(log.trace.events().size(), 8u);
  EXPECT_EQ(log.event(1), (Event{.address = 0, .value = 0x10de, .kind = EventKind::kConfigRead, .width = 2}));
  EXPECT_EQ(log.event(2), (Event{.address = 4, .value = 7, .kind = EventKind::kConfigWrite, .width = 2}));
  EXPECT_EQ(log.event(3), (Event{.value = 1, .kind = EventKind::kIrq, .space = kIrqIntx}));
  EXPECT_EQ(log.event(4), (Event{.value = 0, .kind = EventKind::kIrq, .space = kIrqIntx}));
  EXPECT_EQ(
      log.event(5),
      (Event{.address = 0xfee00000, .value = 0x4021, .aux = 1, .kind = EventKind::kIrq, .space = kIrqMsi}))
      << "vector 0";
  EXPECT_EQ(log.event(6).kind, EventKind::kReset);
  EXPECT_EQ(log.event(7).kind, EventKind::kNote) << "another device's";
}

// Lines as qemu-system-x86_64 7.2.22 prints them.
constexpr std::string_view kOps =
    "5319@1795362352.719936:memory_region_ops_write cpu -1 mr 0x55ab6be02ca0 addr 0xfee00000 value 0x0 size "
    "4 name "
    "'apic-msi'\n"
    "5321@1795362352.721067:memory_region_ops_read cpu 0 mr 0x55ab6c6d3520 addr 0x71 value 0x0 size 1 name "
    "'rtc'\n"
    "5321@1795362352.739052:pci_update_mappings_add edu 00:01.0 0,0xfea00000+0x100000\n"
    "5321@1795362352.739444:pci_update_mappings_add ich9-ahci 00:1f.2 4,0xc040+0x20\n"
    "5321@1795362352.740000:memory_region_ops_read cpu 0 mr 0x55ab6c6d0000 addr 0xfea00004 value 0x10000ed "
    "size 4 name "
    "'edu-mmio'\n"
    "5321@1795362352.740001:pci_cfg_read edu 00:01.0 @0x0 -> 0x11e81234\n"
    "5321@1795362352.740001:pci_cfg_read mch 00:00.0 @0x0 -> 0x8086\n";

TEST(QemuImport, MemoryRegionOps) {
  const Imported log = import_text(kOps);
  const std::vector<Event> accesses = log.accesses();
  ASSERT_EQ(accesses.size(), 3u);
  EXPECT_EQ(accesses[0].space, kNoBar);
  EXPECT_EQ(accesses[0].address, 0xfee00000u);
  EXPECT_EQ(accesses[2].space, 0);
  EXPECT_EQ(accesses[2].address, 4u);
  EXPECT_EQ(log.report.outside_bars, 2u);
  std::vector<ContextRecord> contexts;
  for (const Event& e : log.trace.events()) {
    if (e.kind == EventKind::kContext) contexts.push_back(decode_context(log.batch().payload(e)).value());
  }
  ASSERT_EQ(contexts.size(), 3u);
  EXPECT_EQ(
      contexts[0],
      (ContextRecord{.map_id = 1, .thread = 5319, .pc = 0, .label = "apic-msi", .callers = {}, .cpu = 0}));
  EXPECT_EQ(
      contexts[2],
      (ContextRecord{.map_id = 3, .thread = 5321, .pc = 0, .label = "edu-mmio", .callers = {}, .cpu = 1}));
  EXPECT_EQ(log.report.other, 1u) << "edu's configuration read";
  EXPECT_EQ(log.report.meta.device.vendor, 0x1234);
  EXPECT_EQ(log.report.meta.device.device, 0x11e8);
  EXPECT_EQ(log.report.notes, 3u) << "two mappings and the host bridge";
}

// Lines as QEMU 10.2 prints them under libvirt.
TEST(QemuImport, CalendarStamps) {
  const Imported log = import_text(
      "2026-03-04 05:06:07.123+0000: starting up libvirt version: 12.0.0, hostname: host\n"
      "LC_ALL=C \\\n/usr/bin/qemu-system-x86_64 \\\n-msg timestamp=on\n"
      "2026-03-04T05:06:08Z vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0xc3680a1\n"
      "2026-03-04T05:06:08.000250Z vfio_region_write  (0000:01:00.0:region0+0x140, 0x1, 4)\n"
      "2026-03-04T06:06:09+01:00 vfio_region_write  (0000:01:00.0:region0+0x140, 0x0, 4)\n"
      "2026-03-04T05:06:10.5Z vfio_msi_interrupt  (0000:01:00.0) vector 3 0xfee00000/0x4023\n");
  ASSERT_EQ(log.trace.events().size(), 4u) << "libvirt's lines are a header";
  EXPECT_EQ(log.report.header_lines, 4u);
  EXPECT_EQ(log.event(0).time_ns, 0u);
  EXPECT_EQ(log.event(1).time_ns, 250'000u);
  EXPECT_EQ(log.event(2).time_ns, 1'000'000'000u);
  EXPECT_EQ(log.event(3).time_ns, 2'500'000'000u);
  EXPECT_EQ(log.event(3).aux, 4u) << "vector + 1";
  EXPECT_EQ(log.report.meta.wall_clock_us, 1'772'600'768'000'000u);
}

TEST(QemuImport, CalendarStampsOfTheOtherFamilies) {
  const Imported log = import_text(
      "2024-02-29T23:59:59.999999Z pci_update_mappings_add vga 00:02.0 0,0xfd000000+0x1000000\n"
      "2024-03-01T00:00:00.000001Z memory_region_ops_read cpu 0 mr 0x55f2 addr 0xfd000000 value 0x1 size 4 "
      "name "
      "'vga-bar0'\n"
      "2024-03-01T00:00:00.000002Z pci_cfg_write vga 00:02.0 @0x4 <- 0x107\n");
  const std::vector<Event> accesses = log.accesses();
  ASSERT_EQ(accesses.size(), 1u);
  EXPECT_EQ(accesses[0].time_ns, 2000u);
  EXPECT_EQ(accesses[0].space, 0);
  EXPECT_EQ(log.report.config, 1u);
}

TEST(QemuImport, LibvirtAppendsToItsLog) {
  const std::string run =
      "2026-03-04 05:06:07.123+0000: starting up libvirt version: 12.0.0\n-msg timestamp=on\n"
      "2026-03-04T05:06:08Z vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0x1\n"
      "2026-03-04T05:06:09Z vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0x1\n";
  const Imported log = import_text(run + run);
  ASSERT_EQ(log.report.meta.sessions.size(), 2u);
  EXPECT_EQ(log.accesses()[3].time_ns, 2'000'000'000u);
}

TEST(QemuImport, OldConfigurationLinesHaveADecimalPlace) {
  const Imported log = import_text(
      "pci_cfg_read nvidia 12:1 @0x0 -> 0x6d810de\n"
      "pci_update_mappings_add d=0x5581f2a0 00:0c.1 0,0xfd000000+0x1000000\n"
      "pci_cfg_write nvidia 12:1 @0x4 <- 0x107\n"
      "pci_cfg_write other 12:0 @0x4 <- 0x107\n"
      "memory_region_ops_read cpu 0 mr 0x55f2 addr 0xfd000004 value 0x1 size 4\n");
  EXPECT_EQ(log.report.config, 2u);
  EXPECT_EQ(log.report.meta.device.vendor, 0x10de);
  EXPECT_EQ(log.report.meta.device.device, 0x6d8);
  EXPECT_EQ(log.accesses()[0].space, 0);
}

TEST(QemuImport, ARegionIsItsPointerAndItsName) {
  const Imported log = import_text(
      "memory_region_ops_read cpu 0 mr 0x1000 addr 0x60008840 value 0x0 size 4 name 'efuse'\n"
      "memory_region_ops_write cpu 0 mr 0x1000 addr 0x60000000 value 0x45 size 4 name 'uart'\n"
      "memory_region_ops_write cpu 0 mr 0x2000 addr 0x60000000 value 0x45 size 4 name 'uart'\n");
  std::vector<std::string> labels;
  for (const Event& e : log.trace.events()) {
    if (e.kind == EventKind::kContext) labels.push_back(decode_context(log.batch().payload(e)).value().label);
  }
  EXPECT_EQ(labels, (std::vector<std::string>{"efuse", "uart", "uart"}));
}

// What hw/vfio/pci-quirks.c prints when QEMU answers in the hardware's place.
TEST(QemuImport, QuirksOfVfio) {
  const Imported log = import_text(
      "vfio_region_read  (0000:01:00.0:region0+0x88000, 4) = 0x11111111\n"
      "vfio_pci_read_config  (0000:01:00.0, @0x0, len=0x4) 0x6d810de\n"
      "vfio_quirk_generic_mirror_read 0000:01:00.0 vfio-nvidia-bar0-88000-mirror-quirk 0x0: 0x6d810de\n"
      "vfio_pci_write_config  (0000:01:00.0, @0x4, 0x7, len=0x2)\n"
      "vfio_quirk_generic_mirror_write 0000:01:00.0 vfio-nvidia-bar0-88000-mirror-quirk 0x4: 0x7\n"
      "vfio_region_read  (0000:01:00.0:region5+0xc, 4) = 0x22222222\n"
      "vfio_quirk_generic_window_data_read 0000:01:00.0 vfio-nvidia-bar5-window-data-quirk 0x33333333\n"
      "vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0xc3680a1\n");
  const std::vector<Event> accesses = log.accesses();
  ASSERT_EQ(accesses.size(), 4u);
  EXPECT_EQ(accesses[0].value, 0x11111111u);
  EXPECT_EQ(accesses[0].flags, kFlagValueHardware) << "the guest saw another";
  EXPECT_EQ(accesses[1],
            (Event{.address = 0x88004, .value = 7, .kind = EventKind::kMmioWrite, .space = 0, .width = 2}))
      << "the guest's write, which does not reach the hardware";
  EXPECT_EQ(accesses[2].flags, kFlagValueHardware);
  EXPECT_EQ(accesses[3].flags, 0);
  EXPECT_EQ(log.report.config, 2u);
  EXPECT_EQ(log.report.notes, 2u) << "what the guest saw instead is kept";
}

TEST(QemuImport, OldOpsLinesHaveNoName) {
  const Imported log = import_text("memory_region_ops_read cpu 0 mr 0x1 addr 0x71 value 0x0 size 1\n");
  EXPECT_EQ(log.report.reads, 1u);
}

TEST(QemuImport, ABarThatMovedIsFollowed) {
  const Imported log = import_text(
      "pci_update_mappings_add edu 00:01.0 0,0xfea00000+0x100000\n"
      "memory_region_ops_read cpu 0 mr 0x1 addr 0xfea00004 value 0x0 size 4 name 'edu-mmio'\n"
      "pci_update_mappings_del edu 00:01.0 0,0xfea00000+0x100000\n"
      "memory_region_ops_read cpu 0 mr 0x1 addr 0xfea00004 value 0x0 size 4 name 'other'\n"
      "pci_update_mappings_add edu 00:01.0 0,0xe0000000+0x100000\n"
      "memory_region_ops_read cpu 0 mr 0x1 addr 0xe0000008 value 0x0 size 4 name 'edu-mmio'\n");
  const std::vector<Event> accesses = log.accesses();
  ASSERT_EQ(accesses.size(), 3u);
  EXPECT_EQ(accesses[1].space, kNoBar);
  EXPECT_EQ(accesses[2].space, 0);
  EXPECT_EQ(accesses[2].address, 8u);
}

TEST(QemuImport, WhatIsNotUnderstoodIsKept) {
  for (const std::string_view line :
       {"vfio_region_read  (gpu:region0+0x0, 4)", "qemu-system-x86_64: warning: x",
        "vfio_region_write  (gpu:region0, 4", "1@2.3:vfio_region_read  (gpu:region0+0x0, 4) = 0x0",
        "memory_region_ops_read cpu 0 mr 0x1 addr 0x71"}) {
    const Imported log =
        import_text("vfio_region_read  (gpu:region0+0x0, 4) = 0x0\n" + std::string(line) + "\n");
    EXPECT_EQ(log.report.notes, 1u) << line;
    EXPECT_EQ(log.payload(1), line);
    EXPECT_EQ(log.report.first_note, line);
  }
}

TEST(QemuImport, EveryCutAndFlipOfALogEndsInAnAnswer) {
  for (size_t i = 0; i < kOps.size(); ++i) {
    import_damaged(kOps.substr(0, i + 1), {.format = "qemu"});
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped(kOps);
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      import_damaged(flipped, {.format = "qemu"});
    }
  }
}

TEST(Import, UnknownFormatsAreRefused) {
  MemoryTrace trace;
  for (const std::string_view text : {"", "hello\nworld\n", "# a comment\n"}) {
    auto source = memory_byte_source(text, "log");
    const auto report = import_log(*source.value(), trace, {.name = "x.log"});
    ASSERT_FALSE(report.ok()) << text;
    EXPECT_TRUE(report.error().message.starts_with("x.log: ")) << report.error().message;
  }
  EXPECT_TRUE(trace.events().empty());
}

}  // namespace
}  // namespace gpuvm
