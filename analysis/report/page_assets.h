// The page's own style and script. Both are hashed into the content security policy.
#pragma once

#include <string_view>

namespace gpuvm::report {

std::string_view page_style();
std::string_view page_script();

}  // namespace gpuvm::report
