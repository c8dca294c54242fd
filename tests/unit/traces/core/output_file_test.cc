// No file is lost that was there before, and none that is being read.
#include "traces/core/output_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace gpuvm {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Output : public testing::Test {
 protected:
  Output() {
    std::string pattern = (fs::temp_directory_path() / "gpuvm-output-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~Output() override { fs::remove_all(folder_); }

  std::string at(const std::string& name) const { return (folder_ / name).string(); }
  std::string make(const std::string& name, const std::string& text) const {
    std::ofstream(at(name)) << text;
    return at(name);
  }
  std::string text_of(const std::string& name) const {
    std::ifstream in(at(name));
    return {std::istreambuf_iterator<char>(in), {}};
  }
  size_t entries() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  static void write(const std::string& path, const std::string& text, OutputOptions options = {}) {
    auto file = OutputFile::open(path, options);
    ASSERT_TRUE(file.ok()) << file.error().message;
    ASSERT_TRUE(file.value().append(text).ok());
    const Status done = file.value().commit();
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  static std::string refusal(const std::string& path, const OutputOptions& options) {
    const auto file = OutputFile::open(path, options);
    return file.ok() ? "" : file.error().message;
  }

  fs::path folder_;
};

constexpr OutputOptions kLive = {.life = OutputLife::kLive};

TEST_F(Output, AWholeFileTakesTheOldOnesPlaceAtTheEnd) {
  make("x", "old");
  {
    auto file = OutputFile::open(at("x"), {});
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file.value().append("new").ok());
    EXPECT_EQ(text_of("x"), "old");
    ASSERT_TRUE(file.value().commit().ok());
  }
  EXPECT_EQ(text_of("x"), "new");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Output, OfARunThatFailsNothingIsLeft) {
  make("x", "old");
  for (const char* name : {"x", "fresh"}) {
    for (const OutputLife life : {OutputLife::kWhole, OutputLife::kLive}) {
      auto file = OutputFile::open(at(name), {.life = life});
      ASSERT_TRUE(file.ok());
      ASSERT_TRUE(file.value().append("half").ok());
    }
  }
  EXPECT_EQ(text_of("x"), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Output, ALiveFileCanBeReadOnceItIsPublished) {
  make("x", "old");
  auto file = OutputFile::open(at("x"), kLive);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file.value().append("a").ok());
  EXPECT_EQ(text_of("x"), "old");
  ASSERT_TRUE(file.value().publish().ok());
  EXPECT_EQ(text_of("x"), "a");
  ASSERT_TRUE(file.value().append("b").ok());
  EXPECT_EQ(text_of("x"), "ab");
}

TEST_F(Output, ASecondLiveFileOfTheNameIsRefused) {
  make("old", "old");
  for (const char* name : {"old", "fresh"}) {
    auto first = OutputFile::open(at(name), kLive);
    ASSERT_TRUE(first.ok());
    EXPECT_THAT(refusal(at(name), kLive), HasSubstr("another gpuvm is writing it"));
    ASSERT_TRUE(first.value().append("first").ok());
    ASSERT_TRUE(first.value().publish().ok());
    EXPECT_THAT(refusal(at(name), kLive), HasSubstr("another gpuvm is writing it"));
    // Nor may a file that is written whole push it aside.
    EXPECT_THAT(refusal(at(name), {}), HasSubstr("another gpuvm is writing it"));
    EXPECT_EQ(text_of(name), "first");
  }
  EXPECT_TRUE(OutputFile::open(at("fresh"), kLive).ok());
}

TEST_F(Output, WhatAnotherProgramPutThereStays) {
  make("x", "old");
  auto file = OutputFile::open(at("x"), kLive);
  ASSERT_TRUE(file.ok());
  make("y", "theirs");
  fs::rename(at("y"), at("x"));
  const Status published = file.value().publish();
  ASSERT_FALSE(published.ok());
  EXPECT_THAT(published.error().message, HasSubstr("another program"));
  EXPECT_EQ(text_of("x"), "theirs");
}

TEST_F(Output, AnInputIsKnownUnderEveryName) {
  const std::string input = make("in", "precious");
  fs::create_symlink("in", at("symbolic"));
  fs::create_hard_link(input, at("hard"));
  fs::create_directory(at("d"));
  for (const std::string& name : {std::string("in"), std::string("./in"), std::string("d/../in"),
                                  std::string("symbolic"), std::string("hard")}) {
    for (const OutputLife life : {OutputLife::kWhole, OutputLife::kLive}) {
      EXPECT_THAT(refusal(at(name), {.life = life, .inputs = {"/dev/null", input}}),
                  HasSubstr("is the file that is read"))
          << name;
    }
  }
  EXPECT_EQ(text_of("in"), "precious");
}

TEST_F(Output, ALinkStaysALink) {
  make("target", "old");
  fs::create_directory(at("d"));
  fs::create_symlink("../target", at("d/link"));
  write(at("d/link"), "new");
  EXPECT_TRUE(fs::is_symlink(at("d/link")));
  EXPECT_EQ(text_of("target"), "new");
  fs::create_symlink("nothing", at("dangling"));
  write(at("dangling"), "made");
  EXPECT_TRUE(fs::is_symlink(at("dangling")));
  EXPECT_EQ(text_of("nothing"), "made");
}

TEST_F(Output, OtherNamesOfTheOldFileKeepTheirContents) {
  make("a", "old");
  fs::create_hard_link(at("a"), at("b"));
  write(at("a"), "new", kLive);
  EXPECT_EQ(text_of("a"), "new");
  EXPECT_EQ(text_of("b"), "old");
}

TEST_F(Output, TheModeIsKept) {
  make("x", "old");
  chmod(at("x").c_str(), 0640);
  write(at("x"), "new");
  struct stat info {};
  ASSERT_EQ(stat(at("x").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777u, 0640u);
}

TEST_F(Output, WhatMayNotBeWrittenIsNotReplaced) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everything";
  make("x", "old");
  chmod(at("x").c_str(), 0440);
  EXPECT_THAT(refusal(at("x"), {}), HasSubstr("Permission denied"));
}

TEST_F(Output, DevicesAndPipesAreWrittenThrough) {
  // As root with a node of the test's own: else a guard that is broken would break the machine.
  std::string null = "/dev/null";
  if (geteuid() == 0) {
    null = at("null");
    if (mknod(null.c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0 ||
        !UniqueFd(open(null.c_str(), O_WRONLY)).valid())
      GTEST_SKIP() << "this sandbox has no device files";
  }
  struct stat before {
  }, after{};
  ASSERT_EQ(stat(null.c_str(), &before), 0);
  write(null, "nothing");
  ASSERT_EQ(stat(null.c_str(), &after), 0);
  EXPECT_TRUE(S_ISCHR(after.st_mode));
  EXPECT_EQ(before.st_ino, after.st_ino);

  ASSERT_EQ(mkfifo(at("pipe").c_str(), 0600), 0);
  const UniqueFd reader(open(at("pipe").c_str(), O_RDONLY | O_NONBLOCK));
  write(at("pipe"), "through");
  char text[16] = {};
  EXPECT_EQ(read(reader.get(), text, sizeof text), 7);
  EXPECT_STREQ(text, "through");
  // A trace is written at its places.
  EXPECT_THAT(refusal(at("pipe"), {.life = OutputLife::kLive, .seekable = true}), HasSubstr("pipe"));
}

TEST_F(Output, FailuresAreTold) {
  EXPECT_THAT(refusal(at("no/such/folder/x"), {}), HasSubstr("No such file or directory"));
  EXPECT_THAT(refusal(at("no/such/folder/x"), kLive), HasSubstr("No such file or directory"));
  EXPECT_THAT(refusal(folder_.string(), {}), HasSubstr("it is a folder"));
  auto full = OutputFile::open("/dev/full", {});
  ASSERT_TRUE(full.ok());
  const Status status = full.value().append("x");
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, HasSubstr("No space left"));
}

TEST_F(Output, AnEmptyOutputIsOneToo) {
  make("x", "old");
  write(at("x"), "");
  EXPECT_EQ(text_of("x"), "");
}

}  // namespace
}  // namespace gpuvm
