// Numbers for people.
#pragma once

#include <cstdint>
#include <string>

namespace gpuvm {

std::string thousands(uint64_t number);              // 1,234,567
std::string short_count(uint64_t number);            // 1.2 M, 35 k, 812
std::string bytes_text(uint64_t bytes);              // 12.3 MiB
std::string time_text(double microseconds);          // 1.23 s, 45 ms, 6.5 us (with the micro sign)
std::string percent(uint64_t part, uint64_t whole);  // 12.3 %

}  // namespace gpuvm
