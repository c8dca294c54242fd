// What serving and recording add to an MMIO round trip. The client speaks the wire protocol as QEMU does, and
// sits on one core with the server, where a round trip is steadiest. All servers take turns in one run, in
// short batches, and the CPU time of the two threads is compared, not the clock on the wall: a busy machine
// must not decide the ratio.
//
//   echo_ns        a server that only receives and answers
//   serve_ns       DeviceLink and Card
//   record_ns      the same, recording; the writer's thread runs elsewhere and is not in it
//   serve_share    of serve_ns over echo_ns, in percent; the promise is less than 10
//   record_share   of record_ns over serve_ns, in percent; the promise is less than 5
//   vfio_user_ns   VfioUserLink and Card, not recording
//   vfio_user_share  of vfio_user_ns over serve_ns, in percent: what the newer protocol costs more
#include <benchmark/benchmark.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <thread>

#include "emulator/card/card.h"
#include "tracer/guest/device_session.h"
#include "tracer/posix/local_socket.h"
#include "tracer/posix/wait.h"
#include "tracer/vfio_user/protocol.h"

namespace gpuvm {
namespace {

constexpr unsigned kBatch = 2000;  // round trips
constexpr uint64_t kBar0 = 0xfc000000;
constexpr uint64_t kPramin = 0x700000;  // where most writes of a driver load go
constexpr uint64_t kTimer = 0x9400;

uint64_t cpu_ns(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

void stay_on_core(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

// What a driver's load does, mostly: `client` has read and write of an offset in BAR0.
template <typename Client>
void batch(Client& client) {
  for (unsigned i = 0; i < kBatch; ++i) {
    if (i % 16 == 0) {
      client.read(kTimer);
    } else {
      client.write(kPramin + 4 * (i % 1024), i);
    }
  }
}

// QEMU's side: header and body in one writev, the answer's header and body in two reads.
class ProxyClient {
 public:
  explicit ProxyClient(UniqueFd fd) : fd_(std::move(fd)) {}

  uint64_t request(wire::Command command, const void* body, size_t body_bytes) {
    std::array<std::byte, wire::kHeaderBytes> header{};
    const auto number = static_cast<int32_t>(command);
    const uint64_t size = body_bytes;
    std::memcpy(header.data(), &number, sizeof number);
    std::memcpy(header.data() + 8, &size, sizeof size);
    iovec parts[] = {{header.data(), header.size()}, {const_cast<void*>(body), body_bytes}};
    uint64_t value = 0;
    GPUVM_CHECK(writev(fd_.get(), parts, 2) == static_cast<ssize_t>(header.size() + body_bytes));
    GPUVM_CHECK(recv(fd_.get(), header.data(), header.size(), MSG_WAITALL) ==
                static_cast<ssize_t>(header.size()));
    GPUVM_CHECK(recv(fd_.get(), &value, sizeof value, MSG_WAITALL) == static_cast<ssize_t>(sizeof value));
    return value;
  }
  void config_write(uint32_t offset, uint32_t value) {
    const uint32_t body[] = {offset, value, 4};
    request(wire::Command::kConfigWrite, body, sizeof body);
  }
  uint64_t access(wire::Command command, uint64_t address, uint64_t value) {
    const uint64_t body[] = {address, value, 4 | uint64_t{1} << 32};
    return request(command, body, sizeof body);
  }
  void make_ready() {
    request(wire::Command::kDeviceReset, nullptr, 0);
    config_write(0x10, kBar0);
    config_write(0x04, 0x2);  // memory decoding
  }
  void read(uint64_t offset) { access(wire::Command::kBarRead, kBar0 + offset, 0); }
  void write(uint64_t offset, uint32_t value) { access(wire::Command::kBarWrite, kBar0 + offset, value); }

 private:
  UniqueFd fd_;
};

// As QEMU 11's vfio-user-pci sends and receives: the message in one piece, the answer's header and body
// apart.
class VfioUserClient {
 public:
  explicit VfioUserClient(UniqueFd fd) : fd_(std::move(fd)) {}

  void make_ready() {
    const uint16_t version[] = {0, 1};
    request(vfio_user::Command::kVersion, version, sizeof version);
    request(vfio_user::Command::kDeviceReset, nullptr, 0);
  }
  void read(uint64_t offset) {
    const vfio_user::RegionAccess access{offset, 0, 4};
    request(vfio_user::Command::kRegionRead, &access, sizeof access);
  }
  void write(uint64_t offset, uint32_t value) {
    const struct {
      vfio_user::RegionAccess access;
      uint32_t value;
    } body{{offset, 0, 4}, value};
    request(vfio_user::Command::kRegionWrite, &body, sizeof body.access + sizeof body.value);
  }

 private:
  void request(vfio_user::Command command, const void* body, size_t body_bytes) {
    vfio_user::Header header{1, static_cast<uint16_t>(command),
                             static_cast<uint32_t>(sizeof header + body_bytes), 0, 0};
    iovec parts[] = {{&header, sizeof header}, {const_cast<void*>(body), body_bytes}};
    GPUVM_CHECK(writev(fd_.get(), parts, 2) == static_cast<ssize_t>(header.size));
    GPUVM_CHECK(recv(fd_.get(), &header, sizeof header, MSG_WAITALL) == sizeof header);
    std::array<std::byte, 256> answer;
    const size_t rest = header.size - sizeof header;
    GPUVM_CHECK(rest <= answer.size() && (header.flags & vfio_user::kError) == 0);
    if (rest != 0) {
      GPUVM_CHECK(recv(fd_.get(), answer.data(), rest, MSG_WAITALL) == static_cast<ssize_t>(rest));
    }
  }
  UniqueFd fd_;
};

void echo(int fd) {
  std::array<std::byte, 1024> request;
  const auto reply = wire::make_reply(0);
  while (recv(fd, request.data(), request.size(), 0) > 0) send(fd, reply.data(), reply.size(), MSG_NOSIGNAL);
}

// As `capture` does it. A trace at `path`, or none; the writer's thread is not bound to `core`.
void serve(int core, UniqueFd fd, Transport transport, const std::string& path) {
  std::unique_ptr<TraceWriter> writer;
  if (!path.empty()) {
    auto created = TraceWriter::create(path, {});
    GPUVM_CHECK(created.ok());
    writer = std::move(created).value();
  }
  stay_on_core(core);
  DeviceSession session(std::move(writer), std::make_shared<CardClock>(1000));
  Card card({.vram_bytes = uint64_t{64} << 20, .bars_64bit = false}, session.dma(), session.interrupts());
  session.connect(card, std::move(fd), transport);
  std::vector<pollfd> entries = {{session.link().fd(), POLLIN, 0}};
  while (!session.link().closed()) {
    GPUVM_CHECK(wait_for(entries, 0, session.next_due()).ok());
    if (entries[0].revents != 0) GPUVM_CHECK(session.serve(DeviceSession::Patience::kForABurst).ok());
  }
  GPUVM_CHECK(session.close().ok());
}

// A server in a thread of its own, and its client.
template <typename Client>
class Contender {
 public:
  template <typename Server>
  Contender(int core, Server server) {
    auto pair = socket_pair();
    GPUVM_CHECK(pair.ok());
    client_.emplace(std::move(pair.value().ours));
    thread_ = std::thread(
        [core, server, fd = std::move(pair.value().theirs)]() mutable { server(core, std::move(fd)); });
    pthread_getcpuclockid(thread_.native_handle(), &clock_);
    client_->make_ready();
    batch(*client_);  // warm
  }
  ~Contender() {
    client_.reset();
    thread_.join();
  }
  // CPU time of client and server together, per round trip.
  double run() {
    const uint64_t before = cpu_ns(CLOCK_THREAD_CPUTIME_ID) + cpu_ns(clock_);
    batch(*client_);
    return static_cast<double>(cpu_ns(CLOCK_THREAD_CPUTIME_ID) + cpu_ns(clock_) - before) / kBatch;
  }

 private:
  std::optional<Client> client_;
  std::thread thread_;
  clockid_t clock_{};
};

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

void BM_MmioRoundTrip(benchmark::State& state) {
  const int core = sched_getcpu();
  cpu_set_t before;
  pthread_getaffinity_np(pthread_self(), sizeof before, &before);
  const auto path = std::filesystem::temp_directory_path() / fmt::format("gpuvm-bench-{}.gvt", getpid());
  {
    using Proxy = Contender<ProxyClient>;
    Proxy bare(core, [](int c, UniqueFd fd) { stay_on_core(c), echo(fd.get()); });
    Proxy served(core, [](int c, UniqueFd fd) { serve(c, std::move(fd), Transport::kProxy, ""); });
    Proxy recorded(core, [path](int c, UniqueFd fd) { serve(c, std::move(fd), Transport::kProxy, path); });
    Contender<VfioUserClient> by_vfio_user(
        core, [](int c, UniqueFd fd) { serve(c, std::move(fd), Transport::kVfioUser, ""); });
    stay_on_core(core);
    std::vector<double> echo_ns, serve_ns, record_ns, vfio_user_ns, serve_share, record_share,
        vfio_user_share;
    for (auto _ : state) {
      echo_ns.push_back(bare.run());
      serve_ns.push_back(served.run());
      record_ns.push_back(recorded.run());
      vfio_user_ns.push_back(by_vfio_user.run());
      serve_share.push_back(100 * (serve_ns.back() / echo_ns.back() - 1));
      record_share.push_back(100 * (record_ns.back() / serve_ns.back() - 1));
      vfio_user_share.push_back(100 * (vfio_user_ns.back() / serve_ns.back() - 1));
    }
    state.counters["echo_ns"] = median(echo_ns);
    state.counters["serve_ns"] = median(serve_ns);
    state.counters["record_ns"] = median(record_ns);
    state.counters["serve_share"] = median(serve_share);
    state.counters["record_share"] = median(record_share);
    state.counters["vfio_user_ns"] = median(vfio_user_ns);
    state.counters["vfio_user_share"] = median(vfio_user_share);
    pthread_setaffinity_np(pthread_self(), sizeof before, &before);
  }
  std::filesystem::remove(path);
}
BENCHMARK(BM_MmioRoundTrip)->Iterations(100)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace gpuvm
