// What in a kernel's log says that a driver or its card did not do well.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gpuvm {

struct Complaint {
  size_t line = 0;       // from 1
  std::string_view why;  // "a warning of the kernel"
  std::string text;      // the line, at most kMaxText bytes of it

  static constexpr size_t kMaxText = 240;
};

struct KernelLogFindings {
  size_t lines = 0;
  size_t complaints = 0;         // all
  std::vector<Complaint> first;  // of them, at most kKept

  static constexpr size_t kKept = 50;
};

KernelLogFindings complaints_in(std::string_view log);

}  // namespace gpuvm
