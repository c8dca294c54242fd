#include "emulator/hypervisor/router.h"

#include <algorithm>
#include <array>

namespace gpuvm {
namespace {

using gf100::Reg;

struct Exception {
  Reg reg;
  Route route;
};
// Registers whose write does more than hold an address, or less.
constexpr std::array kExceptions{
    Exception{Reg::kPmcEnable, Route::kPmcEnable},          // engine resets: the guest's own channels only
    Exception{Reg::kPbusHostMem, Route::kLocal},            // applied when PRAMIN is accessed
    Exception{Reg::kPbusBar1, Route::kBar1},                //
    Exception{Reg::kPbusBar3, Route::kBar3},                //
    Exception{Reg::kPfifoBar1Base, Route::kPollArea},       // the card's is fixed
    Exception{Reg::kPfifoPlaylist, Route::kLocal},          // read when the length is written
    Exception{Reg::kPfifoPlaylistLen, Route::kRunlist},     //
    Exception{Reg::kPfifoChan, Route::kChannelBind},        //
    Exception{Reg::kPfifoChanState, Route::kChannelState},  //
    Exception{Reg::kPffbSysmemFlush, Route::kLocal},  // one scratch page for the card; it is not a guest's
    Exception{Reg::kPffbVmCfg, Route::kGeometry},     // bit 31 would switch translation off
    Exception{Reg::kPffbVmPd, Route::kLocal},         // read when the flush is triggered
    Exception{Reg::kPffbVmFlush, Route::kTlbFlush},   //
    Exception{Reg::kFecsWrcmdData, Route::kLocal},    // held until the command, and then written with it
    Exception{Reg::kFecsWrcmd, Route::kFecsCommand},  //
};

constexpr std::array kEnginePointers{Reg::kFecsWrcmdData, Reg::kFecsChanCur,    Reg::kFecsChanNext,
                                     Reg::kPcopy0ChanCur, Reg::kPcopy0ChanNext, Reg::kPcopy1ChanCur,
                                     Reg::kPcopy1ChanNext};

constexpr Route by_holding(Holds holds) {
  switch (holds) {
    case Holds::kInstancePage:
      return Route::kInstance;
    case Holds::kVramPage12:
      return Route::kVramPage12;
    case Holds::kVramPage8:
      return Route::kVramPage8;
    case Holds::kChannelId:
      return Route::kChannelNumber;
    // Windows, BAR1 addresses and system pages mean something only together with what uses them.
    case Holds::kWindowPage16:
    case Holds::kBar1Page12:
    case Holds::kSystemPage8:
    case Holds::kTablePage8:
    case Holds::kNothing:
      break;
  }
  return Route::kLocal;
}

// Kept per guest even by GPUvm, or without effect on the card.
constexpr std::array kNeverRaw{
    Reg::kPtimerTimeLow,
    Reg::kPtimerTimeHigh,
    Reg::kPtimerClockDiv,
    Reg::kPtimerClockMul,
    Reg::kProm,
    Reg::kPramin,
    Reg::kPfifoIntr,
    Reg::kPfifoEngineIntr,
    Reg::kPfifoRunlistIntr,
    Reg::kPfifoVmFaultSource,
    Reg::kPmcIntr,
    Reg::kFecsScratch,
};

}  // namespace

Route route_of(Reg reg) {
  const auto exception = std::ranges::find(kExceptions, reg, &Exception::reg);
  if (exception != kExceptions.end()) return exception->route;
  const Register& r = gf100::describe(reg);
  return r.access == Access::kReadOnly ? Route::kLocal : by_holding(r.holds);
}

std::span<const Reg> engine_pointers() {
  return kEnginePointers;
}

bool raw_in_reference(Reg reg) {
  if (std::ranges::find(kNeverRaw, reg) != kNeverRaw.end()) return false;
  const Route route = route_of(reg);
  if (reg == Reg::kPmcEnable || reg == Reg::kPffbVmCfg || reg == Reg::kPffbSysmemFlush) return true;
  const Register& r = gf100::describe(reg);
  return route == Route::kLocal && r.holds == Holds::kNothing && r.access != Access::kReadOnly;
}

}  // namespace gpuvm
