#include "emulator/card/macro_engine.h"

namespace gpuvm {
namespace {

constexpr uint32_t field(uint32_t word, unsigned low, unsigned count) {
  return (word >> low) & ((1u << count) - 1);
}

// Bits 6:4: what becomes of a result.
enum Assignment : uint32_t {
  kFetch = 0,  // the next parameter into the register; the result is dropped
  kMove = 1,
  kMoveSetAddress = 2,
  kFetchSend = 3,
  kMoveSend = 4,
  kFetchSetAddress = 5,
  kMoveSetAddressFetchSend = 6,
  kMoveSetAddressSend = 7,
};
constexpr bool fetches(uint32_t assignment) {
  return assignment == kFetch || assignment == kFetchSend || assignment == kFetchSetAddress ||
         assignment == kMoveSetAddressFetchSend;
}

constexpr uint32_t kBranch = 7;

}  // namespace

std::optional<MmuFault> MacroEngine::method(EngineObject& object, const MethodState& state,
                                            MethodContext& context, uint32_t method, uint32_t value) {
  switch (method) {
    case kCodePosition:
      memory_.code_position = value % MacroMemory::kWords;
      return std::nullopt;
    case kCodeData:
      memory_.code[memory_.code_position] = value;
      memory_.code_position = (memory_.code_position + 1) % MacroMemory::kWords;
      return std::nullopt;
    case kStartIndex:
      memory_.start_index = value % MacroMemory::kMacros;
      return std::nullopt;
    case kStart:
      memory_.start[memory_.start_index] = value % MacroMemory::kWords;
      memory_.start_index = (memory_.start_index + 1) % MacroMemory::kMacros;
      return std::nullopt;
    default:
      break;
  }
  if (sending_) return run(object, state, context);  // the same call again
  if ((method & 4) == 0) {
    start_over();
    running_ = true;
    pc_ = memory_.start[(method - kFirstCall) / 8 % MacroMemory::kMacros];
    registers_[1] = value;
  } else if (running_) {
    parameters_.push_back(value);
  }
  return run(object, state, context);
}

void MacroEngine::start_over() {
  registers_.fill(0);
  parameters_.clear();
  carry_ = ending_ = false;
  jump_.reset();
  address_ = 0;
}

std::optional<MmuFault> MacroEngine::run(EngineObject& object, const MethodState& state,
                                         MethodContext& context) {
  for (uint32_t steps = 0; running_ || sending_; ++steps) {
    if (sending_) {
      // A macro does not call macros.
      if (!takes(sending_->method)) {
        if (auto fault = object.method(context, sending_->method, sending_->value)) return fault;
        if (context.again) return std::nullopt;
      }
      sending_.reset();
      continue;
    }
    if (steps >= kMaxSteps) {
      context.work.not_done("macro", "a call of more than 65536 steps");
      running_ = false;
      return std::nullopt;
    }
    const uint32_t word = memory_.code[pc_ % MacroMemory::kWords];
    const uint32_t operation = field(word, 0, 3), assignment = field(word, 4, 3);
    if (operation != kBranch && fetches(assignment) && parameters_.empty()) return std::nullopt;
    context.cost += kCostOfDword;
    const bool last = ending_;
    uint32_t next = jump_ ? *jump_ : pc_ + 1;
    jump_.reset();
    if (field(word, 7, 1) != 0) ending_ = true;
    if (operation == kBranch) {
      const bool wanted = field(word, 4, 1) != 0, not_zero = reg(field(word, 11, 3)) != 0;
      if (wanted == not_zero) {
        const uint32_t target = pc_ + static_cast<uint32_t>(static_cast<int32_t>(word) >> 14);
        if (field(word, 5, 1) != 0) {
          next = target;  // without a delay slot
        } else {
          jump_ = target;
        }
        // An exit that branches instead goes on.
        ending_ = false;
      }
    } else {
      const uint32_t result = result_of(state, word), to = field(word, 8, 3);
      uint32_t parameter = 0;
      if (fetches(assignment)) {
        parameter = parameters_.front();
        parameters_.pop_front();
      }
      set(to, assignment == kFetch || assignment == kFetchSend || assignment == kFetchSetAddress ? parameter
                                                                                                 : result);
      if (assignment == kMoveSetAddress || assignment == kFetchSetAddress ||
          assignment == kMoveSetAddressFetchSend || assignment == kMoveSetAddressSend) {
        address_ = result;
      }
      if (assignment == kFetchSend || assignment == kMoveSend) send(result);
      if (assignment == kMoveSetAddressFetchSend) send(parameter);
      if (assignment == kMoveSetAddressSend) send(field(result, 12, 6));
    }
    pc_ = next;
    if (last) running_ = false;
  }
  return std::nullopt;
}

void MacroEngine::send(uint32_t value) {
  sending_ = Send{(address_ & 0xfff) * 4, value};
  address_ = (address_ & ~0xfffu) | ((address_ + field(address_, 12, 6)) & 0xfff);
}

uint32_t MacroEngine::result_of(const MethodState& state, uint32_t word) {
  const uint32_t a = reg(field(word, 11, 3)), b = reg(field(word, 14, 3));
  const auto immediate = static_cast<uint32_t>(static_cast<int32_t>(word) >> 14);
  const uint32_t from = field(word, 17, 5), size = field(word, 22, 5), to = field(word, 27, 5);
  const uint32_t mask = (1u << size) - 1;
  switch (field(word, 0, 3)) {
    case 0: {
      uint64_t sum = 0;
      switch (field(word, 17, 5)) {
        case 0:
          sum = uint64_t{a} + b;
          break;
        case 1:
          sum = uint64_t{a} + b + (carry_ ? 1 : 0);
          break;
        case 2:
          sum = uint64_t{a} + uint32_t{~b} + 1;
          break;
        case 3:
          sum = uint64_t{a} + uint32_t{~b} + (carry_ ? 1 : 0);
          break;
        case 8:
          return a ^ b;
        case 9:
          return a | b;
        case 10:
          return a & b;
        case 11:
          return a & ~b;
        case 12:
          return ~(a & b);
        default:
          return 0;
      }
      carry_ = (sum >> 32) != 0;
      return static_cast<uint32_t>(sum);
    }
    case 1:
      return a + immediate;
    case 2:
      return (a & ~(mask << to)) | (((b >> from) & mask) << to);
    case 3:
      return ((b >> (a & 31)) & mask) << to;
    case 4:
      return ((b >> from) & mask) << (a & 31);
    case 5:
      return state[(a + immediate) * 4];
    default:
      return 0;
  }
}

}  // namespace gpuvm
