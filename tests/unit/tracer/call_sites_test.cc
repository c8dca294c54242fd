#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tracer/callsites/call_site_sampler.h"
#include "tracer/symbols/call_chains.h"
#include "traces/core/memory_stream.h"

namespace gpuvm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kRegisters[] =
    "RAX=0000000000000000 RBX=ffff888003a40000 RCX=0000000000000000 RDX=0000000000000000\r\n"
    "RSI=0000000000000000 RDI=ffffc90000400000 RBP=ffff888003a40000 RSP=ffffc90000013d58\r\n"
    "RIP=ffffffff81600010 RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=0\r\n";
constexpr char kStack[] =
    "ffffc90000013d58: 0xffffffffc0a01010 0x0000000000000001\r\n"
    "ffffc90000013d68: 0xffff888003a40000 0xffffffff81600000\r\n"
    "ffffc90000013d78: 0xffffffffc0a02020\r\n"
    "Cannot access memory\r\n";
constexpr char kKallsyms[] =
    "ffffffff81600000 T ioread32\n"
    "ffffffff81600100 T iowrite32\n"
    "ffffffffc0a01000 t nvkm_probe\t[nouveau]\n"
    "ffffffffc0a02000 t nvkm_init\t[nouveau]\n"
    "ffffffffc0a03000 d nvkm_data\t[nouveau]\n";

TEST(CallSites, MonitorTextIsRead) {
  const auto position = parse_registers(kRegisters);
  ASSERT_TRUE(position);
  EXPECT_EQ(position->pc, 0xffffffff81600010u);
  EXPECT_EQ(position->stack, 0xffffc90000013d58u);
  EXPECT_FALSE(position->user);
  EXPECT_FALSE(parse_registers("EAX=00000000 ESP=00006d00 EIP=000f1234 CPL=0"));  // firmware
  EXPECT_FALSE(parse_registers(""));
  EXPECT_TRUE(parse_registers("RIP=0000000000401000 RSP=00007ffc00000000 CPL=3")->user);
  EXPECT_THAT(parse_memory_words(kStack),
              ElementsAre(0xffffffffc0a01010, 1, 0xffff888003a40000, 0xffffffff81600000, 0xffffffffc0a02020));
  EXPECT_TRUE(parse_memory_words("Cannot access memory").empty());
  EXPECT_TRUE(parse_memory_words(" 0x").size() <= 1);
}

TEST(CallSites, EachRegisterFirstAndThenByRate) {
  CallSitePolicy policy(4);
  const AccessPlace a = place_of(EventKind::kMmioRead, 0, 0), b = place_of(EventKind::kMmioWrite, 0, 0);
  std::vector<bool> wanted;
  for (const AccessPlace& place : {a, a, b, a, a, b, a, a, a}) wanted.push_back(policy.wants(place));
  EXPECT_THAT(wanted, ElementsAre(true, false, true, true, false, false, false, true, false));
  CallSitePolicy first_only(0);
  EXPECT_TRUE(first_only.wants(a));
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(first_only.wants(a));
}

class Sampler : public testing::Test {
 protected:
  Result<std::string> answer(std::string_view command) {
    ++asked_;
    if (broken_) return error("QEMU has closed the connection");
    if (command == "info registers") return std::string(kRegisters);
    EXPECT_EQ(command, "x /48gx 0xffffc90000013d58");
    return std::string(kStack);
  }
  MemoryTrace trace_;
  Recorder recorder_{&trace_, [] { return uint64_t{5}; }};
  CallSiteSampler sampler_{[this](std::string_view command) { return answer(command); }, recorder_, 0};
  int asked_ = 0;
  bool broken_ = false;
};

TEST_F(Sampler, DefinesAContextOnce) {
  EXPECT_EQ(sampler_.context_of(EventKind::kMmioRead, 0, 0), 1u);
  EXPECT_EQ(sampler_.context_of(EventKind::kMmioRead, 0, 0), 0u);  // not asked again
  EXPECT_EQ(sampler_.context_of(EventKind::kMmioWrite, 0, 0x140), 1u);
  EXPECT_EQ(asked_, 4);
  ASSERT_EQ(trace_.events().size(), 1u);
  const auto record = decode_context(trace_.batch().payload(trace_.events()[0]));
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(record.value().pc, 0xffffffff81600010u);
  EXPECT_THAT(record.value().callers,
              ElementsAre(0xffffffffc0a01010, 0xffffffff81600000, 0xffffffffc0a02020));
}

TEST_F(Sampler, StopsWhenTheMonitorIsGone) {
  broken_ = true;
  EXPECT_EQ(sampler_.context_of(EventKind::kMmioRead, 0, 0), 0u);
  EXPECT_EQ(sampler_.context_of(EventKind::kMmioRead, 0, 0x140), 0u);
  EXPECT_EQ(asked_, 1);
  EXPECT_THAT(sampler_.failure()->message, HasSubstr("closed"));
}

TEST_F(Sampler, ChainsAreNamedAndShareTheAccesses) {
  const uint32_t id = sampler_.context_of(EventKind::kMmioRead, 0, 0);
  for (const uint32_t aux : {id, 0u, 0u}) {
    ASSERT_TRUE(trace_.write({.aux = aux, .kind = EventKind::kMmioRead, .width = 4}).ok());
  }
  ASSERT_TRUE(trace_.write({.address = 0x140, .kind = EventKind::kMmioWrite, .width = 4}).ok());
  const auto symbols = SymbolTable::from_kallsyms(kKallsyms);
  ASSERT_TRUE(symbols.ok());
  MemorySource source(trace_);
  const auto report = collect_call_chains(source, &symbols.value());
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report.value().accesses, 4u);
  EXPECT_EQ(report.value().samples, 1u);
  EXPECT_EQ(report.value().unsampled_accesses, 1u);
  ASSERT_EQ(report.value().chains.size(), 1u);
  EXPECT_EQ(report.value().chains[0].place, "PMC.ID");
  EXPECT_THAT(report.value().chains[0].functions, ElementsAre("nvkm_probe", "nvkm_init"));
  EXPECT_EQ(report.value().chains[0].accesses, 3);
}

TEST(SymbolTable, BoundsAndFunctionPointers) {
  const auto table = SymbolTable::from_kallsyms(kKallsyms);
  ASSERT_TRUE(table.ok());
  const SymbolTable& t = table.value();
  EXPECT_EQ(t.find(0xffffffffc0a01fff)->symbol->name, "nvkm_probe");
  EXPECT_EQ(t.find(0xffffffffc0a01fff)->symbol->module, "nouveau");
  EXPECT_FALSE(t.find(0xffffffffc0a03001));         // data
  EXPECT_FALSE(t.find(0xffffffff81500000));         // below everything
  EXPECT_FALSE(t.find(0xffffffff81700000));         // too far behind the last function
  EXPECT_FALSE(t.find_caller(0xffffffffc0a02000));  // a pointer to a function
  EXPECT_EQ(t.find_caller(0xffffffffc0a02001)->offset, 0u);
  EXPECT_THAT(SymbolTable::from_kallsyms("").error().message, HasSubstr("no symbol"));
  EXPECT_THAT(SymbolTable::from_kallsyms("0000000000000000 T _stext\n").error().message,
              HasSubstr("without privileges"));
  EXPECT_THAT(SymbolTable::from_kallsyms("nonsense\n\nffff\nffff t\nffff t \n").error().message,
              HasSubstr("no symbol"));
}

}  // namespace
}  // namespace gpuvm
