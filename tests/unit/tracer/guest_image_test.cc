#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "tracer/image/apt.h"
#include "tracer/image/cpio.h"
#include "tracer/image/graphics_stack.h"
#include "tracer/image/initramfs.h"
#include "tracer/image/kernel_modules.h"
#include "tracer/image/packages.h"
#include "tracer/image/suite.h"
#include "tracer/posix/child_process.h"
#include "tracer/qemu/qemu_process.h"

namespace gpuvm {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

void write(const fs::path& file, std::string_view bytes) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << bytes;
}

// The least ELF that has a .modinfo section.
std::string module_elf(const std::string& modinfo) {
  const std::string names("\0.modinfo\0.shstrtab\0", 20);
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = 3;
  header.e_shstrndx = 2;
  header.e_shoff = sizeof header + modinfo.size() + names.size();
  Elf64_Shdr sections[3] = {};
  sections[1].sh_name = 1;
  sections[1].sh_offset = sizeof header;
  sections[1].sh_size = modinfo.size();
  sections[2].sh_name = 10;
  sections[2].sh_offset = sizeof header + modinfo.size();
  sections[2].sh_size = names.size();
  std::string elf(reinterpret_cast<const char*>(&header), sizeof header);
  elf += modinfo + names;
  elf.append(reinterpret_cast<const char*>(sections), sizeof sections);
  return elf;
}

std::string module_with(const std::string& depends) {
  return module_elf("license=GPL" + std::string(1, '\0') + "depends=" + depends + std::string(1, '\0'));
}

class GuestImage : public testing::Test {
 protected:
  GuestImage() : directory_(std::move(RunDirectory::create("")).value()), root_(directory_.path()) {}
  RunDirectory directory_;
  fs::path root_;
};

TEST_F(GuestImage, ModulesComeAfterWhatTheyNeed) {
  write(root_ / "gpu/nouveau.ko", module_with("ttm,i2c-algo-bit,not-a-module"));
  write(root_ / "ttm.ko", module_with("drm"));
  write(root_ / "i2c-algo-bit.ko", module_with(""));
  write(root_ / "drm.ko", module_with("nouveau"));  // a cycle, which no real kernel has, must not hang us
  write(root_ / "other.ko", module_with("drm"));
  auto available = find_modules(root_);
  ASSERT_TRUE(available.ok());
  auto order = modules_in_load_order(available.value(), std::span(&kGpuModule, 1));
  ASSERT_TRUE(order.ok()) << order.error().message;
  std::vector<std::string> names;
  for (const KernelModule& module : order.value()) names.push_back(module.name);
  EXPECT_THAT(names, ElementsAre("drm", "ttm", "i2c_algo_bit", "nouveau"));
  const std::string_view missing[] = {"nvidia"};
  EXPECT_THAT(modules_in_load_order(available.value(), missing).error().message,
              HasSubstr("no module nvidia"));
}

TEST_F(GuestImage, WhatIsBuiltInIsNoModule) {
  write(root_ / "nouveau.ko", module_with("virtio_console"));
  write(root_ / "modules.builtin",
        "kernel/drivers/virtio/virtio_pci.ko\nkernel/drivers/char/virtio_console.ko\n");
  auto available = find_modules(root_);
  ASSERT_TRUE(available.ok());
  EXPECT_THAT(modules_in_load_order(available.value(), kTransportModules).value(), testing::IsEmpty());
  auto order = modules_in_load_order(available.value(), std::span(&kGpuModule, 1));
  ASSERT_EQ(order.value().size(), 1u);
  EXPECT_EQ(order.value()[0].name, "nouveau");
}

TEST_F(GuestImage, CompressedModulesAreUnpacked) {
  write(root_ / "a.ko", module_with("b"));
  ASSERT_TRUE(run_command({"xz", (root_ / "a.ko").string()}).value().succeeded);
  auto bytes = read_module(root_ / "a.ko.xz");
  ASSERT_TRUE(bytes.ok()) << bytes.error().message;
  EXPECT_EQ(bytes.value(), module_with("b"));
  write(root_ / "bad.ko.xz", "this is not xz");
  EXPECT_THAT(read_module(root_ / "bad.ko.xz").error().message, HasSubstr("cannot unpack"));
}

TEST(ModuleInfo, DamagedElfIsAnErrorNotACrash) {
  const std::string good = module_with("drm");
  for (size_t cut = 0; cut < good.size(); ++cut)
    EXPECT_FALSE(module_info(good.substr(0, cut), "depends").ok());
  std::mt19937 random(3);
  for (int round = 0; round < 20'000; ++round) {
    std::string bad = good;
    for (int i = 0; i < 3; ++i) bad[random() % bad.size()] = static_cast<char>(random());
    (void)module_info(bad, "depends").ok();
  }
}

TEST_F(GuestImage, CpioIsReadByTheRealTool) {
  CpioWriter writer;
  writer.add_directory("dev");
  writer.add_file("dev/odd", "12345");
  writer.add_file("init", "#!", true);
  write(root_ / "image", writer.finish());
  auto listed = run_command({"sh", "-c", "cpio -tv <" + (root_ / "image").string()});
  ASSERT_TRUE(listed.ok());
  EXPECT_THAT(listed.value().text, testing::ContainsRegex("drwxr-xr-x +1 root +root +0 .* dev\n"));
  EXPECT_THAT(listed.value().text, testing::ContainsRegex("-rw-r--r-- +1 root +root +5 .* dev/odd\n"));
  EXPECT_THAT(listed.value().text, testing::ContainsRegex("-rwxr-xr-x +1 root +root +2 .* init\n"));
}

TEST(Apt, AnswersAreUnderstood) {
  EXPECT_EQ(image_dependency("linux-image-amd64\n  Depends: linux-image-6.1.0-56-amd64\n"),
            "linux-image-6.1.0-56-amd64");
  EXPECT_EQ(image_dependency("linux-image-6.1.0-56-amd64\n  Depends: kmod\n  Depends: linux-base\n"), "");
  EXPECT_EQ(candidate_version("x:\n  Installed: (none)\n  Candidate: 6.1.192-2\n  Version table:\n"),
            "6.1.192-2");
  EXPECT_EQ(candidate_version("x:\n  Installed: (none)\n  Candidate: (none)\n"), "");
  const std::string split =
      "linux-image-7.2-amd64\n  PreDepends: linux-base\n |Depends: dracut\n  Depends: linux-base-7.2-amd64\n"
      "  Depends: linux-binary-7.2-amd64\n  Breaks: linux-modules-7.1-amd64\n";
  EXPECT_THAT(image_parts(split, "linux-image-7.2-amd64"),
              ElementsAre("linux-base-7.2-amd64", "linux-binary-7.2-amd64"));
  EXPECT_THAT(image_parts(split, "linux-image-7.1-amd64"), testing::IsEmpty());
  // The release's own mirror, not that of its security updates or of somebody else.
  EXPECT_EQ(debian_mirror("Sources Debian Debian http://a/\nPackages Debian Debian-Security http://b/\n"
                          "Packages Google Google http://c/\nPackages Debian Debian http://d/\n"),
            "http://d/");
  EXPECT_EQ(debian_mirror("Packages Debian"), "http://deb.debian.org/debian/");
  EXPECT_EQ(debian_suite("debian:sid"), "sid");
  EXPECT_EQ(debian_suite("/usr/bin/qemu"), std::nullopt);
  EXPECT_EQ(apt::folder_name({"qemu", "1:7.2/x"}), "qemu_1_7.2_x");
}

// Stands in for apt: PATH starts with a folder of shell scripts.
class FakeApt : public GuestImage {
 protected:
  FakeApt() : old_path_(getenv("PATH")) {
    setenv("PATH", ((root_ / "bin").string() + ":" + old_path_).c_str(), 1);
    program("apt-cache",
            "[ $2 = linux-image-no ] && { echo 'E: No packages found'; exit 100; }\n"
            "[ $1 = policy ] && echo '  Candidate: 9-1'\n"
            "[ $1$2 = dependslinux-image-amd64 ] && echo '  Depends: linux-image-9-amd64'\nexit 0");
    program("apt-get", "echo x >>" + (root_ / "downloads").string() + "; sleep 0.2; cp " +
                           (root_ / "kernel.deb").string() + " linux-image-9-amd64_9-1_amd64.deb");
    make_deb();
    request_.cache_directory = root_ / "cache";
  }
  ~FakeApt() override { setenv("PATH", old_path_.c_str(), 1); }

  void program(const std::string& name, const std::string& script) {
    write(root_ / "bin" / name, "#!/bin/sh\n" + script + "\n");
    chmod((root_ / "bin" / name).c_str(), 0755);
  }
  void make_deb() {
    write(root_ / "deb/DEBIAN/control",
          "Package: linux-image-9-amd64\nVersion: 9-1\nArchitecture: amd64\nMaintainer: x "
          "<x@x>\nDescription: x\n");
    write(root_ / "deb/boot/vmlinuz-9-amd64", "kernel");
    for (const char* name : {"nouveau", "virtio_pci", "virtio_console", "unused"})
      write(root_ / "deb/lib/modules/9-amd64/kernel" / (std::string(name) + ".ko"), module_with(""));
    auto built =
        run_command({"dpkg-deb", "-Znone", "-b", (root_ / "deb").string(), (root_ / "kernel.deb").string()});
    ASSERT_TRUE(built.ok() && built.value().succeeded) << built.value().text;
  }

  std::string old_path_;
  KernelRequest request_;
};

TEST_F(FakeApt, FetchesOnceAndThenUsesTheCache) {
  for (int round = 0; round < 2; ++round) {
    auto kernel = provide_kernel(request_);
    ASSERT_TRUE(kernel.ok()) << kernel.error().message;
    EXPECT_EQ(kernel.value().release, "9-amd64");
    EXPECT_EQ(kernel.value().package, "linux-image-9-amd64 9-1");
    EXPECT_TRUE(fs::exists(kernel.value().vmlinuz));
    EXPECT_TRUE(fs::exists(kernel.value().modules / "nouveau.ko"));
    EXPECT_FALSE(fs::exists(kernel.value().modules / "unused.ko"));
  }
  EXPECT_EQ(fs::file_size(root_ / "downloads"), 2u) << "one download";
}

TEST_F(FakeApt, TwoAtOnceDownloadOnce) {
  pid_t child = fork();
  if (child == 0) _exit(provide_kernel(request_).ok() ? 0 : 1);
  EXPECT_TRUE(provide_kernel(request_).ok());
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(fs::file_size(root_ / "downloads"), 2u);
}

TEST_F(FakeApt, WithoutNetworkAnEarlierKernelServes) {
  ASSERT_TRUE(provide_kernel(request_).ok());
  program("apt-cache", "exit 100");
  std::string said;
  request_.progress = [&](const std::string& line) { said += line; };
  auto kernel = provide_kernel(request_);
  ASSERT_TRUE(kernel.ok()) << kernel.error().message;
  EXPECT_THAT(said, HasSubstr("using linux-image-9-amd64 9-1"));
  request_.package = "linux-image-other";
  EXPECT_FALSE(provide_kernel(request_).ok()) << "another kernel than the one asked for";
}

// A package of the user's, and one that is split in two, with its kernel beside the modules.
TEST_F(FakeApt, AKernelFromFiles) {
  request_.which = (root_ / "kernel.deb").string();
  for (int round = 0; round < 2; ++round) {
    auto kernel = provide_kernel(request_);
    ASSERT_TRUE(kernel.ok()) << kernel.error().message;
    EXPECT_EQ(kernel.value().release, "9-amd64");
    EXPECT_EQ(kernel.value().package, request_.which);
  }
  fs::create_directories(root_ / "deb/usr/lib");
  fs::rename(root_ / "deb/lib/modules", root_ / "deb/usr/lib/modules");
  fs::rename(root_ / "deb/boot/vmlinuz-9-amd64", root_ / "vmlinuz");
  fs::remove_all(root_ / "deb/boot");
  const auto build = [&](const char* name) {
    return run_command({"dpkg-deb", "-Znone", "-b", (root_ / "deb").string(), (root_ / name).string()});
  };
  ASSERT_TRUE(build("modules.deb").value().succeeded);
  request_.which = (root_ / "modules.deb").string();
  EXPECT_THAT(provide_kernel(request_).error().message, HasSubstr("no kernel in it"));
  fs::remove_all(root_ / "deb/usr/lib/modules/9-amd64/kernel");
  fs::rename(root_ / "vmlinuz", root_ / "deb/usr/lib/modules/9-amd64/vmlinuz");
  ASSERT_TRUE(build("binary.deb").value().succeeded);
  request_.which += "," + (root_ / "binary.deb").string();
  auto kernel = provide_kernel(request_);
  ASSERT_TRUE(kernel.ok()) << kernel.error().message;
  EXPECT_TRUE(fs::exists(kernel.value().vmlinuz));
  EXPECT_FALSE(fs::exists(root_ / "downloads"));
  // Neither stands in for the machine's own when apt fails.
  program("apt-cache", "exit 100");
  request_.which.clear();
  EXPECT_FALSE(provide_kernel(request_).ok());
}

// Whatever a package holds, nothing of the machine is read or written, and it takes bounded time and room.
class HostilePackage : public FakeApt {
 protected:
  HostilePackage() { request_.which = (root_ / "kernel.deb").string(); }
  fs::path in_package(const std::string& name) { return root_ / "deb/lib/modules/9-amd64" / name; }
  std::string refusal() {
    make_deb();
    auto kernel = provide_kernel(request_);
    return kernel ? "" : kernel.error().message;
  }
};

TEST_F(HostilePackage, LinksThatLeadOutAreDropped) {
  write(root_ / "secret", "of the machine");
  fs::create_symlink(root_ / "secret", root_ / "deb/boot/vmlinuz-8-amd64");
  fs::create_symlink("/dev/zero", in_package("modules.builtin"));
  fs::create_directory_symlink("/", in_package("source"));
  fs::create_symlink("kernel/unused.ko", in_package("inside.ko"));
  EXPECT_EQ(refusal(), "");
  auto kernel = provide_kernel(request_);
  ASSERT_TRUE(kernel.ok());
  std::ifstream in(kernel.value().vmlinuz);
  std::string text;
  std::getline(in, text);
  EXPECT_EQ(text, "kernel");
  const fs::path root = root_ / "deb";
  ASSERT_TRUE(apt::drop_what_leads_out(root));
  EXPECT_TRUE(fs::is_symlink(in_package("inside.ko"))) << "stays";
  EXPECT_FALSE(fs::is_symlink(in_package("source")));
}

TEST_F(HostilePackage, FilesThatCannotBeAreRefused) {
  fs::resize_file(root_ / "deb/boot/vmlinuz-9-amd64", 100);
  std::string chain;
  for (int i = 0; i < 1100; ++i)
    write(in_package("m" + std::to_string(i) + ".ko"), module_with("m" + std::to_string(i + 1)));
  make_deb();
  write(in_package("kernel/nouveau.ko"), module_with("m0"));
  const auto built =
      run_command({"dpkg-deb", "-Znone", "-b", (root_ / "deb").string(), (root_ / "kernel.deb").string()});
  ASSERT_TRUE(built.value().succeeded);
  EXPECT_THAT(provide_kernel(request_).error().message, HasSubstr("at most 1024 modules of 256 MiB"));
  write(root_ / "large.ko", "");
  fs::resize_file(root_ / "large.ko", uintmax_t{1} << 40);
  EXPECT_THAT(read_module(root_ / "large.ko").error().message, HasSubstr("larger than 256 MiB"));
  ASSERT_EQ(mkfifo((root_ / "pipe.ko").c_str(), 0600), 0);
  EXPECT_THAT(read_module(root_ / "pipe.ko").error().message, HasSubstr("cannot read the kernel module"));
}

TEST_F(HostilePackage, UnpackingEnds) {
  write(root_ / "deb/boot/bomb", std::string(8 << 20, '\0'));
  make_deb();
  EXPECT_TRUE(apt::unpack(root_ / "kernel.deb", root_ / "all"));
  const Status cut = apt::unpack(root_ / "kernel.deb", root_ / "cut", 4 << 20);
  ASSERT_FALSE(cut);
  EXPECT_THAT(cut.error().message, HasSubstr("(at most 4 MiB are unpacked)"));
  EXPECT_LE(fs::file_size(root_ / "cut/boot/bomb"), 4u << 20);
}

TEST_F(GuestImage, AKernelOfTheUsersOwn) {
  write(root_ / "7.2+deb/vmlinuz", "kernel");
  KernelRequest request;
  request.which = (root_ / "7.2+deb/vmlinuz").string() + "+" + (root_ / "7.2+deb").string();
  auto kernel = provide_kernel(request);
  ASSERT_TRUE(kernel.ok()) << kernel.error().message;
  EXPECT_EQ(kernel.value().release, "7.2+deb");
  EXPECT_EQ(kernel.value().vmlinuz, root_ / "7.2+deb/vmlinuz");
  request.which = "/no/vmlinuz+/no/modules";
  EXPECT_THAT(provide_kernel(request).error().message,
              HasSubstr("--kernel /no/vmlinuz+/no/modules: neither"));
  request.which = "debian:../x";
  request.cache_directory = root_ / "cache";
  EXPECT_THAT(provide_kernel(request).error().message, HasSubstr("a suite is a name such as"));
}

TEST_F(FakeApt, FailuresAreOneLineEach) {
  request_.package = "linux-image-no";
  EXPECT_THAT(provide_kernel(request_).error().message, HasSubstr("apt knows no package linux-image-no"));
  request_.package = KernelRequest{}.package;
  program("apt-get", "echo 'E: Failed to fetch http://x  Could not resolve'; exit 100");
  EXPECT_THAT(provide_kernel(request_).error().message,
              HasSubstr("cannot download linux-image-9-amd64 9-1: E: Failed"));
  program("apt-get", "echo garbage >linux-image-9-amd64.deb");
  EXPECT_THAT(provide_kernel(request_).error().message, HasSubstr("cannot unpack"));
  program("apt-get", "cp " + (root_ / "kernel.deb").string() + " linux-image-9-amd64.deb");
  program("dpkg-deb", "echo 'cannot copy: No space left on device' >&2; exit 2");
  EXPECT_THAT(provide_kernel(request_).error().message, HasSubstr("No space left on device"));
  for (const fs::directory_entry& entry : fs::directory_iterator(root_ / "cache" / "kernels-1"))
    EXPECT_EQ(entry.path().filename(), "lock") << "nothing may be left behind";
  write(root_ / "file", "");
  request_.cache_directory = root_ / "file" / "cache";
  EXPECT_THAT(provide_kernel(request_).error().message, HasSubstr("cannot make the cache folder"));
}

TEST_F(GuestImage, ImageIsWrittenOrTheErrorSaysWhy) {
  for (const char* name : {"nouveau", "virtio_pci", "virtio_console"})
    write(root_ / "modules" / (std::string(name) + ".ko"), module_with(""));
  write(root_ / "program", "static program");
  GuestKernel kernel{.vmlinuz = root_ / "vmlinuz", .modules = root_ / "modules"};
  Status built = build_initramfs(kernel, root_ / "program", {}, root_ / "initrd");
  ASSERT_TRUE(built.ok()) << built.error().message;
  EXPECT_GT(fs::file_size(root_ / "initrd"), 1000u);
  EXPECT_THAT(build_initramfs(kernel, root_ / "nothing", {}, root_ / "initrd").error().message,
              HasSubstr("guest program"));
  if (fs::exists("/dev/full")) {
    EXPECT_THAT(build_initramfs(kernel, root_ / "program", {}, "/dev/full").error().message,
                HasSubstr("is the disk full?"));
  }
}

TEST(GraphicsStack, PackagesAreThoseThatAptListsAndClangsHeaders) {
  const auto names = listed_packages(
      "mesa-opencl-icd\n  Depends: libclang-cpp15\n |Depends: ocl-icd-libopencl1\n  Depends: <libopencl1>\n"
      "libclang-cpp15\n<libopencl1>\nlibc6:i386\nlibclang-cpp15\nlibc6\n");
  EXPECT_THAT(names, testing::ElementsAre("libc6", "libclang-cpp15", "mesa-opencl-icd"));
  EXPECT_THAT(clang_header_packages(names), testing::ElementsAre("libclang-common-15-dev"));
  EXPECT_THAT(clang_header_packages({"libclang-cpp19.1", "libclang1-15"}),
              testing::ElementsAre("libclang-common-19.1-dev"));
}

}  // namespace
}  // namespace gpuvm
