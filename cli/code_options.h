// Where the files of a traced program are looked for.
#pragma once

#include <string>
#include <vector>

namespace gpuvm::cli {

struct CodeOptions {
  std::string sysroot;                     // folder with the traced machine's files, empty: this one's
  std::vector<std::string> debug_folders;  // with .build-id/; empty: /usr/lib/debug
};

}  // namespace gpuvm::cli
