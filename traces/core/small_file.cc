#include "traces/core/small_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace gpuvm {

Result<std::string> read_small_file(const std::string& path, size_t most) {
  constexpr size_t kPiece = 64 << 10;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  if (file == nullptr) return error("{}: {}", path, std::strerror(errno));
  std::string text;
  while (text.size() <= most) {
    const size_t before = text.size(), wanted = std::min(kPiece, most + 1 - before);
    text.resize(before + wanted);
    const size_t got = std::fread(text.data() + before, 1, wanted, file.get());
    text.resize(before + got);
    if (got < wanted) break;
  }
  if (std::ferror(file.get()) != 0) return error("{}: {}", path, std::strerror(errno));
  return text;
}

}  // namespace gpuvm
