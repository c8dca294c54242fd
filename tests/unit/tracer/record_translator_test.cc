// What a traced program may do to its recorder: take memory without end, or forge what it records.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "tracer/code/elf_file.h"
#include "tracer/process/recorder/channel_reader.h"
#include "tracer/process/recorder/record_translator.h"

namespace gpuvm {
namespace {

using trace_channel::Control;
using trace_channel::kRingBytes;
using trace_channel::Record;
using trace_channel::RecordType;

class Nowhere : public EventSink {
 public:
  using EventSink::write;
  Status write(const Event& event, Bytes) override {
    last = event;
    return Ok{};
  }
  Status attach(std::string_view, Bytes) override { return Ok{}; }
  Event last;
};

class HostileProgram : public testing::Test {
 protected:
  void record(Record record, const std::string& text = "") {
    record.bytes = static_cast<uint32_t>(text.size());
    ASSERT_TRUE(translator_.translate(record, as_bytes(text)));
  }
  void map(int32_t number, const std::string& path) {
    record({.type = RecordType::kMap, .map = number, .value = 4096}, path);
  }
  void access(int32_t map) { record({.type = RecordType::kAccess, .width = 1, .map = map}, "x"); }

  Nowhere sink_;
  RecordTranslator translator_{sink_, 0};
};

TEST_F(HostileProgram, MappingsThatAreGoneTakeNoMemory) {
  for (int32_t i = 0; i < 200'000; ++i) {
    map(i, "/dev/x");
    record({.type = RecordType::kUnmap, .map = i});
  }
  EXPECT_EQ(translator_.counts().unknown_maps, 0u);
  map(200'000, "/dev/x");
  access(200'000);
  EXPECT_EQ(sink_.last.address, uint64_t{1} << 40) << "known by its file";
}

TEST_F(HostileProgram, MappingsAtOnceAreBoundedAndTold) {
  constexpr int32_t kMost = 1 << 16, kMore = 10;
  for (int32_t i = 0; i < kMost + kMore; ++i) map(i, "/dev/x");
  EXPECT_EQ(translator_.counts().unknown_maps, uint64_t{kMore});
  access(kMost);
  EXPECT_EQ(sink_.last.address, 0u) << "of no file";
}

TEST_F(HostileProgram, FilesAreBoundedAndTheRestIsNotTakenForOneOfThem) {
  for (int32_t i = 0; i < 5000; ++i) map(i, "/dev/" + std::to_string(i));
  ASSERT_EQ(translator_.files().size(), 4096u);
  EXPECT_EQ(translator_.files()[4094].path, "/dev/4094");
  EXPECT_EQ(translator_.files()[4095].path, "(other files)");
  EXPECT_EQ(translator_.counts().other_files, 5000u - 4095);
  map(0, std::string(100'000, 'x'));
  EXPECT_EQ(translator_.files().size(), 4096u);
}

TEST_F(HostileProgram, SitesAreBoundedOverAllProcesses) {
  for (uint32_t i = 0; i < 300'000; ++i)
    record({.type = RecordType::kSite, .pid = 1 + i % 100, .pc = i}, "/nonexistent");
  EXPECT_EQ(translator_.counts().forgotten_sites, uint64_t{1} << 18);
}

TEST_F(HostileProgram, ProcessesThatOnlyHaveSitesAreBounded) {
  for (uint32_t i = 0; i < 70'000; ++i) record({.type = RecordType::kSite, .pid = i + 1, .pc = 1});
  EXPECT_EQ(translator_.counts().forgotten_sites, uint64_t{1} << 16);
}

TEST_F(HostileProgram, ModulesAreBoundedAndAPipeIsNone) {
  const std::string pipe = testing::TempDir() + "module_pipe";
  std::filesystem::remove(pipe);
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(build_id_of(pipe), "") << "and at once";
  std::filesystem::remove(pipe);
  for (uint32_t i = 0; i < 5000; ++i)
    record({.type = RecordType::kSite, .pid = 1, .pc = i}, "/nonexistent/" + std::to_string(i));
  EXPECT_EQ(translator_.counts().other_modules, 5000u - 4096);
}

class HostileChannel : public testing::Test {
 protected:
  HostileChannel() : reader_(std::move(ChannelReader::create({"x"}, "/agent")).value()) {
    const int fd = open(reader_->path().c_str(), O_RDWR | O_CLOEXEC);
    memory_.reset(fd);
  }
  void put(uint64_t at, uint32_t size) { std::memcpy(reader_->control().ring + at, &size, sizeof size); }
  bool damaged() { return !reader_->next().ok(); }

  std::unique_ptr<ChannelReader> reader_;
  UniqueFd memory_;
};

TEST_F(HostileChannel, CannotBeMadeSmaller) {
  ASSERT_TRUE(memory_.valid());
  EXPECT_NE(ftruncate(memory_.get(), 0), 0);
  EXPECT_NE(ftruncate(memory_.get(), 1 << 30), 0);
  ASSERT_NE(reader_->next().ok(), false);
}

TEST_F(HostileChannel, ForgedSizesAndPlacesEndTheRecording) {
  reader_->control().head = 8 << 20;
  for (const uint32_t size : {1u, 63u, 65u, uint32_t{sizeof(Record)} + (64 << 10) + 8, 4u << 20, ~0u}) {
    put(0, size);
    EXPECT_TRUE(damaged()) << size;
  }
  reader_->control().head = kRingBytes + 1;
  EXPECT_TRUE(damaged());
}

// A place of the reader's own: a program that moves it has nothing read twice, and nothing beyond the end.
TEST_F(HostileChannel, WhereTheReaderIsIsItsOwn) {
  put(0, sizeof(Record));
  reader_->control().head = sizeof(Record);
  ASSERT_NE(reader_->next().value(), nullptr);
  for (const uint64_t tail : {uint64_t{0}, kRingBytes - 1, ~uint64_t{0}}) {
    reader_->control().tail = tail;
    const auto next = reader_->next();
    ASSERT_TRUE(next);
    EXPECT_EQ(next.value(), nullptr);
  }
}

}  // namespace
}  // namespace gpuvm
