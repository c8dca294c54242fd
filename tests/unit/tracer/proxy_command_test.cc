#include "tracer/qemu/proxy_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tracer/qemu/qemu_process.h"

namespace gpuvm {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(ProxyCommand, ProcessorsAreCountedAsQemuDoes) {
  EXPECT_EQ(processors_of("4"), 4u);
  EXPECT_EQ(processors_of("cpus=3,maxcpus=8"), 3u);
  EXPECT_EQ(processors_of("sockets=2,cores=2"), 4u);
  EXPECT_EQ(processors_of("1,maxcpus=4"), 1u);
  EXPECT_EQ(processors_of("sockets=4000000000,cores=4000000000,threads=4000000000") > 1, true);
  EXPECT_EQ(processors_of(""), 1u);
  EXPECT_EQ(processors_of("cpus=x"), 1u);
}

TEST(ProxyCommand, SeveralProcessorsNeedOneThread) {
  const Status refused = check_proxy_command({"my-qemu", "-smp", "2"});
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, HasSubstr("-accel tcg,thread=single"));
  EXPECT_FALSE(check_proxy_command({"my-qemu", "--smp", "cpus=2", "-accel", "tcg"}).ok());
  EXPECT_TRUE(check_proxy_command({"my-qemu", "-smp", "2", "-accel", "tcg,thread=single"}).ok());
  EXPECT_TRUE(check_proxy_command({"my-qemu", "-smp", "1"}).ok());
  EXPECT_TRUE(check_proxy_command({"my-qemu"}).ok());
}

TEST(ProxyCommand, AQemuWhoseDeviceDoesNotWorkIsRefused) {
  const RunDirectory folder = std::move(RunDirectory::create("")).value();
  const std::string program = folder.path() / "qemu-system-x86_64";
  std::ofstream(program) << "#!/bin/sh\necho 'QEMU emulator version 10.0.2'\n";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  const Status refused = check_proxy_command({program, "-m", "1G"});
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.error().message, AllOf(HasSubstr("vfio-user"), HasSubstr("--qemu debian:sid")));
}

}  // namespace
}  // namespace gpuvm
