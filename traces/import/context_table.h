// Numbers the origins of accesses: which context id an access of a log gets, and which origins are new.
// The mmiotrace exporter runs the same table to know what a re-import will do.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "traces/context.h"

namespace gpuvm {

// What a line tells about where an access came from.
struct Origin {
  int32_t map_id = 0;
  uint32_t thread = 0;
  uint64_t pc = 0;
  uint32_t cpu = 0;  // number + 1; an mmiotrace line has none
  friend bool operator==(const Origin&, const Origin&) = default;
};

// As much of it as an mmiotrace line can say.
inline Origin origin_of(const ContextRecord& record) {
  return {record.map_id, record.thread, record.pc, 0};
}

class ContextTable {
 public:
  ContextTable() { reset(); }

  // The id of `origin`; `fresh`: it was given just now and needs a kContext event before its first use.
  uint32_t id_for(const Origin& origin, bool* fresh) {
    *fresh = false;
    if (origin == last_origin_) return last_id_;
    return slow_id_for(origin, fresh);
  }
  bool contains(const Origin& origin) const { return ids_.contains(origin); }
  uint32_t next_id() const { return ids_.size() >= kMaxOrigins ? 1 : next_id_; }

  // From here on `origin` has this id.
  void bind(const Origin& origin, uint32_t id) {
    if (!ids_.contains(origin) && ids_.size() >= kMaxOrigins) reset();
    ids_[origin] = id;
    if (id >= next_id_ && id != UINT32_MAX) next_id_ = id + 1;
    last_origin_ = origin;
    last_id_ = id;
  }

 private:
  // A log may name a new origin on every line; then the table starts afresh and the ids are defined again.
  static constexpr size_t kMaxOrigins = 65536;

  struct Hash {
    size_t operator()(const Origin& o) const {
      uint64_t h = (o.pc ^ uint64_t{o.thread} << 40) * 0x9e3779b97f4a7c15u;
      h ^= (h >> 29) + static_cast<uint32_t>(o.map_id) + (uint64_t{o.cpu} << 32);
      return static_cast<size_t>(h * 0xbf58476d1ce4e5b9u);
    }
  };

  void reset() {
    ids_.clear();
    ids_[Origin{}] = 0;
    next_id_ = 1;
    last_origin_ = {};
    last_id_ = 0;
  }
  uint32_t slow_id_for(const Origin& origin, bool* fresh) {
    if (const auto found = ids_.find(origin); found != ids_.end()) {
      last_origin_ = origin;
      last_id_ = found->second;
      return last_id_;
    }
    *fresh = true;
    if (ids_.size() >= kMaxOrigins) reset();
    bind(origin, next_id_);
    return last_id_;
  }

  std::unordered_map<Origin, uint32_t, Hash> ids_;
  uint32_t next_id_ = 1;
  Origin last_origin_;
  uint32_t last_id_ = 0;
};

}  // namespace gpuvm
