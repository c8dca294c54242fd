// Events to records: finds, in one chunk, the few records that describe most of its events.
#pragma once

#include <span>
#include <vector>

#include "traces/format/record.h"

namespace gpuvm::format {

// Everything about a chunk's events but their times and payload bytes.
struct RecordedEvents {
  std::vector<Record> records;
  std::vector<uint32_t> ids;      // of each event
  std::vector<uint8_t> classes;   // time_class() of each event
  Buffer id_bytes;                // ids as bytes
  Buffer far_steps;               // of kFar, varints
  Buffer literals32, literals64;  // of kLiteral32 and kLiteral64, little-endian
  Buffer lengths;                 // of aux_open, varints
};

class RecordEncoder {
 public:
  // The result is valid until the next call.
  const RecordedEvents& encode(std::span<const Event> events);

 private:
  struct Choice {
    uint64_t address = 0;  // parameter
    uint64_t hash = 0;     // of what is decided so far
    uint64_t site_delta = 0;
    AddressOp op = AddressOp::kStep;
  };
  // Counts how often a hash was seen, up to 65,535 times. Two that collide count together, which costs
  // compression, not correctness.
  class Counter {
   public:
    void reset(size_t events);
    void add(uint64_t hash) {
      uint16_t& count = counts_[hash >> shift_];
      count = static_cast<uint16_t>(count + (count != UINT16_MAX));
    }
    uint32_t operator[](uint64_t hash) const { return counts_[hash >> shift_]; }

   private:
    std::vector<uint16_t> counts_;  // small, as most of the time goes into waiting for it
    unsigned shift_ = 64;
  };

  void choose_addresses(std::span<const Event> events);
  void count_values(std::span<const Event> events);
  void choose_values(std::span<const Event> events);
  uint32_t intern(const Record& record, uint64_t hash);
  uint64_t& site_value(unsigned slot, uint64_t address);
  void grow_sites();
  void grow_record_slots();
  void rank_records();

  RecordedEvents out_;
  Counter counter_;
  std::vector<Choice> choices_;
  std::vector<uint32_t> record_slots_;  // hash table: index into out_.records + 1
  std::vector<uint64_t> record_hashes_;
  std::vector<uint32_t> record_counts_;
  struct Site {
    uint64_t address = 0;
    uint64_t value = 0;
    unsigned slot = 0;
    bool used = false;
  };
  std::vector<Site> sites_;  // hash table
  size_t sites_used_ = 0;
};

}  // namespace gpuvm::format
