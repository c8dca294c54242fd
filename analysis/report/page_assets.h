// The page's own style and script, page.css and page.js beside this. Both are hashed into the content
// security policy.
#pragma once

#include <string_view>

namespace gpuvm::report {

std::string_view page_css();
std::string_view page_js();

}  // namespace gpuvm::report
