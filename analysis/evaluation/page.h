// The evaluation as one page, complete in itself.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace gpuvm {

// `evaluation`: results.json.
std::string evaluation_page(const nlohmann::json& evaluation);

}  // namespace gpuvm
