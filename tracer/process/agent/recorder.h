// Records into the shared ring. begin() ... end() hold the lock that makes the order of accesses, in all
// threads and processes of the tree; the access itself stands between them.
#pragma once

#include "tracer/process/agent/state.h"

namespace gpuvm::agent {

// Takes the lock with room for a record of `data_bytes`. False: hold the lock, but record nothing.
bool begin_order(size_t data_bytes);
// Completes the record (size, ids, time) and appends it with its data.
void append_record(Record record, const void* data, size_t bytes, const void* more = nullptr,
                   size_t more_bytes = 0);
void end_order();

// begin, append, end.
void record_now(const Record& record, const void* data, size_t bytes, const void* more = nullptr,
                size_t more_bytes = 0);
// One line for the user.
void note(const char* text, const char* more = "", const char* rest = "");
void note_number(const char* text, uint64_t number, const char* rest = "");

}  // namespace gpuvm::agent
