#include "traces/meta.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpuvm {
namespace {

TEST(Meta, SurvivesJson) {
  TraceMeta meta;
  meta.device.vendor = 0x10de;
  meta.device.bars[1] = {.base = 0xe8000000, .size = 128 << 20, .prefetchable = true, .is_64bit = true};
  meta.workload = "copy";
  Result<TraceMeta> back = meta_from_json(to_json(meta));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back.value(), meta);
}

TEST(Meta, WrongTypeIsAnError) {
  EXPECT_FALSE(meta_from_json(R"({"device": 7})").ok());
}

TEST(Meta, NotJsonIsAnError) {
  EXPECT_FALSE(meta_from_json("{").ok());
}

TEST(Meta, IsSmallAndFlat) {
  const auto refusal = [](const std::string& text) {
    const auto meta = meta_from_json(text);
    return meta.ok() ? "" : meta.error().message;
  };
  EXPECT_THAT(refusal(std::string(20000, '[')), testing::HasSubstr("nested more than"));
  EXPECT_THAT(refusal(R"({"x": )" + std::string(17, '[') + std::string(17, ']') + "}"),
              testing::HasSubstr("nested more than"));
  EXPECT_THAT(refusal(R"({"command": ")" + std::string(kMaxMetaBytes, 'x') + "\"}"),
              testing::HasSubstr("longer than"));
  // Brackets in text do not nest.
  EXPECT_EQ(refusal(R"({"command": "\"[[[[[[[[[[[[[[[[[[[[[[[["})"), "");
}

TEST(Meta, WhatIsWrittenCanBeRead) {
  TraceMeta meta;
  for (std::string* text : {&meta.driver, &meta.kernel, &meta.workload, &meta.mode, &meta.command, &meta.tool,
                            &meta.source, &meta.translation, &meta.device.chip}) {
    *text = std::string(2 << 20, '\x01');
  }
  const auto back = meta_from_json(to_json(meta));
  ASSERT_TRUE(back.ok()) << back.error().message;
  EXPECT_TRUE(back.value().command.ends_with(" ..."));
}

TEST(Meta, NamesOfOursAreReserved) {
  for (const char* name : {"meta.json", "import.json", "log-header.txt", "guest.log", "gpu-work.json",
                           "names.txt", "modules.json", "mappings.json"})
    EXPECT_TRUE(is_reserved_attachment(name)) << name;
  for (const char* name : {"dmesg.txt", "kallsyms.txt", "", "meta.jso"})
    EXPECT_FALSE(is_reserved_attachment(name)) << name;
}

}  // namespace
}  // namespace gpuvm
