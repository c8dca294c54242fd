#include "analysis/evaluation/store.h"

#include <filesystem>

#include <nlohmann/json.hpp>

#include "analysis/report/sha256.h"
#include "traces/core/output_file.h"
#include "traces/core/small_file.h"
#include "traces/core/small_json.h"

namespace gpuvm {
namespace {

using nlohmann::json;

constexpr size_t kMaxResult = 64 << 20;
constexpr unsigned kMaxDepth = 16;

std::string as_text(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Of a result: one digit that was changed since makes another.
std::string digest_of(const json& result) {
  return report::hex(report::sha256(as_text(result)));
}

}  // namespace

Status write_file(const std::string& path, std::string_view text) {
  GPUVM_TRY(OutputFile file, OutputFile::open(path, {}));
  if (const Status written = file.append(text); !written)
    return error("{}: cannot write: {}", path, written.error().message);
  return file.commit();
}

Result<std::string> read_whole_file(const std::string& path, size_t most) {
  GPUVM_TRY(std::string text, read_small_file(path, most));
  if (text.size() > most) return error("{}: longer than {} bytes", path, most);
  return text;
}

Result<ResultStore> ResultStore::open(const std::string& evaluation) {
  const std::string folder = evaluation + "/jobs";
  std::error_code failed;
  if (!std::filesystem::exists(folder, failed)) {
    std::filesystem::directory_iterator entries(evaluation, failed);
    for (const auto& entry : failed ? std::filesystem::directory_iterator() : entries) {
      if (entry.path().filename() != kTracesFolder)
        return error("{}: has other files in it, {} is one; choose a new folder, or one of an evaluation",
                     evaluation, entry.path().filename().string());
    }
    failed.clear();
  }
  std::filesystem::create_directories(folder, failed);
  if (failed) return error("{}: the folder cannot be made: {}", folder, failed.message());
  return ResultStore(folder);
}

std::string ResultStore::path(const std::string& job) const {
  std::string name = job;
  for (char& c : name) {
    if (c == '/') c = '.';
  }
  return folder_ + "/" + name + ".json";
}

std::optional<json> ResultStore::find(const std::string& job, const std::string& inputs) const {
  const std::string file = path(job);
  std::error_code failed;
  const auto bytes = std::filesystem::file_size(file, failed);
  if (failed || bytes > kMaxResult) return std::nullopt;
  const auto text = read_whole_file(file, bytes);
  if (!text || !is_small_json(text.value(), kMaxResult, kMaxDepth)) return std::nullopt;
  json stored = json::parse(text.value(), nullptr, false);
  if (!stored.is_object() || stored.value("job", json()) != job || stored.value("inputs", json()) != inputs ||
      !stored.contains("result") || stored.value("sha256", json()) != digest_of(stored["result"]))
    return std::nullopt;
  return std::move(stored["result"]);
}

Status ResultStore::put(const std::string& job, const std::string& inputs, const json& result) const {
  const json stored = {{"job", job}, {"inputs", inputs}, {"sha256", digest_of(result)}, {"result", result}};
  return write_file(path(job), as_text(stored) + "\n");
}

}  // namespace gpuvm
