// Where output goes, whatever writes it: no file is lost that was there before, and none that is being read.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "traces/core/result.h"
#include "traces/core/unique_fd.h"

namespace gpuvm {

enum class OutputLife : uint8_t {
  kWhole,  // takes its name at commit(): until then, and after a failure, the old file stands there
  kLive    // takes its name at publish(): it can be read while it grows, and after a kill
};

struct OutputOptions {
  OutputLife life = OutputLife::kWhole;
  bool seekable = false;                 // a pipe or a socket will not do
  std::vector<std::string> inputs = {};  // paths that are read meanwhile ("-": standard input)
};

// One output, appended to. A regular file is written under no name and then takes the place of the old one,
// with its mode; a link to it stays a link. What is no regular file (/dev/null, a pipe) is written through. A
// live file is locked (flock), so that no second one takes its name.
class OutputFile {
 public:
  // Errors: `path` is one of the inputs, whatever it is called there; another live output holds it; it cannot
  // be written. Nothing has changed at `path` then, nor has it before publish() or commit(), except that a
  // live file with a new name is there, empty.
  static Result<OutputFile> open(const std::string& path, const OutputOptions& options);
  OutputFile(OutputFile&&) noexcept = default;
  OutputFile& operator=(OutputFile&&) = delete;
  // Without publish() or commit(), nothing is left.
  ~OutputFile();

  uint64_t size() const { return size_; }
  // Whole or not at all, as far as the file system lets us cut it back. Errors: the reason in the system's
  // words ("No space left on device").
  Status append(std::string_view bytes);
  // From now on it has its name. Errors: that was given to another file meanwhile.
  Status publish();
  // What was appended survives a crash of the machine.
  Status sync();
  // publish(), and what a file reports only when it is closed. Nothing may be appended afterwards.
  Status commit();

 private:
  enum class Place : uint8_t {
    kThrough,   // no regular file: as it is
    kInPlace,   // regular, but its folder takes no new file, or empty: cut to nothing by the first append
    kNew,       // made at its name
    kUnnamed,   // beside it, without a name (O_TMPFILE)
    kTemporary  // beside it, under the name temporary_
  };
  OutputFile() = default;
  Status open_existing(const struct stat& there, const OutputOptions& options);
  Status open_new(const OutputOptions& options);
  Status open_beside(const struct stat* old);
  Status lock(const UniqueFd& fd) const;
  Status take_name();
  std::string folder() const;
  Error failed(std::string_view why) const;

  std::string name_;  // as the user wrote it
  std::string path_;  // with links followed
  Place place_ = Place::kThrough;
  UniqueFd fd_;
  UniqueFd old_;  // the file that is to be replaced, locked
  std::string temporary_;
  uint64_t size_ = 0;
  bool seekable_ = true;
  bool published_ = false;
};

}  // namespace gpuvm
