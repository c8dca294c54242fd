// The recorder's end of the memory that the agents write into.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tracer/process/shared/channel.h"
#include "tracer/process/shared/ring_reader.h"
#include "traces/core/result.h"
#include "traces/core/unique_fd.h"
#include "traces/stream.h"

namespace gpuvm {

class ChannelReader {
 public:
  // Errors: no memory, patterns or path too long.
  static Result<std::unique_ptr<ChannelReader>> create(const std::vector<std::string>& patterns,
                                                       const std::string& agent_path);
  ChannelReader(const ChannelReader&) = delete;
  ChannelReader& operator=(const ChannelReader&) = delete;
  ~ChannelReader();

  // "/proc/PID/fd/N": what the agents open.
  std::string path() const;
  // The next record with its data, valid until the next call; nullptr: there is none now. Errors: what the
  // agents write makes no sense (a program has overwritten it).
  Result<const trace_channel::Record*> next();
  Bytes data() const { return data_; }
  trace_channel::Control& control() { return *control_; }

 private:
  ChannelReader() = default;

  UniqueFd fd_;
  trace_channel::Control* control_ = nullptr;
  std::optional<trace_channel::RingReader> ring_;
  trace_channel::Record record_{};
  std::vector<std::byte> data_;
};

}  // namespace gpuvm
