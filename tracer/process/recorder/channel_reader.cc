#include "tracer/process/recorder/channel_reader.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace gpuvm {

using trace_channel::Control;
using trace_channel::Record;
using trace_channel::RingReader;

Result<std::unique_ptr<ChannelReader>> ChannelReader::create(const std::vector<std::string>& patterns,
                                                             const std::string& agent_path) {
  std::unique_ptr<ChannelReader> reader(new ChannelReader);
  reader->fd_.reset(memfd_create("gpuvm-trace", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  // A program that could make it smaller could kill us.
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (!reader->fd_.valid() || ftruncate(reader->fd_.get(), sizeof(Control)) != 0 ||
      fcntl(reader->fd_.get(), F_ADD_SEALS, kSeals) != 0) {
    return error("cannot make the memory that a traced program records into: {}", std::strerror(errno));
  }
  void* at = mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, reader->fd_.get(), 0);
  if (at == MAP_FAILED)
    return error("cannot map the memory that a traced program records into: {}", std::strerror(errno));
  reader->control_ = static_cast<Control*>(at);
  reader->ring_.emplace(reader->control_);
  Control& c = *reader->control_;
  c.version = trace_channel::kVersion;
  c.recorder_pid = static_cast<uint32_t>(getpid());
  size_t used = 0;
  for (const std::string& pattern : patterns) {
    if (pattern.empty()) return error("an empty --match matches nothing: leave it out");
    if (used + pattern.size() + 2 > sizeof c.patterns)
      return error("too many --match patterns: {} bytes at most", sizeof c.patterns);
    std::memcpy(c.patterns + used, pattern.c_str(), pattern.size() + 1);
    used += pattern.size() + 1;
  }
  if (agent_path.size() + 1 > sizeof c.agent_path) return error("the path of {} is too long", agent_path);
  std::memcpy(c.agent_path, agent_path.c_str(), agent_path.size() + 1);
  return reader;
}

ChannelReader::~ChannelReader() {
  if (control_ != nullptr) munmap(control_, sizeof(Control));
}

std::string ChannelReader::path() const {
  return fmt::format("/proc/{}/fd/{}", getpid(), fd_.get());
}

Result<const Record*> ChannelReader::next() {
  const uint8_t* at = nullptr;
  uint32_t size = 0;
  switch (ring_->front(&at, &size)) {
    case RingReader::State::kDamaged:
      return error("a traced program has overwritten the memory that it records into");
    case RingReader::State::kEmpty:
      return nullptr;
    case RingReader::State::kRecord:
      break;
  }
  std::memcpy(&record_, at, sizeof record_);
  const auto* bytes = reinterpret_cast<const std::byte*>(at + sizeof record_);
  data_.assign(bytes, bytes + (size - sizeof record_));
  ring_->pop();
  return &record_;
}

}  // namespace gpuvm
