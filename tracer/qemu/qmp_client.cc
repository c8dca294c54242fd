#include "tracer/qemu/qmp_client.h"

#include <nlohmann/json.hpp>

namespace gpuvm {
namespace {

using nlohmann::json;

Result<json> parse(const std::string& line) {
  json message = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!message.is_object())
    return error("QEMU's QMP socket sent something that is not QMP: {}", line.substr(0, 200));
  return message;
}

Error refusal(const json& message) {
  return error("QEMU refused a QMP command: {}", message["error"].dump().substr(0, 300));
}

}  // namespace

Status QmpClient::advance_handshake(const std::string& line) {
  GPUVM_TRY(json message, parse(line));
  if (state_ == State::kGreeting) {
    if (!message.contains("QMP")) return error("QEMU's QMP socket did not greet: {}", line.substr(0, 200));
    state_ = State::kCapabilities;
    return channel_.send("{\"execute\":\"qmp_capabilities\"}\n", LineChannel::Clock::now() + limit_);
  }
  if (message.contains("error")) return refusal(message);
  if (message.contains("return")) state_ = State::kReady;
  return Ok{};
}

Status QmpClient::handshake() {
  LineChannel::Clock::time_point deadline = LineChannel::Clock::now() + limit_;
  while (!ready()) {
    GPUVM_TRY(std::string line, channel_.wait_for_line(deadline));
    GPUVM_TRY_STATUS(advance_handshake(line));
  }
  return Ok{};
}

Status QmpClient::on_readable() {
  GPUVM_TRY_STATUS(channel_.on_readable());
  while (auto line = channel_.next_line())
    if (!ready()) GPUVM_TRY_STATUS(advance_handshake(*line));
  return Ok{};
}

Result<std::string> QmpClient::execute(const std::string& request) {
  GPUVM_TRY_STATUS(handshake());
  LineChannel::Clock::time_point deadline = LineChannel::Clock::now() + limit_;
  GPUVM_TRY_STATUS(channel_.send(request, deadline));
  while (true) {
    GPUVM_TRY(std::string line, channel_.wait_for_line(deadline));
    GPUVM_TRY(json message, parse(line));
    if (message.contains("error")) return refusal(message);
    auto answer = message.find("return");
    if (answer == message.end()) continue;  // an event
    return answer->is_string() ? answer->get<std::string>() : answer->dump();
  }
}

Result<std::string> QmpClient::human_monitor_command(std::string_view command) {
  json request{{"execute", "human-monitor-command"}, {"arguments", {{"command-line", command}}}};
  return execute(request.dump() + "\n");
}

Status QmpClient::quit() {
  GPUVM_TRY_STATUS(handshake());
  return channel_.send("{\"execute\":\"quit\"}\n", LineChannel::Clock::now() + limit_);
}

}  // namespace gpuvm
