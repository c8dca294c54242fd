#include "traces/format/record_encoder.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace gpuvm::format {
namespace {

// A record costs a few bytes in the chunk: fewer uses are not worth one.
constexpr uint32_t kWorthAnAddress = 3;
constexpr uint32_t kWorthAValue = 24;
constexpr uint64_t kSmallStep = 64;  // bytes; larger steps are taken only if they are common

constexpr uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15;
  return hash ^ hash >> 29;
}

uint64_t scramble(uint64_t hash) {
  return hash * 0xd6e8feb86659fd93;
}

uint64_t hash_identity(const Event& event) {
  uint64_t identity = static_cast<uint64_t>(event.kind) | uint64_t{event.space} << 8 |
                      uint64_t{event.width} << 16 | uint64_t{event.flags} << 24;
  if (!has_payload(event.kind)) identity |= uint64_t{event.aux} << 32;
  return mix(0x51ed270b, identity);
}

uint64_t hash_address(uint64_t identity, AddressOp op, uint64_t address) {
  return scramble(mix(identity + static_cast<uint64_t>(op), address));
}

uint64_t hash_value(uint64_t hash, ValueOp op, uint64_t value) {
  return scramble(mix(hash + static_cast<uint64_t>(op), value));
}

uint64_t magnitude(uint64_t step) {
  return step >> 63 ? 0 - step : step;
}

template <typename T>
void append_literal(Buffer& out, T value) {
  out.resize(out.size() + sizeof value);
  store<T>(out.data() + out.size() - sizeof value, value);
}

// Entries of a hash table to begin with: most chunks have few sites and records, and clearing a table for as
// many as there could be takes longer than filling it.
constexpr size_t kFirstTable = 1024;

size_t site_place(unsigned slot, uint64_t address) {
  return scramble(mix(slot, address)) >> 20;
}
size_t record_place(uint64_t hash) {
  return hash >> 24;
}

}  // namespace

void RecordEncoder::Counter::reset(size_t events) {
  size_t size = std::bit_ceil(std::max<size_t>(events * 2, 64));
  counts_.assign(size, 0);
  shift_ = 64 - static_cast<unsigned>(std::countr_zero(size));
}

const RecordedEvents& RecordEncoder::encode(std::span<const Event> events) {
  out_.records.clear();
  out_.ids.clear();
  out_.far_steps.clear(), out_.literals32.clear(), out_.literals64.clear(), out_.lengths.clear();
  choose_addresses(events);
  count_values(events);
  choose_values(events);
  rank_records();
  return out_;
}

void RecordEncoder::choose_addresses(std::span<const Event> events) {
  counter_.reset(events.size());
  choices_.resize(events.size());
  uint64_t cursors[kSlots] = {};
  for (size_t i = 0; i < events.size(); ++i) {
    const Event& event = events[i];
    uint64_t& cursor = cursors[slot_of(static_cast<uint8_t>(event.kind), event.space)];
    uint64_t step = event.address - cursor;
    cursor = event.address;
    uint64_t identity = hash_identity(event);
    choices_[i].address = step;
    choices_[i].hash = identity;
    counter_.add(hash_address(identity, AddressOp::kStep, step));
    counter_.add(hash_address(identity, AddressOp::kAt, event.address));
  }
  for (size_t i = 0; i < events.size(); ++i) {
    Choice& choice = choices_[i];
    uint64_t step = choice.address, identity = choice.hash;
    uint64_t step_hash = hash_address(identity, AddressOp::kStep, step);
    uint64_t at_hash = hash_address(identity, AddressOp::kAt, events[i].address);
    uint32_t steps = counter_[step_hash], ats = counter_[at_hash];
    bool near = magnitude(step) <= kSmallStep;
    if (steps >= kWorthAnAddress && (near ? steps >= ats : steps > 2 * ats)) {
      choice = {.address = step, .hash = step_hash, .op = AddressOp::kStep};
    } else if (ats >= kWorthAnAddress) {
      choice = {.address = events[i].address, .hash = at_hash, .op = AddressOp::kAt};
    } else {
      choice = {.address = step, .hash = hash_address(identity, AddressOp::kFar, 0), .op = AddressOp::kFar};
    }
  }
}

uint64_t& RecordEncoder::site_value(unsigned slot, uint64_t address) {
  if (sites_used_ * 2 >= sites_.size()) grow_sites();
  size_t mask = sites_.size() - 1;
  for (size_t at = site_place(slot, address) & mask;; at = (at + 1) & mask) {
    Site& site = sites_[at];
    if (!site.used) {
      site = {.address = address, .value = 0, .slot = slot, .used = true};
      ++sites_used_;
    }
    if (site.address == address && site.slot == slot) return site.value;
  }
}

void RecordEncoder::grow_sites() {
  std::vector<Site> larger(sites_.size() * 2);
  const size_t mask = larger.size() - 1;
  for (const Site& site : sites_) {
    if (!site.used) continue;
    size_t at = site_place(site.slot, site.address) & mask;
    while (larger[at].used) at = (at + 1) & mask;
    larger[at] = site;
  }
  sites_.swap(larger);
}

void RecordEncoder::count_values(std::span<const Event> events) {
  counter_.reset(events.size() * 2);
  sites_.assign(kFirstTable, Site{});
  sites_used_ = 0;
  uint64_t before = 0, before2 = 0;
  for (size_t i = 0; i < events.size(); ++i) {
    const Event& event = events[i];
    if (has_payload(event.kind)) {
      counter_.add(hash_value(choices_[i].hash, ValueOp::kBlob, event.aux));
      continue;
    }
    Choice& choice = choices_[i];
    counter_.add(hash_value(choice.hash, ValueOp::kConst, event.value));
    counter_.add(hash_value(choice.hash, ValueOp::kBefore, event.value - before));
    counter_.add(hash_value(choice.hash, ValueOp::kBefore2, event.value - before2));
    if (choice.op == AddressOp::kAt) {
      uint64_t& last = site_value(slot_of(static_cast<uint8_t>(event.kind), event.space), event.address);
      choice.site_delta = event.value - last;
      last = event.value;
      counter_.add(hash_value(choice.hash, ValueOp::kSite, choice.site_delta));
    }
    before2 = before;
    before = event.value;
  }
}

void RecordEncoder::choose_values(std::span<const Event> events) {
  record_slots_.assign(kFirstTable, 0);
  record_counts_.clear(), record_hashes_.clear();
  uint64_t before = 0, before2 = 0;
  for (size_t i = 0; i < events.size(); ++i) {
    const Event& event = events[i];
    const Choice& choice = choices_[i];
    Record record{.shape = {.kind = static_cast<uint8_t>(event.kind),
                            .space = event.space,
                            .width = event.width,
                            .flags = event.flags,
                            .aux = event.aux,
                            .address_op = choice.op},
                  .address = choice.op == AddressOp::kFar ? 0 : choice.address};
    if (choice.op == AddressOp::kFar) append_varint(out_.far_steps, zigzag(choice.address));
    uint64_t hash;
    if (has_payload(event.kind)) {
      record.shape.value_op = ValueOp::kBlob;
      hash = hash_value(choice.hash, ValueOp::kBlob, event.aux);
      if (counter_[hash] < kWorthAValue) {
        record.shape.aux = 0;
        record.shape.aux_open = true;
        append_varint(out_.lengths, event.aux);
        hash = hash_value(choice.hash, ValueOp::kBlob, UINT64_MAX);
      }
      out_.ids.push_back(intern(record, hash));
      continue;
    }
    ValueOp op = ValueOp::kConst;
    uint64_t parameter = event.value;
    hash = hash_value(choice.hash, op, parameter);
    uint32_t most = counter_[hash];
    auto consider = [&](ValueOp other, uint64_t value) {
      uint64_t other_hash = hash_value(choice.hash, other, value);
      uint32_t count = counter_[other_hash];
      if (count <= most) return;
      most = count, op = other, parameter = value, hash = other_hash;
    };
    consider(ValueOp::kBefore, event.value - before);
    consider(ValueOp::kBefore2, event.value - before2);
    if (choice.op == AddressOp::kAt) consider(ValueOp::kSite, choice.site_delta);
    if (most < kWorthAValue) {
      op = event.value <= UINT32_MAX ? ValueOp::kLiteral32 : ValueOp::kLiteral64;
      hash = hash_value(choice.hash, op, 0);
      parameter = 0;
      if (op == ValueOp::kLiteral32)
        append_literal(out_.literals32, static_cast<uint32_t>(event.value));
      else
        append_literal(out_.literals64, event.value);
    }
    record.shape.value_op = op;
    record.value = parameter;
    out_.ids.push_back(intern(record, hash));
    before2 = before;
    before = event.value;
  }
}

uint32_t RecordEncoder::intern(const Record& record, uint64_t hash) {
  if (out_.records.size() * 2 >= record_slots_.size()) grow_record_slots();
  size_t mask = record_slots_.size() - 1;
  for (size_t at = record_place(hash) & mask;; at = (at + 1) & mask) {
    uint32_t slot = record_slots_[at];
    if (slot == 0) {
      out_.records.push_back(record);
      record_hashes_.push_back(hash);
      record_counts_.push_back(1);
      record_slots_[at] = static_cast<uint32_t>(out_.records.size());
      return static_cast<uint32_t>(out_.records.size() - 1);
    }
    if (out_.records[slot - 1] == record) {
      ++record_counts_[slot - 1];
      return slot - 1;
    }
  }
}

void RecordEncoder::grow_record_slots() {
  record_slots_.assign(record_slots_.size() * 2, 0);
  const size_t mask = record_slots_.size() - 1;
  for (size_t r = 0; r < record_hashes_.size(); ++r) {
    size_t at = record_place(record_hashes_[r]) & mask;
    while (record_slots_[at] != 0) at = (at + 1) & mask;
    record_slots_[at] = static_cast<uint32_t>(r + 1);
  }
}

// Numbers the records anew: the most frequent first, as they have the shortest numbers; the others by
// address, as their parameters then differ little.
void RecordEncoder::rank_records() {
  std::vector<uint32_t> order(out_.records.size());
  std::iota(order.begin(), order.end(), 0u);
  size_t frequent = std::min<size_t>(order.size(), kShortIds);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(frequent), order.end(),
                    [this](uint32_t a, uint32_t b) {
                      return record_counts_[a] != record_counts_[b] ? record_counts_[a] > record_counts_[b]
                                                                    : a < b;
                    });
  auto by_address = [this](uint32_t a, uint32_t b) {
    const Record &x = out_.records[a], &y = out_.records[b];
    return std::tuple(x.shape.address_op, x.address, x.shape.space, x.shape.kind, x.shape.value_op, x.value,
                      a) < std::tuple(y.shape.address_op, y.address, y.shape.space, y.shape.kind,
                                      y.shape.value_op, y.value, b);
  };
  std::sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(frequent), by_address);
  std::sort(order.begin() + static_cast<std::ptrdiff_t>(frequent), order.end(), by_address);
  std::vector<Record> ranked;
  std::vector<uint32_t> rank(order.size());
  ranked.reserve(order.size());
  for (size_t r = 0; r < order.size(); ++r) {
    rank[order[r]] = static_cast<uint32_t>(r);
    ranked.push_back(out_.records[order[r]]);
  }
  out_.records.swap(ranked);
  out_.id_bytes.clear();
  out_.classes.resize(out_.ids.size());
  std::vector<uint8_t> class_of(out_.records.size());
  for (size_t r = 0; r < class_of.size(); ++r)
    class_of[r] = static_cast<uint8_t>(time_class(out_.records[r].shape));
  for (size_t i = 0; i < out_.ids.size(); ++i) {
    uint32_t id = rank[out_.ids[i]];
    out_.classes[i] = class_of[id];
    if (id < kShortIds) {
      out_.id_bytes.push_back(static_cast<uint8_t>(id));
    } else if (id < kTwoByteIds) {
      uint32_t rest = id - kShortIds;
      append(out_.id_bytes,
             std::array{static_cast<uint8_t>(kShortIds + (rest >> 8)), static_cast<uint8_t>(rest)});
    } else {
      append(out_.id_bytes, std::array{uint8_t{0xff}, static_cast<uint8_t>(id), static_cast<uint8_t>(id >> 8),
                                       static_cast<uint8_t>(id >> 16)});
    }
  }
}

}  // namespace gpuvm::format
