// Names for kernel addresses, from the kallsyms of the boot that they come from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "traces/core/result.h"

namespace gpuvm {

struct Symbol {
  uint64_t address = 0;
  std::string name;
  std::string module;  // "nouveau"; empty: the kernel proper
  bool text = false;

  friend bool operator==(const Symbol&, const Symbol&) = default;
};

class SymbolTable {
 public:
  // Lines as in /proc/kallsyms: "ffffffffc0a01000 t nvkm_foo\t[nouveau]". Errors: no symbol in it, or all
  // addresses 0 (read without privileges).
  static Result<SymbolTable> from_kallsyms(std::string_view text);

  struct Place {
    const Symbol* symbol;
    uint64_t offset;
  };
  // The function that `address` lies in; nothing if it is not in any that we know.
  std::optional<Place> find(uint64_t address) const;
  // The function that the call before a return address is in; nothing for what cannot be a return address: a
  // word outside all functions, or the start of one (a function pointer).
  std::optional<Place> find_caller(uint64_t return_address) const;
  size_t size() const { return symbols_.size(); }

 private:
  std::vector<Symbol> symbols_;  // by address; not only functions: they bound each other
};

}  // namespace gpuvm
