// A contention, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "emulator/scheduler/contention.h"

namespace gpuvm {

// What can be changed in recorded programs before they contend.
struct ProgramChanges {
  uint64_t launch_ns = 0;     // every launch takes so long; 0: as recorded
  double guest_speed = 1;     // the guests' own time is divided by it
  bool every_waits = false;   // every launch waits for the one before, whatever the recording shows
  bool without_boot = false;  // machines start at their first launch
};
MachineProgram changed(MachineProgram program, const ProgramChanges& changes);

struct SchedulingRun {
  SchedulerOptions scheduler;  // checked()
  std::vector<MachineProgram> programs;
  ContentionResult result;
};

// Windows of 100 ms in which all machines were there: from the last one's start to the first one's end.
struct SharedTime {
  size_t from = 0, to = 0;  // to <= from: there is none
};
SharedTime shared_time(const SchedulingRun& run);
// The least of the machines' parts of the shared time by the greatest, by weight; -1 if there is no such
// time.
double fairness(const SchedulingRun& run);

nlohmann::json to_json(const SchedulingRun& run);
// Each machine's part of the card, a row for so many windows of 100 ms; rows beyond the first 20,000 windows
// are left out.
inline constexpr size_t kHalfASecond = 5, kSecond = 10;
nlohmann::json utilisation_of(const SchedulingRun& run, size_t windows);
// to_json() with the utilisation by 100 and by 500 ms.
nlohmann::json to_json_with_utilisation(const SchedulingRun& run);
std::vector<std::string> lines_of(const SchedulingRun& run);

}  // namespace gpuvm
