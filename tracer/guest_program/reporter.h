// Where the guest program's words go: to the host over virtio-serial, or to a terminal when run by hand.
#pragma once

#include <memory>
#include <string_view>

#include "traces/core/result.h"
#include "traces/core/unique_fd.h"

namespace gpuvm::guest {

class Reporter {
 public:
  virtual ~Reporter() = default;
  virtual void log(std::string_view line) = 0;
  // Returns once the host has placed the mark; until then the caller touches no GPU.
  virtual Status mark(std::string_view text) = 0;
  // So many marks that nobody waits for one by one, as a guest that means harm would have them.
  virtual void flood_marks(unsigned count) = 0;
  virtual void attach(std::string_view name, std::string_view bytes) = 0;
  virtual void result(bool ok, std::string_view text) = 0;
  virtual void done() = 0;

  Status phase(std::string_view name) { return mark(fmt::format("phase {}", name)); }
};

// Speaks tracer/protocol/protocol.h on an open port.
class PortReporter : public Reporter {
 public:
  explicit PortReporter(UniqueFd port);
  void log(std::string_view line) override;
  Status mark(std::string_view text) override;
  void flood_marks(unsigned count) override;
  void attach(std::string_view name, std::string_view bytes) override;
  void result(bool ok, std::string_view text) override;
  void done() override;

 private:
  UniqueFd port_;
};

// The lines that run_program (child_program.h) reads: a word, a space, text.
class LineReporter : public Reporter {
 public:
  explicit LineReporter(UniqueFd socket) : socket_(std::move(socket)) {}
  void log(std::string_view line) override;
  Status mark(std::string_view text) override;
  // Not for a client; they say so.
  void flood_marks(unsigned count) override;
  void attach(std::string_view name, std::string_view bytes) override;
  void result(bool ok, std::string_view text) override;
  void done() override {}

 private:
  UniqueFd socket_;
};

// Standard error; documents are only named.
class TerminalReporter : public Reporter {
 public:
  void log(std::string_view line) override;
  Status mark(std::string_view text) override;
  void flood_marks(unsigned count) override;
  void attach(std::string_view name, std::string_view bytes) override;
  void result(bool ok, std::string_view text) override;
  void done() override {}
};

}  // namespace gpuvm::guest
