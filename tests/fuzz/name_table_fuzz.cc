// Any text as a table of names: taken, or refused with a line that says why; what was taken is asked for
// accesses all over the place, with banks that change. An operation is a line.
#include <algorithm>
#include <cstdint>

#include "tests/support/operation_count.h"
#include "traces/regmap/table_namer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gpuvm;
  test::OperationCount::add(std::count(data, data + size, '\n') + 1);
  auto table = parse_name_table({reinterpret_cast<const char*>(data), size}, "names");
  if (!table) {
    GPUVM_CHECK(!table.error().message.empty());
    GPUVM_CHECK(table.error().message.find('\n') == std::string::npos);
    return 0;
  }
  const auto namer = TableNamer::create(std::move(table).value(), nullptr);
  if (!namer) return 0;
  AccessNamer names(*namer.value());
  size_t total = 0;
  for (uint64_t offset = 0, step = 1; offset < uint64_t{1} << 33; offset += step, step += step / 2 + 1) {
    for (const uint8_t space : {uint8_t{0}, uint8_t{1}, uint8_t{5}, kNoBar}) {
      for (const EventKind kind : {EventKind::kMmioWrite, EventKind::kConfigWrite}) {
        const Event event{.address = offset,
                          .value = offset * 0x10000 + step,
                          .kind = kind,
                          .space = space,
                          .width = static_cast<uint8_t>(1u << (offset & 3))};
        names.observe(event);
        total += names.name(event).name.size() + names.decode(event).size();
      }
    }
  }
  GPUVM_CHECK(total < size_t{1} << 30);
  return 0;
}
