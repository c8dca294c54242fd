// What becomes of a guest's register write beyond the guest's own register: derived from what kind of address
// the register holds (traces/regmap), and from a table of the registers that do more, or less.
#pragma once

#include <span>

#include "emulator/hypervisor/channel_set.h"
#include "emulator/hypervisor/runlist.h"
#include "emulator/hypervisor/virtual_bar.h"

namespace gpuvm {

// Registers of the card that name the instance block an engine works with. All guests share them.
std::span<const gf100::Reg> engine_pointers();

class RegisterEffects {
 public:
  struct Parts {  // of the guest's GPU
    ChannelSet& channels;
    VirtualBar1& bar1;
    VirtualBar3& bar3;
    Runlist& runlist;       // the card's
    ChannelEvents& events;  // told when the guest's run list is done
  };
  // Attaches itself to the guest's registers, which outlive it.
  RegisterEffects(Guest& owner, RegisterFile& registers, const Parts& parts);

  // The guest's channels stop, and nobody else's.
  void stop_channels();

 private:
  using Effect = void (RegisterEffects::*)(gf100::Reg reg, const RegisterWrite& write);
  static Effect effect_of(gf100::Reg reg);
  static bool raw_in_reference(gf100::Reg reg);
  void hide_foreign_channels();

  // By what the register holds: translated, and written to the card.
  void vram_page8(gf100::Reg reg, const RegisterWrite& write);
  void vram_page12(gf100::Reg reg, const RegisterWrite& write);
  void channel_id(gf100::Reg reg, const RegisterWrite& write);
  void engine_pointer(gf100::Reg reg, const RegisterWrite& write);
  // By what it does.
  void pmc_enable(gf100::Reg reg, const RegisterWrite& write);
  void bar1_instance(gf100::Reg reg, const RegisterWrite& write);
  void bar3_instance(gf100::Reg reg, const RegisterWrite& write);
  void poll_area(gf100::Reg reg, const RegisterWrite& write);
  void run_list(gf100::Reg reg, const RegisterWrite& write);
  void channel_table(gf100::Reg reg, const RegisterWrite& write);
  void channel_state(gf100::Reg reg, const RegisterWrite& write);
  void page_sizes(gf100::Reg reg, const RegisterWrite& write);
  void tlb_flush(gf100::Reg reg, const RegisterWrite& write);
  void fecs_command(gf100::Reg reg, const RegisterWrite& write);

  std::optional<uint64_t> page_of_card(uint64_t guest);
  bool own_channel(uint32_t chid);

  Guest& owner_;
  RegisterFile& registers_;
  Parts parts_;
};

}  // namespace gpuvm
