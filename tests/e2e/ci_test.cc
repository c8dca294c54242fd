// `gpuvm ci`: a run that holds, and each way in which one does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pugixml.hpp>

#include "tests/e2e/program.h"

namespace gpuvm {
namespace {

using testing::HasSubstr;

constexpr const char* kSamples = GPUVM_SOURCE_DIR "/traces/samples/";

class Ci : public testing::Test {
 protected:
  Ended ci(std::vector<std::string> options) {
    std::vector<std::string> argv = {GPUVM_PROGRAM, "ci", "-o", xml_};
    argv.insert(argv.end(), options.begin(), options.end());
    const Ended ended = run_to_end(argv, scratch_.file("output"));
    document_.load_file(xml_.c_str());
    return ended;
  }
  pugi::xml_node check(const char* name) {
    return document_.child("testsuites").child("testsuite").find_child_by_attribute("testcase", "name", name);
  }
  std::string failure(const char* name) { return check(name).child("failure").attribute("message").value(); }
  std::string failure_text(const char* name) { return check(name).child_value("failure"); }

  Scratch scratch_;
  std::string xml_ = scratch_.file("result.xml");
  pugi::xml_document document_;
};

TEST_F(Ci, TheDriverOfTheRecordingHolds) {
  const Ended ended =
      ci({"--workload", "load-noaccel", "--expect", std::string(kSamples) + "load-noaccel.gvt"});
  EXPECT_EQ(ended.status, 0) << ended.output;
  for (const char* name : {"workload", "polls", "kernel log", "registers", "sequence"}) {
    ASSERT_TRUE(check(name)) << name;
    EXPECT_FALSE(check(name).child("failure")) << ended.output;
  }
  EXPECT_FALSE(check("sequence").child("skipped"));
}

TEST_F(Ci, TheExpectationOfAnotherWorkloadIsLeftWhereTheyPart) {
  const Ended ended = ci({"--workload", "load-noaccel", "--expect", std::string(kSamples) + "load.gvt"});
  EXPECT_EQ(ended.status, 1) << ended.output;
  EXPECT_THAT(failure("sequence"), HasSubstr("leaves the recording in phase 'load'"));
  EXPECT_THAT(failure_text("sequence"),
              HasSubstr("the recording is of workload 'load', this run of 'load-noaccel'"));
  EXPECT_FALSE(check("workload").child("failure")) << ended.output;
}

TEST_F(Ci, AGuestThatPollsForEverIsNamedAndEnded) {
  const Ended ended = ci({"--workload", "poll"});
  EXPECT_EQ(ended.status, 1) << ended.output;
  EXPECT_THAT(failure("polls"), HasSubstr("reads PGRAPH.STATUS without end"));
  EXPECT_THAT(failure_text("polls"), HasSubstr("in user"));
  // The default limit is 4 s, and what is over is told within a second.
  const std::string text = failure("polls");
  const double seconds = std::stod(text.substr(text.rfind(" in ") + 4));
  EXPECT_GE(seconds, 4.0);
  EXPECT_LT(seconds, 5.0);
}

// The driver gives up after two seconds; with a shorter limit its poll is one that is too long.
TEST_F(Ci, TheFunctionOfTheDriverThatPollsIsNamed) {
  const Ended ended = ci({"--workload", "load-noaccel", "--stuck", "PFLUSH.BAR=2", "--poll-limit", "1"});
  EXPECT_EQ(ended.status, 1) << ended.output;
  EXPECT_THAT(failure("polls"), HasSubstr("reads PFLUSH.BAR without end"));
  EXPECT_THAT(failure_text("polls"), HasSubstr("in g84_bar_flush")) << ended.output;
}

TEST_F(Ci, WhatCannotBeJudgedIsRefusedBeforeTheBoot) {
  const Ended missing = ci({"--expect", scratch_.file("nothing.gvt")});
  EXPECT_EQ(missing.status, 2);
  EXPECT_THAT(missing.output, HasSubstr("nothing.gvt"));
  for (const char* stuck : {"PGRAPH.STATUS", "NOTHING=1", "0x400701=1", "0x400700=0x100000000"}) {
    const Ended ended = ci({"--stuck", stuck});
    EXPECT_EQ(ended.status, 2) << stuck;
    EXPECT_THAT(ended.output, HasSubstr("--stuck")) << stuck;
  }
}

}  // namespace
}  // namespace gpuvm
