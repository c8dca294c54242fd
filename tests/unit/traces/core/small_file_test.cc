// Files that are read as a whole, up to a limit.
#include "traces/core/small_file.h"

#include "tests/unit/traces/format/test_events.h"

namespace gpuvm {
namespace {

using namespace gpuvm::testing;

TEST(SmallFile, IsReadUpToAByteBehindTheLimit) {
  for (const size_t most : {0, 10, 65535, 65536, 200'000}) {
    for (const size_t bytes : {most / 2, most, most + 1, most + 100'000}) {
      TempFile file;
      std::string text(bytes, 'x');
      if (bytes != 0) text.back() = 'y';
      spill(file.path(), text);
      const auto read = read_small_file(file.path(), most);
      ASSERT_TRUE(read.ok()) << read.error().message;
      EXPECT_EQ(read.value(), text.substr(0, most + 1)) << most << " " << bytes;
    }
  }
}

TEST(SmallFile, WhatCannotBeReadIsNamed) {
  TempFile file;
  const auto absent = read_small_file(file.sibling("absent"), 10);
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().message, file.sibling("absent") + ": No such file or directory");
  const auto folder = read_small_file("/", 10);
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.error().message, "/: Is a directory");
}

}  // namespace
}  // namespace gpuvm
