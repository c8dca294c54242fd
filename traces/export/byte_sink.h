// Where an export goes: a file, standard output or memory; buffered.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "traces/core/output_file.h"
#include "traces/core/result.h"

namespace gpuvm {

class ByteSink {
 public:
  virtual ~ByteSink() = default;
  // Errors: the disk is full, the pipe is closed, …; later writes fail too.
  virtual Status write(std::string_view bytes) = 0;
  // Passes on what is buffered. Errors: as write().
  virtual Status flush() { return Ok{}; }
  // The same, for the last time. Errors: the same, and those that a file reports only when it is closed.
  virtual Status close() = 0;
};

// A file, or standard output if `path` is empty or "-". A live one has its name from the first flush() on,
// any other one from close() on. Errors: as OutputFile::open.
Result<std::unique_ptr<ByteSink>> open_byte_sink(const std::string& path, const OutputOptions& options = {});

class StringSink : public ByteSink {
 public:
  Status write(std::string_view bytes) override {
    text_ += bytes;
    return Ok{};
  }
  Status close() override { return Ok{}; }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace gpuvm
