// SHA-256, for the content security policy's hashes of the page's own style and script. Nothing secret
// depends on it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace gpuvm::report {

std::array<uint8_t, 32> sha256(std::string_view text);
// 'sha256-BASE64=', as a policy wants it.
std::string csp_hash(std::string_view text);

}  // namespace gpuvm::report
