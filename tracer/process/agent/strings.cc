// movs, stos, lods, scas, cmps, with and without REP, both directions.
#include "tracer/process/agent/emulate.h"
#include "tracer/process/agent/kernel.h"
#include "tracer/process/agent/thunk.h"

namespace gpuvm::agent {
namespace {

constexpr unsigned kRax = 0, kRcx = 1, kRsi = 6, kRdi = 7;
constexpr size_t kRunsAtOnce = 64;  // then the program gets a turn, signals with it

class StringInstruction {
 public:
  explicit StringInstruction(Access* a)
      : a_(a),
        i_(a->plan.instruction),
        width_((i_.opcode & 1) == 0 ? 1
               : i_.w               ? 8
               : i_.operand16       ? 2
                                    : 4),
        repeats_(i_.rep || i_.repne),
        down_(a->frame.direction()) {}

  Outcome run() {
    for (size_t runs = 0; runs < kRunsAtOnce; ++runs) {
      const uint64_t left = repeats_ ? reg(kRcx) : 1;
      if (left == 0) return finish();
      bool more = true;
      if (!step(left, &more)) return Outcome::kFault;
      if (!repeats_ || !more) return finish();
    }
    if (reg(kRcx) == 0) return finish();
    return Outcome::kDone;  // at the same instruction again
  }

 private:
  uint64_t narrow(uint64_t value) const { return i_.address32 ? value & 0xffffffff : value; }
  uint64_t reg(unsigned r) const { return narrow(a_->frame.gpr(r)); }
  uint64_t source() const { return reg(kRsi) + segment_base(a_->plan); }
  uint64_t target() const { return reg(kRdi); }

  Outcome finish() {
    a_->frame.set_rip(a_->frame.rip() + i_.length);
    return Outcome::kDone;
  }
  void advance(unsigned r, uint64_t count) {
    const uint64_t bytes = count * width_;
    a_->frame.set_gpr(r, narrow(a_->frame.gpr(r) + (down_ ? 0 - bytes : bytes)));
  }
  void count_down(uint64_t count) {
    if (repeats_) a_->frame.set_gpr(kRcx, narrow(a_->frame.gpr(kRcx) - count));
  }

  // Elements that can be done at once: all in one piece of memory, upwards.
  size_t run_of(uint64_t address, uint64_t left) const {
    if (down_) return 1;
    const size_t most = trace_channel::kMaxBlock / width_;
    const size_t fit = run_length(address, (left < most ? left : most) * width_) / width_;
    return fit == 0 ? 1 : fit;
  }

  bool load(uint64_t address, void* out, size_t count) {
    return count == 1 ? a_->load(address, out, width_) : a_->load_run(address, out, width_, count);
  }
  bool store(uint64_t address, const void* in, size_t count) {
    return count == 1 ? a_->store(address, in, width_) : a_->store_run(address, in, width_, count);
  }

  bool step(uint64_t left, bool* more) {
    switch (i_.opcode & 0xfe) {
      case 0xa4:
        return move(left);
      case 0xaa:
        return fill(left);
      case 0xac:
        return load_accumulator();
      default:
        return compare(more);
    }
  }

  bool move(uint64_t left) {
    alignas(8) uint8_t data[trace_channel::kMaxBlock];
    size_t count = run_of(source(), left);
    const size_t other = run_of(target(), left);
    if (other < count) count = other;
    // Elements that an earlier one of the same run would have written must be read after it.
    if (target() - source() < count * width_) count = 1;
    if (!load(source(), data, count) || !store(target(), data, count)) return false;
    advance(kRsi, count), advance(kRdi, count), count_down(count);
    return true;
  }

  bool fill(uint64_t left) {
    alignas(8) uint8_t data[trace_channel::kMaxBlock];
    const size_t count = run_of(target(), left);
    const uint64_t value = a_->frame.gpr(kRax);
    for (size_t n = 0; n < count; ++n) copy_bytes(data + n * width_, &value, width_);
    if (!store(target(), data, count)) return false;
    advance(kRdi, count), count_down(count);
    return true;
  }

  bool load_accumulator() {
    uint64_t value = 0;
    if (!load(source(), &value, 1)) return false;
    set_accumulator(value);
    advance(kRsi, 1), count_down(1);
    return true;
  }
  void set_accumulator(uint64_t value) {
    const uint64_t old = a_->frame.gpr(kRax);
    if (width_ == 1) value |= old & ~uint64_t{0xff};
    if (width_ == 2) value |= old & ~uint64_t{0xffff};
    a_->frame.set_gpr(kRax, value);
  }

  // scas compares the accumulator with [rdi], cmps [rsi] with [rdi].
  bool compare(bool* more) {
    const bool two = i_.opcode < 0xa8;
    uint64_t first = a_->frame.gpr(kRax);
    alignas(8) uint64_t second = 0;
    if (two && !load(source(), &first, 1)) return false;
    if (!load(target(), &second, 1)) return false;
    ThreadState& t = thread_state;
    t.gpr[kRax] = first;
    t.gpr[kRsi] = reinterpret_cast<uint64_t>(&second);
    t.flags = a_->frame.flags();
    run_thunk(compare_thunk(width_ == 1 ? 0 : width_ == 2 ? 1 : width_ == 4 ? 2 : 3), false);
    a_->frame.set_status_flags(t.flags);
    if (two) advance(kRsi, 1);
    advance(kRdi, 1), count_down(1);
    const bool equal = (t.flags & 0x40) != 0;
    *more = reg(kRcx) != 0 && equal == i_.rep;
    return true;
  }

  Access* a_;
  const Instruction& i_;
  size_t width_;
  bool repeats_;
  bool down_;
};

}  // namespace

Outcome emulate_string(Access* a) {
  return StringInstruction(a).run();
}

}  // namespace gpuvm::agent
