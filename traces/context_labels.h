// The labels of the contexts that a stream has defined so far: what an access went to, or who did it.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "traces/context.h"
#include "traces/event.h"
#include "traces/program_access.h"

namespace gpuvm {

class ContextLabels {
 public:
  // A kContext event; one that is damaged has no label. At most kMaxLabels are kept.
  void define(const Event& event, Bytes payload) {
    const auto id = static_cast<uint32_t>(event.address);
    const Result<ContextRecord> record = decode_context(payload);
    if (!record || record.value().label.empty()) {
      labels_.erase(id);
    } else if (labels_.size() < kMaxLabels || labels_.contains(id)) {
      labels_[id] = record.value().label;
    }
    last_id_ = 0;
  }
  // Of an access; empty if there is none. Valid until the next define().
  std::string_view of(const Event& access, Bytes payload = {}) {
    const uint32_t id = context_of(access, payload);
    if (id == 0 || labels_.empty()) return {};
    if (id == last_id_) return last_;
    last_id_ = id;
    const auto known = labels_.find(id);
    return last_ = known == labels_.end() ? std::string_view{} : std::string_view(known->second);
  }

 private:
  static constexpr size_t kMaxLabels = 65536;
  std::unordered_map<uint32_t, std::string> labels_;
  uint32_t last_id_ = 0;
  std::string_view last_;
};

}  // namespace gpuvm
