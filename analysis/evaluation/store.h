// The results of jobs, one file each, written whole or not at all: what was done before a kill is not done
// again.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "traces/core/result.h"

namespace gpuvm {

inline constexpr char kTracesFolder[] = "traces";  // of an evaluation: what was captured for it

class ResultStore {
 public:
  // Makes the evaluation's folder, and its jobs' in it. Errors: it cannot be made or written; it is somebody
  // else's, whose files an evaluation would write over.
  static Result<ResultStore> open(const std::string& evaluation);

  // The result of a job with these inputs; none if there is none, or it is damaged (its SHA-256 is another),
  // or of other inputs.
  std::optional<nlohmann::json> find(const std::string& job, const std::string& inputs) const;
  Status put(const std::string& job, const std::string& inputs, const nlohmann::json& result) const;

 private:
  explicit ResultStore(std::string folder) : folder_(std::move(folder)) {}
  std::string path(const std::string& job) const;

  std::string folder_;
};

// Writes a file whole or not at all.
Status write_file(const std::string& path, std::string_view text);
// Errors: it cannot be read, or is longer than `most` bytes.
Result<std::string> read_whole_file(const std::string& path, size_t most);

}  // namespace gpuvm
