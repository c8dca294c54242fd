#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pugixml.hpp>

#include "analysis/ci/driver_accesses.h"
#include "analysis/ci/junit.h"
#include "analysis/ci/kernel_log.h"
#include "analysis/diff/diff.h"
#include "tests/unit/analysis/trace_builder.h"

namespace gpuvm {
namespace {

using test::TraceBuilder;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const DeviceInfo kCard{.vendor = 0x10de, .chip = "GF100"};

std::vector<uint64_t> kept(const TraceBuilder& builder, size_t batch = 3) {
  MemorySource source(builder.trace(), batch);
  DriverAccesses accesses(source, kCard);
  std::vector<uint64_t> seqs;
  while (true) {
    const auto got = accesses.next();
    EXPECT_TRUE(got.ok());
    if (!got || got.value() == nullptr) return seqs;
    for (size_t i = 0; i < got.value()->events.size(); ++i) seqs.push_back(got.value()->first_seq + i);
  }
}

TEST(DriverAccesses, APollCountsOnceHoweverLongItTakes) {
  EXPECT_THAT(kept(TraceBuilder().write(0, 8).read(0, 0).read(0, 4).read(0, 0).read(0, 4).read(0, 0)),
              ElementsAre(0, 1, 2));
}

TEST(DriverAccesses, WhoWaitsLooksAtTheClock) {
  EXPECT_THAT(kept(TraceBuilder().write(0, 8).read(0, 0).read(0, 0x9410).read(0, 0x9400).read(0, 0)),
              ElementsAre(0, 1));
}

TEST(DriverAccesses, AWriteMakesAReadCountAgain) {
  EXPECT_THAT(kept(TraceBuilder().read(0, 0).read(0, 0).write(0, 8).read(0, 0)), ElementsAre(0, 2, 3));
}

TEST(DriverAccesses, APlaceThatWasReadLongAgoCountsAgain) {
  TraceBuilder builder;
  for (unsigned i = 0; i <= DriverAccesses::kPlaces; ++i) builder.read(0, 4 * i);
  EXPECT_EQ(kept(builder.read(0, 0)).size(), DriverAccesses::kPlaces + 2);
  EXPECT_EQ(kept(builder.read(0, 4 * DriverAccesses::kPlaces)).size(), DriverAccesses::kPlaces + 2);
}

TEST(DriverAccesses, WidthAndBarAreOfAPlace) {
  EXPECT_THAT(kept(TraceBuilder().read(0, 0).read(1, 0).read(0, 0, 0, 8)), ElementsAre(0, 1, 2));
}

TEST(DriverAccesses, WhatIsNoAccessIsLeftOutAndPhasesAreKnown) {
  const TraceBuilder run = TraceBuilder().read(0, 0).mark("phase a").read(0, 4).mark("x").mark("phase b");
  MemorySource source(run.trace(), 9);
  DriverAccesses accesses(source, kCard);
  while (accesses.next().value() != nullptr) {
  }
  EXPECT_EQ(accesses.phase_at(0), "");
  EXPECT_EQ(accesses.phase_at(2), "a");
  EXPECT_EQ(accesses.phase_at(9), "b");
}

TEST(DriverAccesses, TwoRunsThatPollDifferentlyAreTheSame) {
  TraceBuilder a, b;
  for (unsigned i = 0; i < 50; ++i) {
    a.write(0, 0x100 + 4 * i);
    b.write(0, 0x100 + 4 * i);
    for (unsigned k = 0; k <= i % 3; ++k) a.read(0, 0).read(0, 4);
    for (unsigned k = 0; k <= i % 7; ++k) b.read(0, 0).read(0, 4);
  }
  MemorySource source_a(a.trace(), 7), source_b(b.trace(), 11);
  DriverAccesses accesses_a(source_a, kCard), accesses_b(source_b, kCard);
  const auto result = diff_traces(accesses_a, accesses_b, kCard, {});
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result.value().same_sequence());
  EXPECT_EQ(result.value().matched, 150u);
}

TEST(KernelLog, ComplaintsAreFoundWithTheirLines) {
  const KernelLogFindings found =
      complaints_in("[ 1.0] fine\n[ 1.1] nouveau: fifo: runlist 0 update timeout\n[ 1.2] WARNING: CPU: 0\n");
  EXPECT_EQ(found.lines, 3u);
  ASSERT_EQ(found.first.size(), 2u);
  EXPECT_EQ(found.first[0].line, 2u);
  EXPECT_THAT(found.first[0].text, HasSubstr("runlist"));
  EXPECT_EQ(found.first[1].why, "a warning of the kernel");
}

TEST(KernelLog, AGoodOneHasNone) {
  EXPECT_EQ(complaints_in("[ 1.0] nouveau 0000:00:08.0: NVIDIA GF100 (0c0080a1)\n").complaints, 0u);
  EXPECT_EQ(complaints_in("").lines, 0u);
}

TEST(KernelLog, AFloodIsCountedAndNotKept) {
  std::string log;
  for (unsigned i = 0; i < 1000; ++i) log += "timeout" + std::string(1000, 'x') + "\n";
  const KernelLogFindings found = complaints_in(log);
  EXPECT_EQ(found.complaints, 1000u);
  EXPECT_EQ(found.first.size(), KernelLogFindings::kKept);
  EXPECT_EQ(found.first[0].text.size(), Complaint::kMaxText);
}

TEST(Junit, SaysWhatAReaderOfCiResultsLooksFor) {
  CheckRun run{.name = "ci",
               .properties = {{"kernel", "6.1"}},
               .checks = {{"a", CheckOutcome::kHolds, "fine"},
                          {"b", CheckOutcome::kFails, "wrong <here> & \"there\"", {"line 1", "line 2"}},
                          {"c", CheckOutcome::kSkipped, "not asked for"}},
               .seconds = 1.5};
  EXPECT_FALSE(run.holds());
  pugi::xml_document document;
  ASSERT_TRUE(document.load_string(junit_xml(run).c_str()));
  const pugi::xml_node suite = document.child("testsuites").child("testsuite");
  EXPECT_STREQ(suite.attribute("tests").value(), "3");
  EXPECT_STREQ(suite.attribute("failures").value(), "1");
  EXPECT_STREQ(suite.attribute("skipped").value(), "1");
  EXPECT_STREQ(suite.child("properties").child("property").attribute("value").value(), "6.1");
  const pugi::xml_node failed = suite.find_child_by_attribute("testcase", "name", "b");
  EXPECT_STREQ(failed.child("failure").attribute("message").value(), "wrong <here> & \"there\"");
  EXPECT_STREQ(failed.child_value("failure"), "line 1\nline 2\n");
  EXPECT_TRUE(suite.find_child_by_attribute("testcase", "name", "c").child("skipped"));
}

TEST(Junit, TextOfAGuestBreaksNoXml) {
  const CheckRun run{
      .name = "x", .properties = {}, .checks = {{"a", CheckOutcome::kFails, "\x1b[2J\x01\xff]]>", {"\x02"}}}};
  pugi::xml_document document;
  const std::string xml = junit_xml(run);
  ASSERT_TRUE(document.load_string(xml.c_str()));
  EXPECT_EQ(xml.find('\x1b'), std::string::npos);
  EXPECT_EQ(xml.find('\x02'), std::string::npos);
}

}  // namespace
}  // namespace gpuvm
