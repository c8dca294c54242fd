#include "emulator/shader/grid.h"

#include <algorithm>
#include <bit>

namespace gpuvm::shader {
namespace {

// Of decoded code that is kept; a program that jumps about in more starts over.
constexpr size_t kMaxPages = 1024;

}  // namespace

Grid::Grid(const Launch& launch, GlobalMemory& memory)
    : launch_(launch), memory_(memory), executor_(launch_, memory) {
  const uint64_t threads = launch_.block.count();
  executor_.block = &block_;
  executor_.pc = launch_.entry;
  executor_.counters.grids = 1;
  if (threads > kMaxThreads || launch_.shared_bytes > kMaxSharedBytes ||
      threads * launch_.local_bytes > kMaxLocalBytes) {
    executor_.fail(Trap::Kind::kLimit);
  }
  // An empty grid is no work.
  if (threads == 0 || launch_.grid.count() == 0) done_ = true;
}

void Grid::start_block() {
  const Dimensions& grid = launch_.grid;
  block_.index = {static_cast<uint32_t>(next_block_ % grid.x),
                  static_cast<uint32_t>(next_block_ / grid.x % grid.y),
                  static_cast<uint32_t>(next_block_ / grid.x / grid.y)};
  ++next_block_;
  const auto threads = static_cast<uint32_t>(launch_.block.count());
  block_.warps.clear();
  for (uint32_t first = 0; first < threads; first += kLanes) {
    const uint32_t lanes = std::min(threads - first, kLanes);
    block_.warps.emplace_back(lanes == kLanes ? kAllLanes : (1u << lanes) - 1, launch_.stack_tokens);
    block_.warps.back().set_pc(launch_.entry);
  }
  block_.shared.assign(launch_.shared_bytes, std::byte{0});
  block_.locked.assign(launch_.shared_bytes / 4, false);
  block_.local.assign(uint64_t{launch_.local_bytes} * block_.warps.size() * kLanes, std::byte{0});
  block_.barriers = {};
  block_.reductions.assign(block_.warps.size(), {});
  ++executor_.counters.blocks;
  executor_.counters.warps += block_.warps.size();
  executor_.warp_index = 0;
}

uint64_t Grid::run(uint64_t budget) {
  uint64_t spent = 0;
  while (!done() && spent <= budget) {
    if (block_.warps.empty()) {
      if (next_block_ >= launch_.grid.count()) {
        done_ = true;
        break;
      }
      start_block();
      spent += block_.warps.size();
    }
    // The next warp that can run, from the current one on.
    const auto count = static_cast<unsigned>(block_.warps.size());
    unsigned found = count;
    for (unsigned n = 0; n < count && found == count; ++n) {
      const unsigned candidate = (executor_.warp_index + n) % count;
      if (block_.warps[candidate].state() == Warp::State::kRunning) found = candidate;
    }
    if (found == count) {
      if (release_barriers()) continue;
      block_.warps.clear();
      continue;
    }
    executor_.warp_index = found;
    spent += run_warp(budget - spent);
  }
  return spent;
}

uint64_t Grid::run_warp(uint64_t budget) {
  Warp& warp = executor_.warp();
  uint64_t spent = 0;
  while (warp.state() == Warp::State::kRunning && spent <= budget) {
    const uint32_t pc = warp.pc();
    executor_.pc = pc;
    const Instruction* found = fetch(pc);
    if (found == nullptr) break;
    const Instruction& instruction = *found;
    executor_.word = instruction.word;
    if (instruction.opcode == nullptr) {
      executor_.fail(Trap::Kind::kIllegalInstruction);
      break;
    }
    const uint32_t mask = warp.active() & warp.predicate(instruction.predicate, instruction.predicate_not);
    warp.set_pc(pc + kInstructionBytes);
    ++executor_.counters.warp_instructions;
    executor_.counters.thread_instructions += static_cast<uint64_t>(std::popcount(mask));
    const uint64_t lines = executor_.counters.lines, texels = executor_.texels;
    instruction.opcode->execute(executor_, instruction, mask);
    spent += cost_of(instruction) + (executor_.counters.lines - lines) * costs_.line +
             (executor_.texels - texels) * costs_.texel;
    if (executor_.trap) break;
    if (instruction.join && warp.state() != Warp::State::kDone && warp.has(Warp::Token::kSync)) {
      warp.leave(Warp::Token::kSync, mask);
    }
  }
  return spent;
}

bool Grid::release_barriers() {
  uint32_t live = 0;
  for (const Warp& warp : block_.warps) live += warp.state() != Warp::State::kDone ? kLanes : 0;
  if (live == 0) return false;
  // Nothing else runs: a barrier that has what it waits for opens, and if none has, since warps it counts on
  // have ended, all do.
  bool released = false;
  for (const bool forced : {false, true}) {
    for (Block::Barrier& barrier : block_.barriers) {
      if (barrier.waits.empty()) continue;
      const uint32_t expected = barrier.expected == 0 ? live : std::min(barrier.expected, live);
      if (!forced && barrier.arrived < expected) continue;
      for (const uint8_t index : barrier.waits) {
        Warp& warp = block_.warps[index];
        const Block::Reduction& reduction = block_.reductions[index];
        Lanes count;
        count.fill(barrier.count);
        if (reduction.operation == 0) warp.set(reduction.destination, count, reduction.mask);
        const bool holds = reduction.operation == 1 ? barrier.count == barrier.taking : barrier.count != 0;
        warp.set_predicate(reduction.predicate, holds ? kAllLanes : 0, reduction.mask);
        warp.set_state(Warp::State::kRunning);
      }
      barrier = {};
      released = true;
    }
    if (released) break;
  }
  return released;
}

const Instruction* Grid::fetch(uint32_t pc) {
  if (pc % kInstructionBytes != 0) {
    executor_.fail(Trap::Kind::kMisaligned, pc);
    return nullptr;
  }
  constexpr uint32_t kPageBytes = kPageInstructions * kInstructionBytes;
  const uint32_t index = pc / kPageBytes;
  if (index != page_index_) {
    auto at = code_.find(index);
    if (at == code_.end()) {
      if (code_.size() >= kMaxPages) code_.clear();
      std::array<uint64_t, kPageInstructions> words{};
      const auto bytes = std::as_writable_bytes(std::span(words));
      const uint64_t va = launch_.code + uint64_t{index} * kPageBytes;
      for (uint64_t done = 0; done < kPageBytes;) {
        const uint64_t part =
            std::min(kPageBytes - done, GlobalMemory::kLineBytes - (va + done) % GlobalMemory::kLineBytes);
        if (!memory_.read(va + done, bytes.subspan(done, part))) {
          executor_.fail(Trap::Kind::kMemory, va + done);
          return nullptr;
        }
        done += part;
      }
      std::vector<Instruction> page(kPageInstructions);
      std::ranges::transform(words, page.begin(), decode);
      at = code_.emplace(index, std::move(page)).first;
    }
    page_ = &at->second;
    page_index_ = index;
  }
  return &(*page_)[pc % kPageBytes / kInstructionBytes];
}

uint32_t Grid::cost_of(const Instruction& instruction) const {
  switch (instruction.opcode->latency) {
    case Latency::kDouble:
      return costs_.double_precision;
    case Latency::kSpecial:
      return costs_.special;
    case Latency::kMemory:
      return costs_.memory;
    case Latency::kFlow:
      return costs_.flow;
    default:
      return costs_.arithmetic;
  }
}

}  // namespace gpuvm::shader
