// What GPUvm's prototype lets a guest do, hole by hole; docs/hypervisor.md says what each means and which
// test shows it. The reference translation opens them all, to measure and to show; the strict one none.
#pragma once

namespace gpuvm {

struct Holes {
  bool unchecked_addresses = false;  // S1, S3: an address is moved to the guest's part, whatever it is
  bool unchecked_entries = false;    // S5, S6: of a page only the beginning is checked, or nothing
  bool structures_anywhere = false;  // S3, S5: a directory, table or instance block may claim any memory
  bool raw_instance_stores =
      false;  // S2: what a guest stores to an instance block goes to the shadow as it is
  bool instance_targets_kept = false;     // S3: the guest's memory target goes with the shadow's address
  bool userd_target_ignored = false;      // S3
  bool shifted_leftovers = false;         // two words of an instance block, which hold no addresses on Fermi
  bool untyped_pages = false;             // S4: a para-virtual page is whatever a call takes it for
  bool handles_tell_addresses = false;    // a para-virtual handle is a page number of the card
  bool bar_target_ignored = false;        // S8
  bool raw_registers = false;             // S9
  bool foreign_channels_in_list = false;  // S10
  bool raw_engine_pointers = false;       // S14: of blocks that no channel is bound to
  bool departed_stay = false;             // S15: memory is not cleared when a guest goes
  bool unbinding_binds = false;           // B2: the block at address 0

  static constexpr Holes none() { return {}; }
  static constexpr Holes all() {
    return {true, true, true, true, true, true, true, true, true, true, true, true, true, true, true};
  }
};

}  // namespace gpuvm
