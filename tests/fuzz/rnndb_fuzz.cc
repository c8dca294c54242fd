// Any bytes as a register database: loaded, resolved with and without a chip, asked for names and meanings,
// without a crash, a large allocation or a look-up without end. An operation is a tag.
#include <algorithm>
#include <cstdint>
#include <string>

#include "tests/support/operation_cost.h"
#include "tests/support/operation_count.h"
#include "traces/regmap/rnndb.h"

// Whatever the text is, it unfolds to no more than a fixed budget, for each of the chips that are asked for.
constexpr gpuvm::test::CostLimit kDatabase{
    .once_us = 3'000'000, .each_us = 1000, .once_kib = 1 << 20, .each_kib = 64};

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gpuvm;
  const uint64_t tags = std::count(data, data + size, '<');
  test::OperationCount::add(tags);
  const test::OperationCost cost;
  const auto database =
      rnn::load_text({{"root.xml", std::string(reinterpret_cast<const char*>(data), size)}}, "root.xml");
  if (!database) return 0;
  for (const std::optional<uint32_t> chip :
       {std::optional<uint32_t>(), std::optional<uint32_t>(0xc0), std::optional<uint32_t>(0xfff)}) {
    const auto namer = RnndbNamer::create(database.value(), chip);
    if (!namer) continue;
    std::string text;
    for (uint64_t offset = 0, step = 1; offset < uint64_t{1} << 40; offset += step, step += step / 2 + 1) {
      const RegisterHit hit = namer.value()->find(offset);
      namer.value()->decode(hit, 0x8123456789abcdef >> (offset % 3 * 16), &text);
      if (text.size() > 1 << 20) text.clear();
    }
    namer.value()->find(~uint64_t{0});
  }
  cost.require_within(kDatabase, tags);
  return 0;
}
