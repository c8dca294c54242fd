#include "analysis/report/report.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <regex>

#include "analysis/report/charts.h"
#include "analysis/report/markup.h"
#include "analysis/report/sha256.h"
#include "tests/unit/analysis/synthetic_run.h"

namespace gpuvm {
namespace {

using report::escape;

// GPUVM_REPORT_PREVIEW=DIR keeps the pages, to be looked at.
std::string kept(const char* name, std::string html) {
  if (const char* directory = std::getenv("GPUVM_REPORT_PREVIEW")) {
    std::ofstream(std::string(directory) + "/" + name) << html;
  }
  return html;
}

size_t count(const std::string& text, const std::string& what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

std::string between(const std::string& text, const std::string& from, const std::string& to) {
  const size_t start = text.find(from);
  EXPECT_NE(start, std::string::npos) << from;
  if (start == std::string::npos) return "";
  return text.substr(start + from.size(), text.find(to, start) - start - from.size());
}

// Every tag that is opened is closed, in order.
void expect_balanced(const std::string& html) {
  static const std::regex kTag("<(/?)([a-z0-9]+)[^>]*>");
  std::string body = html;
  for (const char* tag : {"style", "script"}) {
    const std::string content = between(body, std::string("<") + tag + ">", std::string("</") + tag + ">");
    body.replace(body.find(content), content.size(), "");
  }
  std::vector<std::string> open;
  for (std::sregex_iterator at(body.begin(), body.end(), kTag), end; at != end; ++at) {
    const std::string tag = (*at)[2];
    if (tag == "meta" || tag == "input" || tag == "br") continue;
    if ((*at)[1].length() == 0) {
      open.push_back(tag);
    } else {
      ASSERT_FALSE(open.empty()) << "at " << at->position();
      ASSERT_EQ(open.back(), tag) << "at " << at->position();
      open.pop_back();
    }
  }
  EXPECT_TRUE(open.empty());
}

TEST(Escape, NothingGetsOut) {
  EXPECT_EQ(escape("<a href=\"x\" onload='y'>&"), "&lt;a href=&quot;x&quot; onload=&#39;y&#39;&gt;&amp;");
  EXPECT_EQ(escape(std::string_view("a\0b\x1b", 4)), "a\uFFFDb\uFFFD");
  EXPECT_EQ(escape("caf\u00e9 \u2026"), "caf\u00e9 \u2026");
  EXPECT_EQ(escape("\xc3("), "\uFFFD(");
  EXPECT_EQ(escape("\xff\xfe"), "\uFFFD\uFFFD");
  EXPECT_EQ(escape("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");        // a surrogate
  EXPECT_EQ(escape("\xc0\xbc"), "\uFFFD\uFFFD");                  // '<', overlong
  EXPECT_EQ(escape("\u202e").find("\u202e"), std::string::npos);  // right-to-left override
  EXPECT_EQ(escape(std::string(1000, 'x')).size(), 400 + std::string("…").size());
}

TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(report::csp_hash(""), "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='");
  EXPECT_EQ(report::csp_hash("abc"), "'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='");
  EXPECT_EQ(report::csp_hash(std::string(64, 'a')), "'sha256-/+BU/nrgy23GXDr5th1SCfQ5hR20PQulmXM33xVGaOs='");
}

TEST(Charts, BarsShowWhatExists) {
  const std::string bar =
      report::stacked_bar({{1, "f0", "one"}, {0, "f1", "none"}, {999'999, "f3", "rest"}}, 1'000'000, "x")
          .html();
  EXPECT_EQ(count(bar, "<rect"), 2u);
  EXPECT_NE(bar.find("width=\"2\""), std::string::npos);
  EXPECT_EQ(report::decade_above(447'394), 1e6);
  EXPECT_EQ(report::log_position(1000, 1e6), 0.5);
  EXPECT_EQ(report::log_position(0, 1e6), 0);
}

TEST(Report, FullPage) {
  const std::string html = kept("full.html", render_report({.traces = {test::synthetic_trace()},
                                                            .replay = test::synthetic_replay(),
                                                            .no_replay_reason = {},
                                                            .tool = "gpuvm test"}));
  expect_balanced(html);
  for (const char* id : {"traps", "phases", "shadow", "cost", "correctness", "trace0"}) {
    EXPECT_NE(html.find("<section id=\"" + std::string(id) + "\">"), std::string::npos) << id;
  }
  EXPECT_NE(html.find("All 8 modes are faithful."), std::string::npos);
  const std::string traps = between(html, "<section id=\"traps\">", "</section>");
  EXPECT_EQ(count(traps, "<tr>"), 9u);
  EXPECT_EQ(count(traps, "<svg"), 16u);                         // linear and logarithmic, of each mode
  EXPECT_EQ(count(traps, "aria-label"), count(traps, "<svg"));  // none without words
  // One phase had grids.
  const std::string shaders = between(html, "What the shader cores did", "</section>");
  EXPECT_EQ(count(shaders, "<tr>"), 2u);
  EXPECT_NE(shaders.find("1,234,567"), std::string::npos);
  const std::string correctness = between(html, "<section id=\"correctness\">", "</section>");
  EXPECT_NE(correctness.find("No divergence."), std::string::npos);
  EXPECT_EQ(count(correctness, "faithful"), 8u);
}

TEST(Report, IsSelfContainedAndItsPolicyMatches) {
  const std::string html = render_report({.traces = {test::synthetic_trace()},
                                          .replay = test::synthetic_replay(),
                                          .no_replay_reason = {},
                                          .tool = {}});
  for (const char* loader : {"src=", "href=", "url(", "@import", "http://", "https://", "fetch(", " style=\"",
                             "innerHTML", "onclick"}) {
    EXPECT_EQ(html.find(loader), std::string::npos) << loader;
  }
  std::string policy = between(html, "Content-Security-Policy\" content=\"", "\"");
  policy = std::regex_replace(policy, std::regex("&#39;"), "'");
  EXPECT_TRUE(policy.starts_with("default-src 'none';"));
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  EXPECT_NE(policy.find("style-src " + report::csp_hash(between(html, "<style>", "</style>"))),
            std::string::npos);
  EXPECT_NE(policy.find("script-src " + report::csp_hash(between(html, "<script>", "</script>"))),
            std::string::npos);
}

TEST(Report, DivergencesAreOnTheFirstLineAndInATable) {
  const std::string html = kept("diverging.html", render_report({.traces = {test::synthetic_trace()},
                                                                 .replay = test::diverging_replay(),
                                                                 .no_replay_reason = {},
                                                                 .tool = {}}));
  expect_balanced(html);
  EXPECT_NE(html.find("1 of 8 modes diverge: lazy."), std::string::npos);
  const std::string correctness = between(html, "<section id=\"correctness\">", "</section>");
  EXPECT_NE(correctness.find("PGRAPH.STATUS"), std::string::npos);
  EXPECT_NE(correctness.find("GPU address 0x2008c"), std::string::npos);
  EXPECT_NE(correctness.find("{ BUSY | ICMD_BUSY }"), std::string::npos);
  EXPECT_EQ(correctness.find("No divergence"), std::string::npos);
}

TEST(Report, WithoutReplaySaysSo) {
  const std::string html = kept("plain.html", render_report({.traces = {test::synthetic_trace()},
                                                             .replay = std::nullopt,
                                                             .no_replay_reason = "it is of another chip",
                                                             .tool = {}}));
  expect_balanced(html);
  EXPECT_NE(html.find("No replay was run."), std::string::npos);
  EXPECT_NE(html.find("it is of another chip"), std::string::npos);
  EXPECT_EQ(html.find("<section id=\"traps\">"), std::string::npos);
}

TEST(Report, IncompleteRecordingIsSaid) {
  ReportTrace trace = test::synthetic_trace();
  trace.complete = false;
  trace.problem = "cut at byte 4711";
  trace.facts.lost_events = 1234;
  const std::string html =
      render_report({.traces = {trace}, .replay = std::nullopt, .no_replay_reason = {}, .tool = {}});
  EXPECT_NE(html.find("The recording is not complete."), std::string::npos);
  EXPECT_NE(html.find("cut at byte 4711"), std::string::npos);
  EXPECT_NE(html.find("1,234 events were lost"), std::string::npos);
}

TEST(Report, HostileStringsStayText) {
  const std::string evil = "</script><script>alert(1)</script>\"'><img src=x onerror=y>\x1b]0;x\x07\xff";
  ReportTrace trace = test::synthetic_trace();
  trace.path = trace.problem = trace.meta.driver = trace.meta.kernel = trace.meta.workload =
      trace.meta.command = evil;
  trace.meta.mode = trace.meta.tool = trace.meta.source = trace.meta.device.chip = evil;
  trace.complete = false;
  for (PhaseSummary& phase : trace.facts.phases) phase.name = evil;
  for (GroupSummary& group : trace.facts.groups) group.group.name = group.group.unit = evil;
  trace.facts.units = {{evil, {1, 2}}};
  trace.facts.call_sites = {{evil, 3}};
  ReplayResult replay = test::diverging_replay();
  replay.traces = {evil, evil};
  for (ModeResult& mode : replay.modes) {
    mode.mode = evil;
    mode.hypercalls = {{evil, 5}};
    for (PhaseResult& phase : mode.phases) phase.name = evil;
  }
  for (Divergence& d : replay.divergences) d.mode = d.what = d.register_name = evil;
  const std::string html = kept(
      "hostile.html",
      render_report({.traces = {trace, trace}, .replay = replay, .no_replay_reason = evil, .tool = evil}));
  expect_balanced(html);
  EXPECT_EQ(count(html, "<script>"), 1u);
  EXPECT_EQ(html.find("<img"), std::string::npos);
  EXPECT_EQ(html.find('\x1b'), std::string::npos);
}

TEST(Report, HostileSizesAreBounded) {
  ReportTrace trace = test::synthetic_trace();
  trace.meta.command = std::string(1u << 20, 'x');
  trace.facts.groups.assign(100'000, trace.facts.groups[0]);
  trace.facts.phases.assign(kMaxPhases, trace.facts.phases[0]);
  for (int i = 0; i < 10'000; ++i) trace.facts.units[std::to_string(i)] = {1, 1};
  ReplayResult replay = test::synthetic_replay();
  for (ModeResult& mode : replay.modes) {
    mode.phases.resize(10'000);
    for (uint32_t i = 0; i < 10'000; ++i) mode.unknown_registers[i] = i;
  }
  replay.divergences.resize(10'000);
  EXPECT_LT(render_report({.traces = {trace}, .replay = replay, .no_replay_reason = {}, .tool = {}}).size(),
            400'000u);
}

TEST(Report, NothingAtAll) {
  expect_balanced(render_report({}));
  ReportInput input;
  input.traces.resize(1);
  expect_balanced(render_report(input));
  input.replay = ReplayResult{};
  expect_balanced(render_report(input));
  input.replay->modes.resize(1);
  expect_balanced(render_report(input));
}

TEST(Report, SeveralVirtualMachinesHaveASectionEach) {
  ReplayResult replay = test::synthetic_replay();
  replay.traces = {"a.gvt", "b.gvt"};
  for (ModeResult& mode : replay.modes) mode.vms = {mode, mode};
  const std::string html =
      kept("vms.html", render_report({.traces = {test::synthetic_trace(), test::synthetic_trace()},
                                      .replay = replay,
                                      .no_replay_reason = {},
                                      .tool = {}}));
  expect_balanced(html);
  EXPECT_NE(html.find("2 virtual machines on one card"), std::string::npos);
  EXPECT_NE(html.find("<section id=\"trace1\">"), std::string::npos);
  EXPECT_NE(html.find("By virtual machine"), std::string::npos);
}

}  // namespace
}  // namespace gpuvm
