// Numbers the names of a log (memory regions, call sites), so that an origin holds a number.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace gpuvm {

class LabelTable {
 public:
  // From 1 in the order of their coming; 0 for more than kMaxLabels. `key` tells apart what has the same
  // label.
  int32_t number_of(std::string_view label, uint64_t key = 0) {
    if (last_ != 0 && key == last_key_ && label == last_label_) return last_;
    buffer_.assign(reinterpret_cast<const char*>(&key), sizeof key);
    buffer_ += label.substr(0, kMaxLabel);
    auto known = numbers_.find(buffer_);
    if (known == numbers_.end()) {
      if (numbers_.size() >= kMaxLabels) return 0;
      known = numbers_.emplace(buffer_, static_cast<int32_t>(numbers_.size() + 1)).first;
    }
    last_ = known->second;
    last_key_ = key;
    last_label_ = label;
    return last_;
  }

 private:
  static constexpr size_t kMaxLabels = 65536;
  static constexpr size_t kMaxLabel = 256;
  std::unordered_map<std::string, int32_t> numbers_;
  std::string buffer_;
  std::string last_label_;
  uint64_t last_key_ = 0;
  int32_t last_ = 0;
};

}  // namespace gpuvm
