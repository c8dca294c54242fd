// What the instructions of a traced program are: the sites of a trace ("/usr/lib/libfoo.so+0x1234", an offset
// in that file) by function, source line and disassembly, from the files of this machine.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tracer/code/disassembly.h"
#include "tracer/code/llvm/source_lines.h"
#include "traces/core/result.h"

namespace gpuvm {

struct CodeSite {
  std::vector<SourceFrame> frames;  // innermost first
  std::string instruction;          // empty: the file's bytes cannot be read
  std::string module;               // path
  uint64_t offset = 0;              // in the file
};

class CodeSites {
 public:
  // `modules`: the attachment of the trace, with the build-id of each file. `sysroot`: a folder in which the
  // paths of the trace are looked for, empty: this machine's. Errors: not such a JSON text.
  static Result<CodeSites> create(std::string_view modules, std::string sysroot,
                                  const std::vector<std::string>& debug_folders);

  // Of a context's label; what is not of the form PATH+0xOFFSET has no frames and no instruction. Valid until
  // the next call.
  const CodeSite& find(std::string_view label);
  // Lines for the user: files that are not there, or not the ones that were traced any more.
  std::vector<std::string> take_notes();

 private:
  struct Module {
    std::string build_id;
    bool checked = false;
    bool usable = false;
  };
  CodeSites() = default;
  bool usable(const std::string& path);

  std::map<std::string, Module, std::less<>> modules_;
  std::string sysroot_;
  std::unique_ptr<SourceLines> lines_;
  std::unique_ptr<Disassembler> disassembler_;
  std::unordered_map<std::string, CodeSite> sites_;
  std::vector<std::string> notes_;
};

// "ring.h:12", or "file.c:3" without its folders; empty if the file is not known.
std::string short_place(const SourceFrame& frame);
// "push at ring.h:12 < submit at main.c:40", or the label where nothing is known.
std::string describe(const CodeSite& site, std::string_view label);

}  // namespace gpuvm
