#include "emulator/shader/warp.h"

#include <algorithm>

namespace gpuvm::shader {

bool Warp::push(Token token, uint32_t pc) {
  if (stack_.size() >= max_tokens_) return false;
  stack_.push_back({token, active_, pc});
  return true;
}

bool Warp::branch(uint32_t mask, uint32_t target) {
  if (mask == 0) return true;
  if (mask != active_) {
    if (stack_.size() >= max_tokens_) return false;
    stack_.push_back({Token::kDiverged, active_ & ~mask, pc_});
    active_ = mask;
  }
  pc_ = target;
  return true;
}

void Warp::leave(Token token, uint32_t mask) {
  // Those that leave do not take part in what is nested deeper.
  size_t depth = stack_.size();
  while (depth > 0 && stack_[depth - 1].token != token) --depth;
  if (depth == 0) return exit(mask);
  for (size_t i = depth; i < stack_.size(); ++i) stack_[i].mask &= ~mask;
  active_ &= ~mask;
  pop_if_empty();
}

bool Warp::has(Token token) const {
  return std::ranges::any_of(stack_, [token](const Entry& entry) { return entry.token == token; });
}

bool Warp::enter_quads() {
  if (!push(Token::kQuads, pc_)) return false;
  uint32_t any = active_ | active_ >> 1;
  any = (any | any >> 2) & 0x11111111;
  active_ = any * 0xf;
  return true;
}

void Warp::leave_quads() {
  if (stack_.empty() || stack_.back().token != Token::kQuads) return;
  active_ = stack_.back().mask;
  stack_.pop_back();
  pop_if_empty();
}

void Warp::exit(uint32_t mask) {
  for (Entry& entry : stack_) entry.mask &= ~mask;
  active_ &= ~mask;
  pop_if_empty();
}

void Warp::pop_if_empty() {
  while (active_ == 0) {
    if (stack_.empty()) {
      state_ = State::kDone;
      return;
    }
    active_ = stack_.back().mask;
    pc_ = stack_.back().pc;
    stack_.pop_back();
  }
}

}  // namespace gpuvm::shader
