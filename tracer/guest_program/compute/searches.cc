// nw, bfs and nn, after the Rodinia benchmarks of these names: an alignment, a breadth-first search, the
// nearest neighbours.
#include <algorithm>

#include "tracer/guest_program/compute/workloads.h"

namespace gpuvm::guest {
namespace {

constexpr uint32_t kLength = 96, kGroup = 64;
constexpr uint32_t kNodes = 4096, kEdges = 4, kNoLevel = 0xffffffff;
constexpr uint32_t kPlaces = 4096, kNearest = 5;

// One anti-diagonal of the table of scores.
constexpr std::string_view kAlignment = R"(
layout(local_size_x = 64) in;
layout(std430, binding = 0) readonly buffer First { uint first[]; };
layout(std430, binding = 1) readonly buffer Second { uint second[]; };
layout(std430, binding = 2) buffer Score { int score[]; };
uniform uint n;
uniform uint diagonal;
void main() {
  uint lowest = diagonal > n ? diagonal - n : 1u;
  uint highest = min(diagonal - 1u, n);
  uint row = lowest + gl_GlobalInvocationID.x;
  if (row > highest) return;
  uint column = diagonal - row, width = n + 1u;
  int same = first[row - 1u] == second[column - 1u] ? 3 : -2;
  int best = score[(row - 1u) * width + column - 1u] + same;
  best = max(best, score[(row - 1u) * width + column] - 4);
  score[row * width + column] = max(best, score[row * width + column - 1u] - 4);
}
)";

constexpr std::string_view kSearch = R"(
layout(local_size_x = 64) in;
layout(std430, binding = 0) readonly buffer Edge { uint edge[]; };
layout(std430, binding = 1) buffer Level { uint level[]; };
layout(std430, binding = 2) buffer Found { uint found; };
uniform uint depth;
void main() {
  uint node = gl_GlobalInvocationID.x;
  if (level[node] != depth) return;
  for (uint i = 0u; i < 4u; ++i) {
    if (atomicCompSwap(level[edge[node * 4u + i]], 0xffffffffu, depth + 1u) == 0xffffffffu) atomicAdd(found, 1u);
  }
}
)";

constexpr std::string_view kDistances = R"(
layout(local_size_x = 64) in;
layout(std430, binding = 0) readonly buffer Place { vec2 place[]; };
layout(std430, binding = 1) writeonly buffer Distance { float distance_of[]; };
void main() {
  uint i = gl_GlobalInvocationID.x;
  vec2 d = place[i] - vec2(0.25, 0.75);
  distance_of[i] = sqrt(fma(d.x, d.x, d.y * d.y));
}
)";

std::vector<uint32_t> letters(uint32_t seed) {
  Numbers numbers(seed);
  std::vector<uint32_t> out(kLength);
  for (uint32_t& letter : out) letter = numbers.below(4);
  return out;
}

std::vector<uint32_t> first_scores() {
  constexpr uint32_t kWidth = kLength + 1;
  std::vector<uint32_t> scores(size_t{kWidth} * kWidth);
  for (uint32_t i = 0; i < kWidth; ++i) {
    scores[i] = static_cast<uint32_t>(-4 * static_cast<int32_t>(i));
    scores[size_t{i} * kWidth] = scores[i];
  }
  return scores;
}

std::vector<uint32_t> aligned(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  constexpr uint32_t kWidth = kLength + 1;
  std::vector<uint32_t> scores = first_scores();
  const auto score = [&](uint32_t row, uint32_t column) {
    return static_cast<int32_t>(scores[size_t{row} * kWidth + column]);
  };
  for (uint32_t row = 1; row <= kLength; ++row) {
    for (uint32_t column = 1; column <= kLength; ++column) {
      const int32_t same = a[row - 1] == b[column - 1] ? 3 : -2;
      scores[size_t{row} * kWidth + column] = static_cast<uint32_t>(std::max(
          {score(row - 1, column - 1) + same, score(row - 1, column) - 4, score(row, column - 1) - 4}));
    }
  }
  return scores;
}

}  // namespace

Result<std::string> run_nw(Gl& gl, Session& session) {
  GPUVM_TRY(const ComputeProgram program, ComputeProgram::compile(gl, kAlignment));
  const std::vector<uint32_t> a = letters(6), b = letters(7);
  GPUVM_TRY_STATUS(session.phase("HtoD"));
  const WordBuffer first(gl, a), second(gl, b), scores(gl, first_scores());
  gl.Finish();
  GPUVM_TRY_STATUS(session.phase("launch"));
  const WordBuffer* buffers[] = {&first, &second, &scores};
  for (uint32_t diagonal = 2; diagonal <= 2 * kLength; ++diagonal) {
    program.dispatch(buffers, {{"n", kLength}, {"diagonal", diagonal}}, (kLength + kGroup - 1) / kGroup);
  }
  gl.Finish();
  GPUVM_TRY_STATUS(session.phase("DtoH"));
  const std::vector<uint32_t> got = scores.words();
  GPUVM_TRY_STATUS(gl.check("nw"));
  GPUVM_TRY_STATUS(session.phase("close"));
  GPUVM_TRY_STATUS(check_same<uint32_t>(got, aligned(a, b), "the score"));
  return fmt::format("{} scores", got.size());
}

Result<std::string> run_bfs(Gl& gl, Session& session) {
  GPUVM_TRY(const ComputeProgram program, ComputeProgram::compile(gl, kSearch));
  Numbers numbers(8);
  std::vector<uint32_t> edges(size_t{kNodes} * kEdges), levels(kNodes, kNoLevel);
  for (uint32_t& edge : edges) edge = numbers.below(kNodes);
  levels[0] = 0;
  GPUVM_TRY_STATUS(session.phase("HtoD"));
  const WordBuffer edge(gl, edges), level(gl, levels);
  gl.Finish();
  GPUVM_TRY_STATUS(session.phase("launch"));
  uint32_t reached = 1;
  for (uint32_t depth = 0; depth < kNodes; ++depth) {
    const WordBuffer found(gl, std::vector<uint32_t>(1));
    const WordBuffer* buffers[] = {&edge, &level, &found};
    program.dispatch(buffers, {{"depth", depth}}, kNodes / kGroup);
    const uint32_t more = found.words()[0];
    if (more == 0) break;
    reached += more;
  }
  GPUVM_TRY_STATUS(session.phase("DtoH"));
  const std::vector<uint32_t> got = level.words();
  GPUVM_TRY_STATUS(gl.check("bfs"));
  GPUVM_TRY_STATUS(session.phase("close"));
  std::vector<uint32_t> open{0};
  uint32_t expected_reached = 1;
  for (size_t i = 0; i < open.size(); ++i) {
    for (uint32_t k = 0; k < kEdges; ++k) {
      const uint32_t to = edges[size_t{open[i]} * kEdges + k];
      if (levels[to] != kNoLevel) continue;
      levels[to] = levels[open[i]] + 1;
      open.push_back(to);
      ++expected_reached;
    }
  }
  GPUVM_TRY_STATUS(check_same<uint32_t>(got, levels, "the level"));
  if (reached != expected_reached)
    return error("{} nodes were counted, {} can be reached", reached, expected_reached);
  return fmt::format("levels of {} nodes, {} of them reached,", got.size(), reached);
}

Result<std::string> run_nn(Gl& gl, Session& session) {
  GPUVM_TRY(const ComputeProgram program, ComputeProgram::compile(gl, kDistances));
  Numbers numbers(9);
  std::vector<float> places(size_t{2} * kPlaces);
  for (float& coordinate : places) coordinate = numbers.fraction();
  GPUVM_TRY_STATUS(session.phase("HtoD"));
  const WordBuffer place(gl, places), distance(gl, std::vector<float>(kPlaces));
  gl.Finish();
  GPUVM_TRY_STATUS(session.phase("launch"));
  const WordBuffer* buffers[] = {&place, &distance};
  program.dispatch(buffers, {}, kPlaces / kGroup);
  gl.Finish();
  GPUVM_TRY_STATUS(session.phase("DtoH"));
  const std::vector<float> got = distance.floats();
  GPUVM_TRY_STATUS(gl.check("nn"));
  GPUVM_TRY_STATUS(session.phase("close"));
  std::vector<float> expected(kPlaces);
  for (uint32_t i = 0; i < kPlaces; ++i) {
    const float x = places[2 * i] - 0.25f, y = places[2 * i + 1] - 0.75f;
    expected[i] = std::sqrt(std::fma(x, x, y * y));
  }
  GPUVM_TRY_STATUS(check_close(got, expected, 1e-6f, "the distance"));
  std::vector<float> nearest = got, wanted = expected;
  std::ranges::partial_sort(nearest, nearest.begin() + kNearest);
  std::ranges::partial_sort(wanted, wanted.begin() + kNearest);
  GPUVM_TRY_STATUS(check_close(std::span(nearest).first(kNearest), std::span(wanted).first(kNearest), 1e-6f,
                               "the nearest"));
  return fmt::format("{} distances and the {} nearest", got.size(), kNearest);
}

}  // namespace gpuvm::guest
