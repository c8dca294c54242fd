// Writes the "newc" cpio archive that Linux unpacks as its first root file system.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gpuvm {

class CpioWriter {
 public:
  // Paths are relative to the root ("bin/x"); parents must be added first. Deterministic: owner root, time 0.
  void add_directory(std::string_view path) { add(path, 040755, {}, 0, 0); }
  void add_file(std::string_view path, std::string_view bytes, bool executable = false) {
    add(path, executable ? 0100755 : 0100644, bytes, 0, 0);
  }
  void add_character_device(std::string_view path, uint32_t major, uint32_t minor) {
    add(path, 020600, {}, major, minor);
  }
  // Ends the archive and hands it over.
  std::string finish();

 private:
  void add(std::string_view path, uint32_t mode, std::string_view bytes, uint32_t major, uint32_t minor);

  std::string archive_;
  uint32_t next_inode_ = 1;
};

}  // namespace gpuvm
