// OpenCL without its headers: what a program of one queue needs of the interface, opened at run time. Names
// and numbers: the OpenCL 1.2 specification.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "traces/core/result.h"

namespace gpuvm::guest {

class OpenCl {
 public:
  using Handle = void*;

  // The first device of the first platform that has one.
  static Result<OpenCl> open();
  OpenCl(OpenCl&& other) noexcept;
  OpenCl& operator=(OpenCl&&) = delete;
  ~OpenCl();

  // "NVC0, OpenCL 3.0"
  const std::string& description() const { return description_; }

  // Compiles OpenCL C. Error: the compiler's first line.
  Status build(const char* source, const char* kernel);
  Result<Handle> buffer(size_t bytes);
  Status write(Handle buffer, const std::vector<uint32_t>& words);
  Result<std::vector<uint32_t>> read(Handle buffer, size_t words);
  // Arguments: buffers, then one word. Waits for the end.
  Status run(const std::vector<Handle>& buffers, uint32_t word, size_t across, size_t down, size_t group);

 private:
  struct Functions;
  OpenCl() = default;

  const Functions* call_ = nullptr;
  Handle context_ = nullptr, device_ = nullptr, queue_ = nullptr, program_ = nullptr, kernel_ = nullptr;
  std::vector<Handle> buffers_;
  std::string description_;
};

}  // namespace gpuvm::guest
