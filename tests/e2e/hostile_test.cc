// A peer that does what it can (hostile_qemu.cc): it keeps no other guest waiting, and a signal or the time
// limit ends the program as fast as ever.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/e2e/program.h"

namespace gpuvm {
namespace {

using testing::HasSubstr;

#ifdef GPUVM_SANITIZED
constexpr int kSlowness = 10;
#else
constexpr int kSlowness = 1;
#endif
constexpr std::chrono::seconds kPromised(2 * kSlowness);
constexpr std::chrono::seconds kPreparation(240);  // of a guest, on a machine that is busy

const std::vector<std::string> kAttacks = {
    "doorbells",  "push-buffer", "shader",      "rebuilds", "page-tables", "messages",
    "interrupts", "marks",       "attachments", "console",  "never-hears", "says-half",
};
std::string as_name(std::string text) {
  std::erase(text, '-');
  return text;
}

std::vector<std::string> capture(const Scratch& scratch, const std::string& mode, unsigned guests,
                                 const std::string& arguments) {
  return {GPUVM_PROGRAM,
          "capture",
          "-o",
          scratch.file("t.gvt"),
          "--qemu",
          HOSTILE_QEMU,
          "--mode",
          mode,
          "--guests",
          std::to_string(guests),
          "--workload",
          guests == 2 ? "load,none" : "load",
          "--kernel-arguments",
          arguments};
}

// All that stands between a program in the midst of an attack and its end.
class StoppedUnderAttack : public testing::TestWithParam<std::string> {
 protected:
  std::string begun() const { return scratch_.file("begun"); }
  void wait_for_the_midst(const Program& program) const {
    ASSERT_TRUE(eventually([&] { return std::filesystem::exists(begun()); }, kPreparation))
        << program.output();
    usleep(200'000);
  }
  Scratch scratch_;
  std::string log_ = scratch_.file("log");
};

TEST_P(StoppedUnderAttack, ACaptureEndsWithSigint) {
  Program program(capture(scratch_, "naive", 2, fmt::format("attack={} ready={}", GetParam(), begun())),
                  log_);
  wait_for_the_midst(program);
  program.signal(SIGINT);
  const Ended ended = program.wait(kPromised);
  EXPECT_EQ(ended.status, 1) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("t-1.gvt: FAILED: stopped by SIGINT"));
}

INSTANTIATE_TEST_SUITE_P(, StoppedUnderAttack, testing::ValuesIn(kAttacks),
                         [](const auto& attack) { return as_name(attack.param); });

class LimitUnderAttack : public StoppedUnderAttack {};

TEST_P(LimitUnderAttack, ACaptureEnds) {
  auto argv = capture(scratch_, "lazy", 1, fmt::format("attack={} ready={}", GetParam(), begun()));
  argv.insert(argv.end(), {"--time-limit", "1"});
  Program program(argv, log_);
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(begun()); }, kPreparation)) << program.output();
  const Ended ended = program.wait(std::chrono::seconds(1) + kPromised);
  EXPECT_EQ(ended.status, 1) << ended.output;
}

INSTANTIATE_TEST_SUITE_P(, LimitUnderAttack, testing::Values("doorbells", "shader", "marks", "push-buffer"),
                         [](const auto& attack) { return as_name(attack.param); });

// It has the device's link only. A peer that never hears is left at once, which is an end, too.
class ServeUnderAttack : public StoppedUnderAttack {};

TEST_P(ServeUnderAttack, EndsWithSigterm) {
  Program program({GPUVM_PROGRAM, "serve", "-o", scratch_.file("t.gvt"), "--mode", "naive", "--",
                   HOSTILE_QEMU, "-append", fmt::format("attack={} ready={}", GetParam(), begun()), "-device",
                   "x-pci-proxy-dev,fd=@FD@", "-chardev", "socket,fd=@QTEST@"},
                  log_);
  wait_for_the_midst(program);
  kill(program.pid(), SIGTERM);
  const Ended ended = program.wait(kPromised);
  EXPECT_THAT(ended.output, HasSubstr("SIGTERM"));
}

INSTANTIATE_TEST_SUITE_P(, ServeUnderAttack,
                         testing::Values("doorbells", "push-buffer", "shader", "rebuilds", "page-tables",
                                         "messages", "interrupts", "says-half"),
                         [](const auto& attack) { return as_name(attack.param); });

class Neighbour : public testing::TestWithParam<std::tuple<std::string, std::string>> {};

// The other guest's reads, as the server measures their answers.
TEST_P(Neighbour, OfAnAttackerIsNotKeptWaiting) {
  const auto& [attack, mode] = GetParam();
  Scratch scratch;
  const Ended ended = run_to_end(capture(scratch, mode, 2, fmt::format("attack={} attack-ms=600", attack)),
                                 scratch.file("log"));
  const double slowest_ms = slowest_answer_ms(ended, "t-1.gvt: ok: ");
  EXPECT_GE(slowest_ms, 0.0);
  EXPECT_LT(slowest_ms, 50.0 * kSlowness) << ended.output;
}

std::string name_of(const testing::TestParamInfo<Neighbour::ParamType>& test) {
  return as_name(std::get<0>(test.param)) + "_" + std::get<1>(test.param);
}
INSTANTIATE_TEST_SUITE_P(Every, Neighbour,
                         testing::Combine(testing::ValuesIn(kAttacks), testing::Values("naive")), name_of);
// What depends on the mode.
INSTANTIATE_TEST_SUITE_P(Shadows, Neighbour,
                         testing::Combine(testing::Values("rebuilds", "page-tables", "doorbells"),
                                          testing::Values("lazy", "incremental")),
                         name_of);

// By vfio-user it is QEMU that connects.
TEST(HostileQemu, ThatNeverConnectsIsNotWaitedForAfterSigint) {
  Scratch scratch;
  const std::string qemu = scratch.file("qemu"), begun = scratch.file("begun");
  std::ofstream(qemu) << "#!/bin/sh\n[ $1 = --version ] && echo QEMU emulator version 11.0.0 && exit\n"
                         "[ $1 = -device ] && echo vfio-user-pci options && exit\n"
                      << "touch " << begun << "\nsleep 60\n";
  std::filesystem::permissions(qemu, std::filesystem::perms::owner_all);
  Program program(
      {GPUVM_PROGRAM, "capture", "-o", scratch.file("t.gvt"), "--qemu", qemu, "--workload", "none"},
      scratch.file("log"));
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(begun); }, kPreparation)) << program.output();
  program.signal(SIGINT);
  const Ended ended = program.wait(kPromised);
  EXPECT_EQ(ended.status, 2) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("stopped by SIGINT before QEMU had connected"));
  EXPECT_FALSE(std::filesystem::exists(scratch.file("t.gvt")));
}

TEST(HostileGuest, AttachesNothingOverTheHostsOwn) {
  Scratch scratch;
  const Ended ended =
      run_to_end(capture(scratch, "naive", 1, "attack=forged-document attack-ms=200"), scratch.file("log"));
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.output, HasSubstr("the guest attaches meta.json, which is a name of ours"));
  const Ended info = run_to_end({GPUVM_PROGRAM, "info", scratch.file("t.gvt")}, scratch.file("log"));
  EXPECT_THAT(info.output, HasSubstr("nouveau")) << "the host's own";
}

}  // namespace
}  // namespace gpuvm
