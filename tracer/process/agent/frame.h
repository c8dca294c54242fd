// The program's registers in a signal frame.
#pragma once

#include <ucontext.h>

#include <cstdint>

#include "tracer/process/agent/state.h"

namespace gpuvm::agent {

inline constexpr int kGregOf[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

class Frame {
 public:
  explicit Frame(ucontext_t* context) : context_(context) {}

  uint64_t gpr(unsigned reg) const {
    return static_cast<uint64_t>(context_->uc_mcontext.gregs[kGregOf[reg & 15]]);
  }
  void set_gpr(unsigned reg, uint64_t value) {
    context_->uc_mcontext.gregs[kGregOf[reg & 15]] = static_cast<greg_t>(value);
  }
  uint64_t rip() const { return static_cast<uint64_t>(context_->uc_mcontext.gregs[REG_RIP]); }
  void set_rip(uint64_t value) { context_->uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(value); }
  uint64_t flags() const { return static_cast<uint64_t>(context_->uc_mcontext.gregs[REG_EFL]); }
  // Only what instructions compute: CF PF AF ZF SF DF OF.
  void set_status_flags(uint64_t value) {
    constexpr uint64_t kStatus = 0xcd5;
    context_->uc_mcontext.gregs[REG_EFL] = static_cast<greg_t>((flags() & ~kStatus) | (value & kStatus));
  }
  bool direction() const { return (flags() & 0x400) != 0; }

  uint8_t* xsave() const { return reinterpret_cast<uint8_t*>(context_->uc_mcontext.fpregs); }
  // Components that the kernel saved, without PKRU and AMX, which no thunk needs.
  uint64_t xsave_mask() const { return *reinterpret_cast<const uint64_t*>(xsave() + 472) & 0xe7; }

  // 64 bytes of a vector register; those that the processor does not have are 0.
  void read_vector(unsigned reg, uint8_t* out) const;
  // The upper bytes go to 0 beyond `bytes`, as VEX and EVEX do.
  void write_vector(unsigned reg, const uint8_t* in, unsigned bytes);
  uint64_t mask_register(unsigned reg) const;
  void set_mask_register(unsigned reg, uint64_t value);

  ucontext_t* context() const { return context_; }

 private:
  uint64_t components() const { return *reinterpret_cast<const uint64_t*>(xsave() + 512); }
  bool has(unsigned component) const { return (components() >> component & 1) != 0; }
  bool saved(unsigned component) const { return (xsave_mask() >> component & 1) != 0; }
  void make(unsigned component, unsigned bytes);
  uint8_t* piece(unsigned reg, unsigned number, unsigned* component, unsigned* bytes) const;

  ucontext_t* context_;
};

}  // namespace gpuvm::agent
