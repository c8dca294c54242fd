// Killed, full and live: what the file holds while and after its recorder runs.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <chrono>
#include <thread>

#include "tests/unit/traces/format/test_events.h"
#include "traces/format/index.h"
#include "traces/format/verify.h"

namespace gpuvm {
namespace {

using namespace gpuvm::testing;
using namespace std::chrono_literals;

Event nth(uint64_t n) {
  return {.time_ns = n * 11'000,
          .address = n % 4096 * 4,
          .value = n & 0xffffffff,
          .kind = EventKind::kMmioWrite,
          .width = 4};
}

void expect_first(TraceReader& reader, uint64_t at_least) {
  MemoryTrace trace = read_all(reader);
  EXPECT_GE(trace.events().size(), at_least);
  for (size_t i = 0; i < trace.events().size(); ++i) ASSERT_EQ(trace.events()[i], nth(i)) << i;
}

// Runs `work` in a child process and returns its pid.
template <typename F>
pid_t in_child(F work) {
  pid_t pid = fork();
  if (pid == 0) {
    work();
    _exit(0);
  }
  return pid;
}

int wait_for(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return status;
}

TEST(Killed, FastRecorderLosesAtMostWhatItMay) {
  for (unsigned threads : {0u, 1u, 3u}) {
    TempFile file;
    int progress[2];
    ASSERT_EQ(pipe(progress), 0);
    pid_t pid = in_child([&] {
      auto writer =
          TraceWriter::create(file.path(), {.compression = Compression::kFast, .encode_threads = threads})
              .value();
      for (uint64_t n = 0;; ++n) {
        if (!writer->write(nth(n)).ok()) _exit(1);
        if (n % 1000 == 999 && ::write(progress[1], &n, sizeof n) != sizeof n) _exit(1);
      }
    });
    ::close(progress[1]);
    uint64_t seen = 0;
    while (seen < 600'000 && ::read(progress[0], &seen, sizeof seen) == sizeof seen) continue;
    kill(pid, SIGKILL);
    wait_for(pid);
    while (::read(progress[0], &seen, sizeof seen) == sizeof seen) continue;
    ::close(progress[0]);
    auto reader = TraceReader::open(file.path()).value();
    EXPECT_FALSE(reader->summary().complete);
    EXPECT_FALSE(reader->summary().problem.empty());
    // With several threads, a chunk more than there are of them.
    expect_first(*reader, seen - (threads > 1 ? (threads + 1) * 65536 : 65536));
  }
}

TEST(Killed, SlowRecorderLosesAtMostTheAgeOfAChunk) {
  TempFile file;
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  pid_t pid = in_child([&] {
    auto writer = TraceWriter::create(file.path(), {.chunk_ms = 200}).value();
    for (uint64_t n = 0; n < 10; ++n) {
      if (!writer->write(nth(n)).ok()) _exit(1);
    }
    char done = 1;
    if (::write(ready[1], &done, 1) != 1) _exit(1);
    pause();  // no further event
  });
  char done = 0;
  ASSERT_EQ(::read(ready[0], &done, 1), 1);
  std::this_thread::sleep_for(400ms);
  kill(pid, SIGKILL);
  wait_for(pid);
  ::close(ready[0]), ::close(ready[1]);
  expect_first(*TraceReader::open(file.path()).value(), 10);
}

// The same without a thread, where only a later event can make the chunk.
TEST(Killed, SlowUnthreadedRecorder) {
  TempFile file;
  auto writer = TraceWriter::create(file.path(), {.chunk_ms = 20, .encode_threads = 0}).value();
  for (uint64_t n = 0; n < 10; ++n) ASSERT_TRUE(writer->write(nth(n)).ok());
  std::this_thread::sleep_for(50ms);
  ASSERT_TRUE(writer->write(nth(10)).ok());
  expect_first(*TraceReader::open(file.path()).value(), 11);
}

// Chunks that are made for their age are not made sooner than half of it: small ones compress badly. As many
// as fit into the time that has really passed, which is more on a busy machine.
TEST(Pace, ASlowRecorderMakesFewChunks) {
  constexpr auto kAge = 200ms;
  TempFile file;
  const auto begin = std::chrono::steady_clock::now();
  auto writer = TraceWriter::create(file.path(), {.chunk_ms = 200, .encode_threads = 1}).value();
  for (uint64_t n = 0; std::chrono::steady_clock::now() - begin < 5 * kAge; ++n) {
    ASSERT_TRUE(writer->write(nth(n)).ok());
    std::this_thread::sleep_for(5ms);
  }
  ASSERT_TRUE(writer->close().ok());
  const auto ages = (std::chrono::steady_clock::now() - begin) / (kAge / 2);
  auto reader = TraceReader::open(file.path()).value();
  int64_t chunks = 0;
  while (reader->next().value() != nullptr) ++chunks;
  EXPECT_GT(chunks, 1);
  EXPECT_LE(chunks, ages + 2);
}

TEST(Closed, NothingCanBeWrittenAnyMore) {
  for (unsigned threads : {0u, 1u}) {
    TempFile file;
    auto writer = TraceWriter::create(file.path(), {.encode_threads = threads}).value();
    ASSERT_TRUE(writer->write(nth(0)).ok());
    ASSERT_TRUE(writer->close().ok());
    for (const Status& refused :
         {writer->write(nth(1)), writer->flush(), writer->attach("late", {}), writer->close()}) {
      ASSERT_FALSE(refused.ok());
      EXPECT_EQ(refused.error().message, "the trace was closed already");
    }
    expect_first(*TraceReader::open(file.path()).value(), 1);
  }
}

TEST(Dropped, WriterWithoutCloseSaysSo) {
  for (unsigned threads : {0u, 1u, 4u}) {
    TempFile file;
    {
      auto writer =
          TraceWriter::create(file.path(), {.chunk_events = 100, .encode_threads = threads}).value();
      for (uint64_t n = 0; n < 1001; ++n) ASSERT_TRUE(writer->write(nth(n)).ok());
    }
    auto reader = TraceReader::open(file.path()).value();
    EXPECT_FALSE(reader->summary().complete);
    expect_first(*reader, 1001);
  }
}

void limit_file_size(rlim_t bytes) {
  rlimit limit{bytes, bytes};
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(9);
}

TEST(DiskFull, ErrorIsClearAndFileReadable) {
  for (unsigned threads : {0u, 1u, 3u}) {
    TempFile file;
    pid_t pid = in_child([&] {
      limit_file_size(100'000);
      auto writer =
          TraceWriter::create(file.path(), {.chunk_events = 4096, .encode_threads = threads}).value();
      std::mt19937_64 random(1);
      for (uint64_t n = 0; n < 10'000'000; ++n) {
        Status written = writer->write({.time_ns = n * 11'000, .address = random(), .value = random()});
        if (written.ok()) continue;
        std::string message = written.error().message;
        bool clear = message.find("File too large") != std::string::npos && message.find(file.path()) == 0 &&
                     message.find('\n') == std::string::npos;
        bool stays = !writer->write({}).ok() && !writer->flush().ok() && !writer->close().ok();
        _exit(clear && stays ? 3 : 4);
      }
      _exit(5);
    });
    int status = wait_for(pid);
    ASSERT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 3);
    auto reader = TraceReader::open(file.path()).value();
    EXPECT_GE(reader->summary().events, 3000u);
    EXPECT_EQ(read_all(*reader).events().size(), reader->summary().events);
    VerifyReport report = verify_trace(file.path()).value();
    EXPECT_EQ(report.damaged_places, 0u);  // the chunk that did not fit was taken back
    EXPECT_FALSE(report.complete);
  }
}

TEST(DiskFull, NoRoomForTheFirstByte) {
  TempFile file;
  pid_t pid = in_child([&] {
    limit_file_size(0);
    _exit(TraceWriter::create(file.path(), {}).ok() ? 1 : 3);
  });
  EXPECT_EQ(WEXITSTATUS(wait_for(pid)), 3);
  EXPECT_FALSE(TraceWriter::create("/nowhere/t.gvt", {}).ok());
  // /dev/full gives ENOSPC, but cannot be seeked or cut: still an error and no crash.
  auto full = TraceWriter::create("/dev/full", {});
  EXPECT_FALSE(full.ok());
}

TEST(Live, ReaderFollows) {
  TempFile file;
  auto writer = TraceWriter::create(file.path(), {.chunk_events = 1000}).value();
  auto reader = TraceReader::open(file.path()).value();
  EXPECT_FALSE(reader->refresh().value());
  EXPECT_EQ(reader->next().value(), nullptr);
  uint64_t written = 0, seen = 0;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 777; ++i) ASSERT_TRUE(writer->write(nth(written++)).ok());
    ASSERT_TRUE(writer->flush().ok());
    EXPECT_TRUE(reader->refresh().value());
    while (const EventBatch* batch = reader->next().value()) {
      EXPECT_EQ(batch->first_seq, seen);
      for (const Event& event : batch->events) ASSERT_EQ(event, nth(seen++));
    }
    EXPECT_EQ(seen, written);
    EXPECT_FALSE(reader->summary().complete);
  }
  ASSERT_TRUE(writer->attach("late", as_bytes("x")).ok());
  ASSERT_TRUE(writer->close().ok());
  EXPECT_TRUE(reader->refresh().value());
  EXPECT_TRUE(reader->summary().complete);
  EXPECT_EQ(reader->summary().problem, "");
  EXPECT_EQ(reader->attachment("late").value(), "x");
  EXPECT_FALSE(reader->refresh().value());
}

// At every moment of a file's growth, byte by byte, a follower sees a prefix and no damage.
TEST(Live, EveryPartialWriteIsJustNotThereYet) {
  TempFile whole, growing;
  {
    auto writer = TraceWriter::create(whole.path(), {.chunk_events = 10}).value();
    for (uint64_t n = 0; n < 35; ++n) ASSERT_TRUE(writer->write(nth(n)).ok());
    ASSERT_TRUE(writer->close().ok());
  }
  std::string bytes = slurp(whole.path());
  spill(growing.path(), bytes.substr(0, 40));
  auto reader = TraceReader::open(growing.path()).value();
  uint64_t seen = 0;
  for (size_t size = 41; size <= bytes.size(); ++size) {
    spill(growing.path(), bytes.substr(0, size));
    ASSERT_TRUE(reader->refresh().ok());
    ASSERT_EQ(reader->summary().problem.find("damaged"), std::string::npos) << reader->summary().problem;
    while (const EventBatch* batch = reader->next().value()) {
      for (const Event& event : batch->events) ASSERT_EQ(event, nth(seen++));
    }
  }
  EXPECT_EQ(seen, 35u);
  EXPECT_TRUE(reader->summary().complete);
  EXPECT_EQ(reader->summary().problem, "");
}

// ---- The file that was there before.

TEST(OldTrace, StaysUntilThereAreEvents) {
  TempFile file;
  spill(file.path(), "an old trace");
  {
    auto writer = TraceWriter::create(file.path(), {}).value();
    ASSERT_TRUE(writer->attach("name", as_bytes("text")).ok());
    EXPECT_EQ(slurp(file.path()), "an old trace");
  }
  EXPECT_EQ(slurp(file.path()), "an old trace");
  auto writer = TraceWriter::create(file.path(), {}).value();
  EXPECT_FALSE(TraceWriter::create(file.path(), {}).ok());
  ASSERT_TRUE(writer->write(nth(0)).ok());
  ASSERT_TRUE(writer->flush().ok());
  auto reader = TraceReader::open(file.path());
  ASSERT_TRUE(reader.ok()) << reader.error().message;
  EXPECT_EQ(reader.value()->summary().events, 1u);
  EXPECT_FALSE(TraceWriter::create(file.path(), {}).ok());
}

TEST(OldTrace, StaysWhenAWholeOneIsNotFinished) {
  TempFile file;
  spill(file.path(), "an old trace");
  {
    auto writer = TraceWriter::create(file.path(), {.output = {.life = OutputLife::kWhole}}).value();
    ASSERT_TRUE(writer->write(nth(0)).ok());
    ASSERT_TRUE(writer->flush().ok());
  }
  EXPECT_EQ(slurp(file.path()), "an old trace");
}

TEST(Attachments, HaveOneBoundForWriterAndReader) {
  format::FileIndex index;
  uint64_t names = 0;
  while (index.room_for_attachment(std::to_string(names)).ok())
    index.attachments[std::to_string(names++)] = 0;
  EXPECT_EQ(names, 65536u);
  EXPECT_TRUE(index.room_for_attachment("7").ok());  // one that is there may be replaced
  format::Buffer body;
  format::store_index(index, Compression::kFast, body);
  EXPECT_TRUE(format::load_index({body.data(), body.size()}).ok());
  index.attachments["one more"] = 0;
  body.clear();
  format::store_index(index, Compression::kFast, body);
  EXPECT_FALSE(format::load_index({body.data(), body.size()}).ok());
}

}  // namespace
}  // namespace gpuvm
