#include "tracer/symbols/symbol_table.h"

#include <algorithm>
#include <charconv>

namespace gpuvm {
namespace {

// kallsyms has no sizes: a function ends where the next symbol begins, but not later than this.
constexpr uint64_t kMaxFunction = 64 << 10;

std::optional<Symbol> parse_line(std::string_view line) {
  Symbol symbol;
  const auto [end, problem] = std::from_chars(line.data(), line.data() + line.size(), symbol.address, 16);
  const auto at = static_cast<size_t>(end - line.data());
  if (problem != std::errc{} || line.size() < at + 4 || line[at] != ' ' || line[at + 2] != ' ')
    return std::nullopt;
  const char type = line[at + 1];
  symbol.text = type == 't' || type == 'T' || type == 'w' || type == 'W';
  std::string_view name = line.substr(at + 3);
  if (const size_t tab = name.find('\t'); tab != std::string_view::npos) {
    const std::string_view module = name.substr(tab + 1);
    name = name.substr(0, tab);
    if (module.size() > 2 && module.front() == '[' && module.back() == ']') {
      symbol.module = module.substr(1, module.size() - 2);
    }
  }
  symbol.name = name;
  return symbol;
}

}  // namespace

Result<SymbolTable> SymbolTable::from_kallsyms(std::string_view text) {
  SymbolTable table;
  bool any_address = false;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (auto symbol = parse_line(text.substr(0, end))) {
      any_address = any_address || symbol->address != 0;
      table.symbols_.push_back(std::move(*symbol));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (table.symbols_.empty()) return error("the kallsyms text has no symbol in it");
  if (!any_address) return error("the kallsyms text has no addresses: it was read without privileges");
  // Of several names for one address the first in the alphabet is taken, whatever the order of the text.
  std::ranges::sort(table.symbols_, [](const Symbol& a, const Symbol& b) {
    return a.address != b.address ? a.address < b.address : a.name < b.name;
  });
  return table;
}

std::optional<SymbolTable::Place> SymbolTable::find(uint64_t address) const {
  const auto after = std::ranges::upper_bound(symbols_, address, {}, &Symbol::address);
  if (after == symbols_.begin()) return std::nullopt;
  const uint64_t start = std::prev(after)->address;
  const auto first = std::ranges::lower_bound(symbols_, start, {}, &Symbol::address);
  const auto function = std::find_if(first, after, [](const Symbol& s) { return s.text; });
  if (function == after) return std::nullopt;
  if (address - start >= kMaxFunction) return std::nullopt;
  return Place{&*function, address - start};
}

std::optional<SymbolTable::Place> SymbolTable::find_caller(uint64_t return_address) const {
  const auto exact = find(return_address);
  if (exact && exact->offset == 0) return std::nullopt;
  return find(return_address - 1);
}

}  // namespace gpuvm
