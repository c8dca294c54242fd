// Functions, files and lines of addresses in programs and libraries, from their debug information. The one
// place that knows LLVM; it is C++17, as LLVM's own headers are.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gpuvm {

struct SourceFrame {
  std::string function;  // demangled; empty: unknown
  std::string file;      // empty: unknown
  uint32_t line = 0;     // 0: unknown
};

class SourceLines {
 public:
  // `debug_folders`: where separate debug files lie, as .build-id/ab/cdef.debug; empty: /usr/lib/debug.
  explicit SourceLines(const std::vector<std::string>& debug_folders);
  SourceLines(const SourceLines&) = delete;
  SourceLines& operator=(const SourceLines&) = delete;
  ~SourceLines();

  // The function at an address (as the ELF file counts it) and what it was inlined into, innermost first.
  // Empty: neither debug information nor a symbol, or not a file that LLVM can read.
  std::vector<SourceFrame> frames(const std::string& path, uint64_t address);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gpuvm
