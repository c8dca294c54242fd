#include "cli/code_of_trace.h"

#include <algorithm>

#include "cli/print.h"

namespace gpuvm::cli {

Result<std::optional<CodeSites>> code_of(const TraceReader& reader, const CodeOptions& options) {
  std::optional<CodeSites> none;
  const std::vector<std::string> names = reader.attachment_names();
  if (std::ranges::find(names, kModulesAttachment) == names.end()) return none;
  GPUVM_TRY(const std::string modules, reader.attachment(kModulesAttachment));
  GPUVM_TRY(CodeSites sites, CodeSites::create(modules, options.sysroot, options.debug_folders));
  return std::optional<CodeSites>(std::move(sites));
}

void tell_notes(CodeSites& sites) {
  for (const std::string& note : sites.take_notes()) print_error("gpuvm: {}\n", printable_text(note));
}

std::string code_line(CodeSites& sites, std::string_view label) {
  const CodeSite& site = sites.find(label);
  if (site.instruction.empty() && site.frames.empty()) return "";
  std::string out = fmt::format("{:25}{}", "", site.instruction);
  if (!site.frames.empty()) out += "  ; " + describe(site, label);
  return out + "\n";
}

}  // namespace gpuvm::cli
