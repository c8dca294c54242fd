#include "emulator/card/register_file.h"

#include <gtest/gtest.h>

namespace gpuvm {
namespace {

using gf100::Reg;

TEST(RegisterFile, AWrittenHookSeesWhatTheRegisterHeld) {
  RegisterFile file;
  std::vector<RegisterWrite> seen;
  file.on_written(Reg::kPfifoEngineIntr, [&](const RegisterWrite& write) { seen.push_back(write); });
  file.poke(Reg::kPfifoEngineIntr, 3, 0xf0);
  file.write(gf100::offset_of(Reg::kPfifoEngineIntr, 3), 4, 0x30);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].index, 3u);
  EXPECT_EQ(seen[0].value, 0x30u);
  EXPECT_EQ(seen[0].before, 0xf0u);
  EXPECT_EQ(file.peek(Reg::kPfifoEngineIntr, 3), 0xc0u)
      << "the hook follows the effect, it does not replace it";
}

TEST(RegisterFileDeathTest, ASecondHookOfAKindIsRefused) {
  RegisterFile file;
  file.on_read(Reg::kPmcId, [](unsigned) { return 1u; });
  file.on_write(Reg::kPmcId, [](unsigned, uint32_t) {});
  file.on_written(Reg::kPmcId, [](const RegisterWrite&) {});
  EXPECT_DEATH(file.on_read(Reg::kPmcId, [](unsigned) { return 2u; }), "slot");
  EXPECT_DEATH(file.on_write(Reg::kPmcId, [](unsigned, uint32_t) {}), "slot");
  EXPECT_DEATH(file.on_written(Reg::kPmcId, [](const RegisterWrite&) {}), "slot");
}

}  // namespace
}  // namespace gpuvm
