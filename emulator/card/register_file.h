// BAR0's registers as the register map declares them: storage, reset values and access kinds, with hooks
// where a unit computes or reacts. The card has one; so has each virtual GPU.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "emulator/memory/sparse_array.h"
#include "traces/core/result.h"
#include "traces/regmap/gf100.h"

namespace gpuvm {

struct RegisterWrite {
  unsigned index = 0;   // element of an array register
  uint32_t value = 0;   // as it was written
  uint32_t before = 0;  // what the register held
};

class RegisterFile {
 public:
  // `index`: element of an array register.
  using ReadHook = std::function<uint32_t(unsigned index)>;
  // Replaces the default effect of a write; it stores what should read back with poke().
  using WriteHook = std::function<void(unsigned index, uint32_t value)>;
  // Called after the write has had its effect on the register.
  using WrittenHook = std::function<void(const RegisterWrite& write)>;

  RegisterFile();

  // Of each kind a register has one hook at most: a second is a bug of ours.
  void on_read(gf100::Reg reg, ReadHook hook) { attach(read_hooks_, reg, std::move(hook)); }
  void on_write(gf100::Reg reg, WriteHook hook) { attach(write_hooks_, reg, std::move(hook)); }
  void on_written(gf100::Reg reg, WrittenHook hook) { attach(written_hooks_, reg, std::move(hook)); }

  // width 1, 2, 4 or 8 bytes at any offset of BAR0; narrow writes merge with what is stored.
  uint64_t read(uint64_t offset, unsigned width);
  void write(uint64_t offset, unsigned width, uint64_t value);

  // The stored word, without hooks.
  uint32_t peek(gf100::Reg reg, unsigned index = 0) const { return words_[gf100::offset_of(reg, index) / 4]; }
  void poke(gf100::Reg reg, uint32_t value) { poke(reg, 0, value); }
  void poke(gf100::Reg reg, unsigned index, uint32_t value) { store(gf100::offset_of(reg, index), value); }
  // Sets what reset() restores.
  void set_reset(gf100::Reg reg, unsigned index, uint32_t value);

  void reset();

  // XXH3 over the stored words of registers that do not follow the clock, unknown ones included.
  uint64_t digest() const;

  struct Unknown {
    uint64_t reads = 0;
    uint64_t writes = 0;
  };
  // Accesses to words that the register map does not name, by offset. Answered as plain storage.
  const std::map<uint32_t, Unknown>& unknown() const { return unknown_; }

 private:
  static constexpr size_t kRegisters = static_cast<size_t>(gf100::Reg::kCount);

  template <typename Hook>
  static void attach(std::array<Hook, kRegisters>& hooks, gf100::Reg reg, Hook hook) {
    Hook& slot = hooks[static_cast<size_t>(reg)];
    GPUVM_CHECK(!slot);
    slot = std::move(hook);
  }
  uint32_t read_word(uint32_t offset);
  void write_word(uint32_t offset, uint32_t value);
  void write_register(uint16_t reg, uint32_t offset, uint32_t value);
  void store(uint32_t offset, uint32_t value);
  bool clears_by_one(uint32_t offset) const;
  void count_unknown(uint32_t offset, bool write);

  const gf100::RegisterIndex& index_;
  SparseArray<uint32_t> words_;
  std::vector<uint32_t> touched_;  // pages that were ever stored to
  std::vector<bool> is_touched_;
  std::array<ReadHook, kRegisters> read_hooks_;
  std::array<WriteHook, kRegisters> write_hooks_;
  std::array<WrittenHook, kRegisters> written_hooks_;
  std::map<uint32_t, uint32_t> reset_;  // words whose reset value is not zero
  std::map<uint32_t, Unknown> unknown_;
};

}  // namespace gpuvm
