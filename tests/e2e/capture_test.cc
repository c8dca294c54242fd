// Captures of the real driver on the card: what must hold of every one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tracer/guest/capture.h"

namespace gpuvm {
namespace {

namespace fs = std::filesystem;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

struct Case {
  std::string name;  // of the test
  std::string workload;
  bool msi = true;
  uint64_t delay_us = 0;
  QemuMachine machine = QemuMachine::kPc;
  bool mmiotrace = false;
  bool trace_program = false;
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.name;
}

const Case kCases[] = {
    {"LoadNoAccelWithMmiotrace", "load-noaccel", true, 0, QemuMachine::kPc, true},
    {"CopyWithThreeWitnesses", "copy", true, 0, QemuMachine::kPc, true, true},
    {"CopyLateByIntx", "copy", false, 50'000},
    {"CopyOnQ35LateByMsi", "copy", true, 50'000, QemuMachine::kQ35},
    {"Twod", "twod"},
    {"Channels", "channels"},
    {"ReloadByIntx", "reload", false},
    {"RescanOnQ35", "rescan", true, 0, QemuMachine::kQ35},
    {"Fault", "fault"},
    {"Stress", "stress"},
    {"ComputeOnMesa", "fmmul"},
    {"ClearOnMesa", "clear"},
    {"TexturesOnMesa", "textures"},
    {"ImagesOnMesa", "images"},
    {"OpenClOnMesa", "clmmul"},
};

class Trace {
 public:
  // Removed at the end, with the name that a failure shows.
  Trace() : path_(fs::temp_directory_path() / fmt::format("gpuvm-e2e-{}.gvt", getpid())) {}
  Trace(const Trace&) = delete;
  ~Trace() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  std::string path() const { return path_; }

 private:
  fs::path path_;
};

GuestOutcome record(const Case& one, const std::string& path) {
  CaptureOptions options;
  options.guest.kernel.workload = one.workload;
  options.guest.kernel.msi = one.msi;
  options.guest.kernel.mmiotrace = one.mmiotrace;
  if (one.trace_program) {
    options.guest.kernel.trace_program = true;
    options.program_outputs = {path + ".program"};
  }
  options.guest.machine = one.machine;
  options.card.delay_ns = one.delay_us * 1000;
  if (unsigned vram_mib = find_workload(one.workload)->vram_mib; vram_mib != 0)
    options.card.vram_bytes = uint64_t{vram_mib} << 20;
  options.outputs = {path};
  auto outcomes = capture(options);
  EXPECT_TRUE(outcomes.ok()) << outcomes.error().message;
  return outcomes ? outcomes.value().at(0) : GuestOutcome{};
}

class Capture : public testing::TestWithParam<Case> {};

TEST_P(Capture, WorkloadVerifiesAndTheKernelDoesNotComplain) {
  Trace trace;
  const GuestOutcome outcome = record(GetParam(), trace.path());
  EXPECT_TRUE(outcome.succeeded) << outcome.message;
  EXPECT_EQ(outcome.stray_accesses, 0u);
  EXPECT_EQ(outcome.ignored_methods, 0u);
  if (GetParam().mmiotrace) {
    EXPECT_THAT(outcome.message, HasSubstr("mmiotrace agrees"));
  }
  if (GetParam().trace_program) {
    // Every access to the card that the kernel's tracer did not see is in the program's own record, in order.
    EXPECT_THAT(outcome.message, HasSubstr("65546 more came from user space, 0 after it was off"));
    EXPECT_THAT(outcome.message, HasSubstr("the program's own trace agrees in all 65546"));
    EXPECT_THAT(outcome.message, ContainsRegex("names all [0-9]+ ioctls"));
    fs::remove(trace.path() + ".program");
  }

  auto opened = TraceReader::open(trace.path());
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  EXPECT_TRUE(opened.value()->summary().complete);
  auto dmesg = opened.value()->attachment(kDmesgAttachment);
  ASSERT_TRUE(dmesg.ok()) << dmesg.error().message;
  for (const char* complaint : {"timeout", "WARNING", "nobody cared", "Call Trace"})
    EXPECT_THAT(dmesg.value(), Not(HasSubstr(complaint)));
  EXPECT_THAT(dmesg.value(), HasSubstr("NVIDIA GF100"));
  if (GetParam().workload != "load-noaccel") {
    EXPECT_THAT(dmesg.value(), HasSubstr("MM: using COPY1 for buffer copies"));
  }
}

// UEFI firmware places BARs otherwise than SeaBIOS does.
TEST(CaptureByOvmf, WorkloadVerifies) {
  const char* firmware = "/usr/share/ovmf/OVMF.fd";
  if (!fs::exists(firmware)) GTEST_SKIP() << "no " << firmware << "; install the package ovmf";
  Trace trace;
  CaptureOptions options;
  options.guest.firmware = firmware;
  options.outputs = {trace.path()};
  const auto outcomes = capture(options);
  ASSERT_TRUE(outcomes.ok()) << outcomes.error().message;
  EXPECT_TRUE(outcomes.value()[0].succeeded) << outcomes.value()[0].message;
  EXPECT_EQ(outcomes.value()[0].stray_accesses, 0u);
}

INSTANTIATE_TEST_SUITE_P(, Capture, testing::ValuesIn(kCases),
                         [](const auto& one) { return one.param.name; });

// Order, kind, place and width of every access, but not values: some are times and addresses in the guest's
// memory.
std::vector<Event> accesses_of(const std::string& path) {
  std::vector<Event> accesses;
  auto opened = TraceReader::open(path);
  EXPECT_TRUE(opened.ok());
  while (opened) {
    auto batch = opened.value()->next();
    EXPECT_TRUE(batch.ok());
    if (!batch || batch.value() == nullptr) break;
    for (const Event& event : batch.value()->events)
      if (is_mmio(event.kind))
        accesses.push_back(
            {.address = event.address, .kind = event.kind, .space = event.space, .width = event.width});
  }
  return accesses;
}

TEST(CaptureTwice, HoldsTheSameSequenceOfAccesses) {
  std::vector<Event> first;
  for (int run = 0; run < 2; ++run) {
    Trace trace;
    const GuestOutcome outcome = record({"", "copy"}, trace.path());
    ASSERT_TRUE(outcome.succeeded) << outcome.message;
    std::vector<Event> accesses = accesses_of(trace.path());
    EXPECT_GT(accesses.size(), 300'000u);
    if (run == 0) {
      first = std::move(accesses);
      continue;
    }
    ASSERT_EQ(accesses.size(), first.size());
    for (size_t i = 0; i < first.size(); ++i) {
      ASSERT_EQ(accesses[i], first[i])
          << "access " << i << ": BAR" << +accesses[i].space << "+" << accesses[i].address
          << " instead of BAR" << +first[i].space << "+" << first[i].address;
    }
  }
}

}  // namespace
}  // namespace gpuvm
