// Stands in for QEMU and a guest in it: the device's link, the guest's port, the console, and no guest to
// boot. What it does is in its kernel's arguments: "attack=NAME" one of kAttacks, with "ready=FILE" made once
// it has begun, for "attack-ms=N" or for ever; without an attack it reads a register for as long
// ("attack-ms"), and says so. Whatever comes, it does not heed SIGTERM, nor what its monitor and qtest are
// told.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/gpu_bench.h"
#include "tests/support/shader_bench.h"
#include "tracer/protocol/protocol.h"
#include "tracer/qemu/wire.h"

namespace gpuvm::test {
namespace {

using Clock = std::chrono::steady_clock;
using wire::Command;

constexpr uint64_t kRamBytes = 64 << 20;
constexpr uint64_t kBar0 = 0xc0000000, kBar1 = 0xd0000000, kBar3 = 0xe0000000;
constexpr unsigned kMsi = 0x68;

// The value of KEY=VALUE in a text of many, or nothing.
std::string value_of(std::string_view text, std::string_view key) {
  const std::string wanted = " " + std::string(key) + "=";
  const std::string all = " " + std::string(text);
  const size_t at = all.find(wanted);
  if (at == std::string::npos) return "";
  const size_t from = at + wanted.size();
  return all.substr(from, all.find(' ', from) - from);
}

struct Arguments {
  std::string kernel;
  int link = -1, port = -1, console = -1;
};

int number_after(std::string_view text, std::string_view key) {
  const size_t at = text.find(key);
  int value = -1;
  if (at != std::string_view::npos)
    std::from_chars(text.data() + at + key.size(), text.data() + text.size(), value);
  return value;
}

Arguments parse(int argc, char** argv) {
  Arguments result;
  for (int i = 1; i < argc; ++i) {
    const std::string_view text = argv[i];
    if (text.starts_with("x-pci-proxy-dev,")) result.link = number_after(text, "fd=");
    if (text.starts_with("socket,id=guest,")) result.port = number_after(text, "fd=");
    if (text.starts_with("socket,id=console,")) result.console = number_after(text, "fd=");
    if (text == "-append" && i + 1 < argc) result.kernel = argv[i + 1];
  }
  return result;
}

// The card as QEMU reaches it.
class Link {
 public:
  explicit Link(int fd) : fd_(fd) {
    share_memory();
    ask(Command::kDeviceReset, {});
    config(0x10, kBar0), config(0x14, kBar1), config(0x1c, kBar3), config(0x04, 6);
  }
  void config(uint32_t offset, uint64_t value) {
    ask(Command::kConfigWrite, bytes_of(offset, static_cast<uint32_t>(value), uint32_t{4}));
  }
  void write(uint64_t address, uint64_t value, uint32_t width) {
    ask(Command::kBarWrite, bytes_of(address, value, width, uint32_t{0}));
  }
  uint64_t read(uint64_t address, uint32_t width) {
    return ask(Command::kBarRead, bytes_of(address, uint64_t{0}, width, uint32_t{0}));
  }
  // Without taking the answer.
  void write_deaf(uint64_t address, uint64_t value) {
    send_request(Command::kBarWrite, bytes_of(address, value, uint32_t{4}, uint32_t{0}));
  }
  void send_half() {
    const auto message = request(Command::kBarWrite, bytes_of(uint64_t{kBar0}, uint64_t{0}, uint64_t{4}));
    (void)!::send(fd_, message.data(), message.size() / 2, MSG_NOSIGNAL);
  }

 private:
  static std::vector<std::byte> bytes_of(const auto&... parts) {
    std::vector<std::byte> bytes;
    const auto append = [&](const auto& part) {
      const auto* data = reinterpret_cast<const std::byte*>(&part);
      bytes.insert(bytes.end(), data, data + sizeof part);
    };
    (append(parts), ...);
    return bytes;
  }
  static std::vector<std::byte> request(Command command, const std::vector<std::byte>& body) {
    auto message = bytes_of(static_cast<int32_t>(command), uint32_t{0}, uint64_t{body.size()});
    message.insert(message.end(), body.begin(), body.end());
    return message;
  }
  void send_request(Command command, const std::vector<std::byte>& body) {
    const auto message = request(command, body);
    if (::send(fd_, message.data(), message.size(), MSG_NOSIGNAL) < 0) _exit(3);
  }
  uint64_t ask(Command command, const std::vector<std::byte>& body) {
    send_request(command, body);
    std::array<std::byte, wire::kReplyBytes> reply;
    for (size_t got = 0; got < reply.size();) {
      const ssize_t n = recv(fd_, reply.data() + got, reply.size() - got, 0);
      if (n <= 0) _exit(3);
      got += static_cast<size_t>(n);
    }
    uint64_t value = 0;
    std::memcpy(&value, reply.data() + wire::kHeaderBytes, sizeof value);
    return value;
  }
  void share_memory() {
    const int ram = memfd_create("ram", MFD_CLOEXEC);
    if (ram < 0 || ftruncate(ram, kRamBytes) != 0) _exit(4);
    std::array<uint64_t, 24> sections{};
    sections[8] = kRamBytes;
    auto message = request(Command::kSyncSysmem, bytes_of(sections));
    iovec iov{message.data(), message.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof ram)> control{};
    msghdr m{};
    m.msg_iov = &iov, m.msg_iovlen = 1, m.msg_control = control.data(), m.msg_controllen = control.size();
    cmsghdr* c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof ram);
    std::memcpy(CMSG_DATA(c), &ram, sizeof ram);
    if (sendmsg(fd_, &m, MSG_NOSIGNAL) < 0) _exit(4);
  }

  int fd_;
};

// What a driver sets up: one address space, one channel.
class Driver {
 public:
  static constexpr uint64_t kUserd = 0x10000, kRunlist = 0x8000, kInstance = 0x100000, kDirectory = 0x110000,
                            kTable = 0x140000, kRing = 0x200000, kPush = 0x210000, kOther = 0x120000;
  static constexpr uint64_t kRingVa = 0x1000000, kPushVa = 0x2000000, kDataVa = 0x3000000, kBigVa = 0x4000000;

  explicit Driver(Link& link) : link_(link) {
    reg(0x2254, 1u << 28 | kUserd >> 12);
    store(kInstance + 0x200, kDirectory), store(kInstance + 0x208, 0xffffffffff);
    store(kDirectory, uint64_t{1} << 32 | (kTable >> 12) << 36);
    for (uint64_t at = 0; at < 0x2000; at += 0x1000)
      map(kRingVa + at, kRing + at), map(kPushVa + at, kPush + at);
    for (uint64_t i = 0; i < 64; ++i) map(kDataVa + i * 0x1000, 0x100000 + i * 0x1000, Target::kSystem);
    store(kInstance + 0x08, kUserd), store(kInstance + 0x48, kRingVa | uint64_t{10} << 48);
    bind();
    store(kRunlist, uint64_t{4} << 32);
    commit_runlist();
  }
  void bind() {
    reg(0x3000, 0xc0000000 | kInstance >> 12);
    reg(0x3004, 0x001f0001);
  }
  void commit_runlist() { reg(0x2270, kRunlist >> 12), reg(0x2274, 0x01f00001); }
  void reg(uint32_t offset, uint32_t value) { link_.write(kBar0 + offset, value, 4); }
  uint32_t reg(uint32_t offset) { return static_cast<uint32_t>(link_.read(kBar0 + offset, 4)); }
  void store(uint64_t address, uint64_t value, uint32_t width = 8) {
    if (address >> 16 != window_) reg(0x1700, static_cast<uint32_t>(window_ = address >> 16));
    link_.write(kBar0 + 0x700000 + (address & 0xffff), value, width);
  }
  void map(uint64_t va, uint64_t address, Target target = Target::kVram) {
    store(kTable + 8 * (va >> 12), pte(address, target));
  }
  void flush() { reg(0x100cb8, 0), reg(0x100cbc, 0x80000007); }
  void entry(uint64_t va, uint32_t dwords) {
    store(kRing + 8 * uint64_t{put_}, va | uint64_t{dwords} << 42);
    put_ = (put_ + 1) % 1024;
  }
  void queue(const std::vector<uint32_t>& words) {
    const uint64_t at = used_;
    for (const uint32_t word : words) store(kPush + used_, word, 4), used_ += 4;
    entry(kPushVa + at, static_cast<uint32_t>(words.size()));
  }
  void ring() { link_.write(kBar1 + kUserd + 0x8c, put_, 4); }
  // Lines of one byte, a page apart, into guest memory: sixteen words of data.
  static std::vector<uint32_t> scatter() {
    std::vector<uint32_t> words{increasing(0, 0x300, 1), 1 | 1 << 4 | 1 << 8, non_increasing(0, 0x304, 16)};
    words.insert(words.end(), 16, 0x41414141);
    return words;
  }
  void set_up_scatter() {
    queue({increasing(0, 0, 1), 0x9039, increasing(0, 0x238, 2), 0, kDataVa, increasing(0, 0x318, 3), 0x1000,
           1, 64});
    ring();
  }
  Link& link() { return link_; }

 private:
  Link& link_;
  uint64_t window_ = ~uint64_t{0}, used_ = 0;
  uint32_t put_ = 0;
};

// The guest's port and its console: what does not go through at once is not said.
class Texts {
 public:
  Texts(int port, int console) : port_(port), console_(console) { say(kHello); }
  void say(std::string_view text) {
    if (port_ >= 0) (void)!::send(port_, text.data(), text.size(), MSG_NOSIGNAL);
  }
  void flood(int fd, std::string_view text) {
    std::array<char, 4096> answers;
    rest_ = rest_.empty() ? text : rest_;
    const ssize_t sent = ::send(fd, rest_.data(), rest_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) rest_.remove_prefix(static_cast<size_t>(sent));
    while (recv(fd, answers.data(), answers.size(), MSG_DONTWAIT) > 0) {
    }
  }
  int port() const { return port_; }
  int console() const { return console_; }

 private:
  static constexpr std::string_view kHello = "hello - 13\ngpuvm-guest-1\n";
  int port_, console_;
  std::string_view rest_;
};

class Hostile {
 public:
  explicit Hostile(const Arguments& a)
      : ready_(value_of(a.kernel, "ready")),
        ms_(value_of(a.kernel, "attack-ms")),
        link_(a.link),
        driver_(link_),
        texts_(a.port, a.console) {}

  void read_registers() {
    repeat([&] { (void)driver_.reg(0); });
  }
  void doorbells() {
    driver_.set_up_scatter();
    const auto one = Driver::scatter();
    std::vector<uint32_t> words;
    while (words.size() + one.size() <= 512) words.insert(words.end(), one.begin(), one.end());
    driver_.queue(words);
    repeat([&] {
      driver_.entry(Driver::kPushVa + 4 * 9, static_cast<uint32_t>(words.size()));
      driver_.ring();
    });
  }
  // A page of commands, mapped over and over: rings full of a quarter of a million words.
  void endless_push_buffer() {
    driver_.set_up_scatter();
    const uint64_t page = Driver::kPush + 0x1000;
    const auto one = Driver::scatter();
    uint64_t at = 0;
    for (; at + one.size() <= 1024; at += one.size())
      for (size_t i = 0; i < one.size(); ++i) driver_.store(page + 4 * (at + i), one[i], 4);
    for (uint64_t i = 0; i < 256; ++i) driver_.map(Driver::kBigVa + i * 0x1000, page);
    driver_.flush();
    for (int i = 0; i < 1000; ++i) driver_.entry(Driver::kBigVa, 256 * 1024);
    driver_.ring();
    read_registers();
  }
  void endless_shader() {
    const std::vector<uint64_t> program{jump(kBra, -1)};
    for (size_t i = 0; i < program.size(); ++i) driver_.store(0x300000 + 8 * i, program[i]);
    driver_.map(0x5000000, 0x300000);
    driver_.flush();
    constexpr unsigned kCompute = 1;
    driver_.queue({increasing(kCompute, 0, 1),
                   0x90c0,
                   increasing(kCompute, 0x1608, 2),
                   0,
                   0x5000000,
                   increasing(kCompute, 0x03b4, 1),
                   0,
                   increasing(kCompute, 0x024c, 1),
                   0x400,
                   increasing(kCompute, 0x0214, 1),
                   0xfe000000,
                   increasing(kCompute, 0x077c, 1),
                   0xff000000,
                   increasing(kCompute, 0x020c, 1),
                   0x800,
                   increasing(kCompute, 0x03ac, 2),
                   1 << 16 | 1024,
                   1,
                   increasing(kCompute, 0x0238, 2),
                   1 << 16 | 8192,
                   1,
                   increasing(kCompute, 0x0368, 1),
                   0x1000});
    driver_.ring();
    read_registers();
  }
  void rebuilds() {
    fill_directory();
    repeat([&] { driver_.flush(); });
  }
  // The page directory of a channel in use goes away and comes back.
  void page_tables() {
    fill_directory();
    repeat([&] {
      driver_.store(Driver::kInstance + 0x200, Driver::kOther);
      driver_.store(Driver::kInstance + 0x200, Driver::kDirectory);
    });
  }
  // Messages into the card's own BAR; and interrupts that nobody takes.
  void messages() { interrupts(kBar0 + 0x1100); }
  void interrupts() { interrupts(0xfee00000); }
  void marks() {
    uint64_t page = 0;
    repeat([&] {
      page = (page + 1) % 2048;
      driver_.store(0x400000 + page * 0x1000, page);
      texts_.flood(texts_.port(), kMark);
    });
  }
  void attachments() {
    const std::string body(1000, 's');
    std::string records;
    for (int i = 0; i < 16; ++i) records += "attach small.txt 1000\n" + body + "\n";
    repeat([&] {
      (void)driver_.reg(0);
      texts_.flood(texts_.port(), records);
    });
  }
  void console() {
    const std::string line(4000, 'x');
    const std::string lines = line + "\n";
    repeat([&] {
      (void)driver_.reg(0);
      texts_.flood(texts_.console(), lines);
    });
  }
  void never_hears() {
    repeat([&] { link_.write_deaf(kBar0 + 0x1700, 0); });
  }
  void says_half() {
    link_.send_half();
    repeat([] { usleep(1000); });
  }
  // A document over one of the host's own.
  void forged_document() {
    texts_.say("attach meta.json 2\n{}\n");
    read_registers();
  }
  void finish() {
    texts_.say("result ok 4\ndone\ndone - 0\n\n");
    // Until it was heard: the other end is told to end by whoever reads it.
    usleep(100'000);
  }

 private:
  static constexpr std::string_view kMark = "mark - 7\nphase x\n";

  template <typename Work>
  void repeat(Work work) {
    if (!ready_.empty()) ::close(::open(ready_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const auto began = Clock::now();
    const auto limit = std::chrono::milliseconds(ms_.empty() ? 0 : std::stoi(ms_));
    while (ms_.empty() || Clock::now() - began < limit) work();
  }
  void interrupts(uint32_t to) {
    driver_.reg(0x140, 1), driver_.reg(0x2140, ~0u);
    link_.config(kMsi + 4, to);
    link_.config(kMsi, 1u << 16);
    repeat([&] { driver_.commit_runlist(), driver_.reg(0x2a00, ~0u); });
  }
  // The same table in every region: each has a shadow of its own.
  void fill_directory() {
    for (uint64_t i = 0; i < 2048; ++i)
      driver_.store(Driver::kTable + 8 * (0x6000 + i), pte(i << 12, Target::kVram));
    for (uint64_t i = 1; i < 256; ++i)
      driver_.store(Driver::kDirectory + 8 * i, uint64_t{1} << 32 | (Driver::kTable >> 12) << 36);
    driver_.flush();
  }

  std::string ready_, ms_;
  Link link_;
  Driver driver_;
  Texts texts_;
};

struct Attack {
  std::string_view name;
  void (Hostile::*run)();
};
constexpr Attack kAttacks[] = {
    {"", &Hostile::read_registers},
    {"doorbells", &Hostile::doorbells},
    {"push-buffer", &Hostile::endless_push_buffer},
    {"shader", &Hostile::endless_shader},
    {"rebuilds", &Hostile::rebuilds},
    {"page-tables", &Hostile::page_tables},
    {"messages", &Hostile::messages},
    {"interrupts", &Hostile::interrupts},
    {"marks", &Hostile::marks},
    {"attachments", &Hostile::attachments},
    {"console", &Hostile::console},
    {"forged-document", &Hostile::forged_document},
    {"never-hears", &Hostile::never_hears},
    {"says-half", &Hostile::says_half},
};

int run(int argc, char** argv) {
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (first == "--version") return std::puts("QEMU emulator version 7.2.0 (hostile)") < 0;
  if (first == "-device") return std::puts("x-pci-proxy-dev options:") < 0;
  signal(SIGTERM, SIG_IGN);
  const Arguments arguments = parse(argc, argv);
  // Of several guests the first one attacks.
  const bool attacks = value_of(arguments.kernel, "gpuvm.workload") != "none";
  const std::string name = attacks ? value_of(arguments.kernel, "attack") : "";
  for (const Attack& attack : kAttacks) {
    if (attack.name != name) continue;
    Hostile hostile(arguments);
    (hostile.*attack.run)();
    hostile.finish();
    return 0;
  }
  return 2;
}

}  // namespace
}  // namespace gpuvm::test

int main(int argc, char** argv) {
  return gpuvm::test::run(argc, argv);
}
