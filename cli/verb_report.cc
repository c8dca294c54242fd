#include "cli/print.h"
#include "cli/verbs.h"

namespace gpuvm::cli {

int run_report(const ReportVerbOptions&) { return fail(error("report: the page is not written yet in this build")); }

}  // namespace gpuvm::cli
