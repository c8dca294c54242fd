#include "tracer/callsites/call_site_sampler.h"

#include <charconv>

namespace gpuvm {
namespace {

constexpr unsigned kStackWords = 48;  // 24 end a chain in the middle of the driver too often
constexpr size_t kMaxContexts = 1 << 16;
constexpr uint64_t kKernelText = 0xffffffff80000000;
constexpr uint64_t kModulesEnd = 0xffffffffff000000;

std::optional<uint64_t> hex_after(std::string_view text, std::string_view key) {
  const size_t at = text.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  uint64_t value = 0;
  const char* begin = text.data() + at + key.size();
  const auto [end, problem] = std::from_chars(begin, text.data() + text.size(), value, 16);
  if (problem != std::errc{} || end == begin) return std::nullopt;
  return value;
}

}  // namespace

bool CallSitePolicy::wants(const AccessPlace& place) {
  bool wanted = seen_.size() < kMaxPlaces && seen_.insert(place).second;
  if (rate_ != 0 && ++since_ >= rate_) {
    since_ = 0;
    wanted = true;
  }
  return wanted;
}

std::optional<CpuPosition> parse_registers(const std::string& text) {
  const auto pc = hex_after(text, "RIP="), stack = hex_after(text, "RSP="), level = hex_after(text, "CPL=");
  if (!pc || !stack) return std::nullopt;
  return CpuPosition{*pc, *stack, level == 3};
}

std::vector<uint64_t> parse_memory_words(const std::string& text) {
  // "ffffc90000013d58: 0xffffffffc0a01234 0x0000000000000001"; an address that cannot be read ends the list.
  std::vector<uint64_t> words;
  std::string_view rest = text;
  while (true) {
    const size_t at = rest.find(" 0x");
    if (at == std::string_view::npos) return words;
    rest.remove_prefix(at);
    words.push_back(hex_after(rest, " 0x").value_or(0));
    rest.remove_prefix(3);
  }
}

bool may_be_kernel_text(uint64_t address) {
  return address >= kKernelText && address < kModulesEnd;
}

Result<std::optional<ContextRecord>> CallSiteSampler::ask() {
  using Answer = Result<std::optional<ContextRecord>>;
  GPUVM_TRY(const std::string registers, monitor_("info registers"));
  const auto position = parse_registers(registers);
  if (!position) return Answer(std::nullopt);
  ContextRecord record{.pc = position->pc};
  if (position->user) {
    record.label = "user";
    return Answer(std::move(record));
  }
  GPUVM_TRY(const std::string words, monitor_(fmt::format("x /{}gx {:#x}", kStackWords, position->stack)));
  for (const uint64_t word : parse_memory_words(words)) {
    if (may_be_kernel_text(word)) record.callers.push_back(word);
  }
  return Answer(std::move(record));
}

uint32_t CallSiteSampler::context_of(EventKind kind, unsigned bar, uint64_t offset) {
  if (failure_ || !policy_.wants(place_of(kind, bar, offset))) return 0;
  const auto record = who();
  if (!record) return 0;
  ++samples_;
  return id_of(*record);
}

std::optional<ContextRecord> CallSiteSampler::who() {
  if (failure_) return std::nullopt;
  auto record = ask();
  if (record) return std::move(record).value();
  failure_ = record.error();
  return std::nullopt;
}

uint32_t CallSiteSampler::id_of(const ContextRecord& record) {
  std::string bytes = encode_context(record);
  if (const auto known = ids_.find(bytes); known != ids_.end()) return known->second;
  if (ids_.size() >= kMaxContexts)
    ids_.clear();  // ids start again: a later definition replaces an earlier one
  const auto id = static_cast<uint32_t>(ids_.size() + 1);
  recorder_.write({.address = id, .kind = EventKind::kContext}, as_bytes(bytes));
  ids_.emplace(std::move(bytes), id);
  return id;
}

}  // namespace gpuvm
