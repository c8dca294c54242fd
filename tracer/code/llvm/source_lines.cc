#include "tracer/code/llvm/source_lines.h"

#include <llvm/DebugInfo/DIContext.h>
#include <llvm/DebugInfo/Symbolize/Symbolize.h>
#include <llvm/Support/Error.h>

namespace gpuvm {
namespace {

constexpr uint32_t kMaxFrames = 64;
constexpr char kUnknown[] = "<invalid>";  // LLVM's word for it

llvm::symbolize::LLVMSymbolizer::Options options_of(const std::vector<std::string>& debug_folders) {
  llvm::symbolize::LLVMSymbolizer::Options options;
  options.Demangle = true;
  options.UseSymbolTable = true;
  options.DebugFileDirectory = debug_folders;
  if (!debug_folders.empty()) options.FallbackDebugPath = debug_folders.front();
  return options;
}

}  // namespace

struct SourceLines::State {
  explicit State(const std::vector<std::string>& debug_folders) : symbolizer(options_of(debug_folders)) {}
  llvm::symbolize::LLVMSymbolizer symbolizer;
};

SourceLines::SourceLines(const std::vector<std::string>& debug_folders)
    : state_(std::make_unique<State>(debug_folders)) {}
SourceLines::~SourceLines() = default;

std::vector<SourceFrame> SourceLines::frames(const std::string& path, uint64_t address) {
  std::vector<SourceFrame> out;
  auto found =
      state_->symbolizer.symbolizeInlinedCode(path, {address, llvm::object::SectionedAddress::UndefSection});
  if (!found) {
    llvm::consumeError(found.takeError());
    return out;
  }
  for (uint32_t i = 0; i < found->getNumberOfFrames() && i < kMaxFrames; ++i) {
    const llvm::DILineInfo& info = found->getFrame(i);
    SourceFrame frame;
    if (info.FunctionName != kUnknown) frame.function = info.FunctionName;
    if (info.FileName != kUnknown) frame.file = info.FileName;
    frame.line = info.Line;
    if (!frame.function.empty() || !frame.file.empty()) out.push_back(frame);
  }
  return out;
}

}  // namespace gpuvm
