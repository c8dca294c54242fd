#include "tracer/qemu/proxy_command.h"

#include <charconv>

#include "tracer/qemu/qemu_command.h"

namespace gpuvm {
namespace {

constexpr std::string_view kQemuPrefix = "qemu-system-";

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(separator, at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

// "-smp" and "--smp" are one.
std::string_view option_name(std::string_view argument) {
  if (argument.starts_with("--")) argument.remove_prefix(1);
  return argument;
}

}  // namespace

unsigned processors_of(const std::string& smp) {
  unsigned cpus = 0, product = 1;
  for (const std::string_view part : split(smp, ',')) {
    const size_t equals = part.find('=');
    const std::string_view key = equals == std::string_view::npos ? "cpus" : part.substr(0, equals);
    const std::string_view text = equals == std::string_view::npos ? part : part.substr(equals + 1);
    unsigned number = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc{}) continue;
    if (key == "cpus") {
      cpus = number;
    } else if (key != "maxcpus" && number > 0 && product <= 1024) {
      product *= number;
    }
  }
  return cpus != 0 ? cpus : product;
}

Status check_proxy_command(const std::vector<std::string>& command) {
  unsigned processors = 1;
  bool one_thread = false;
  for (size_t i = 0; i + 1 < command.size(); ++i) {
    const std::string_view option = option_name(command[i]);
    if (option == "-smp") processors = processors_of(command[i + 1]);
    if (option == "-accel" && command[i + 1].find("thread=single") != std::string::npos) one_thread = true;
  }
  if (processors > 1 && !one_thread) {
    return error(
        "-smp {}: with a thread for each processor QEMU drops accesses to a GPU of this kind; give it -accel "
        "tcg,thread=single, or -smp 1",
        processors);
  }
  const std::string& program = command.front();
  if (!std::string_view(program).substr(program.rfind('/') + 1).starts_with(kQemuPrefix)) return Ok{};
  auto checked = check_qemu(program, Transport::kProxy);
  if (checked) return Ok{};
  return checked.error();
}

}  // namespace gpuvm
