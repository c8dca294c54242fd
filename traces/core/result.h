// Errors that come from outside (a file, a guest, a peer, a user) travel as values; CHECK is for our own
// bugs.
#pragma once

#include <cstdlib>
#include <string>
#include <utility>
#include <variant>

#include <fmt/format.h>

namespace gpuvm {

// One line for a person: what is wrong, where, and what to do about it.
struct Error {
  std::string message;
};

template <typename... Args>
Error error(fmt::format_string<Args...> format, Args&&... args) {
  return Error{fmt::format(format, std::forward<Args>(args)...)};
}

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}  // NOLINT: implicit on purpose, as in `return value;`
  Result(Error error)
      : state_(std::move(error)) {}  // NOLINT: implicit on purpose, as in `return error(...);`

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

struct Ok {};
using Status = Result<Ok>;

namespace detail {
[[noreturn]] inline void check_failed(const char* expression, const char* file, int line) {
  fmt::print(stderr, "gpuvm: internal error: {} does not hold at {}:{}; please report it\n", expression, file,
             line);
  std::abort();
}
}  // namespace detail

#define GPUVM_CONCAT_(a, b) a##b
#define GPUVM_CONCAT(a, b) GPUVM_CONCAT_(a, b)

// GPUVM_TRY(auto x, f()): x is the value of f(), or the enclosing function returns f()'s error.
#define GPUVM_TRY(declaration, expression)                                              \
  auto GPUVM_CONCAT(result_, __LINE__) = (expression);                                  \
  if (!GPUVM_CONCAT(result_, __LINE__)) return GPUVM_CONCAT(result_, __LINE__).error(); \
  declaration = std::move(GPUVM_CONCAT(result_, __LINE__)).value()

// GPUVM_TRY_STATUS(f()): the enclosing function returns f()'s error, if it has one.
#define GPUVM_TRY_STATUS(expression)                                   \
  do {                                                                 \
    if (auto status_ = (expression); !status_) return status_.error(); \
  } while (false)

#define GPUVM_CHECK(expression) \
  ((expression) ? void() : ::gpuvm::detail::check_failed(#expression, __FILE__, __LINE__))

}  // namespace gpuvm
