#include "tracer/vfio_user/protocol.h"

#include <nlohmann/json.hpp>

namespace gpuvm::vfio_user {
namespace {

constexpr uint16_t kMajor = 0;
constexpr uint16_t kMinor = 1;

struct Version {
  uint16_t major;
  uint16_t minor;
};

}  // namespace

Result<Header> parse_request(std::span<const std::byte, sizeof(Header)> bytes) {
  const Header header = *parse<Header>(bytes);
  if (header.size < sizeof(Header) || header.size > kMaxMessageBytes) {
    return error("vfio-user: a message of {} bytes; {} to {} are possible. Does the peer speak vfio-user?",
                 header.size, sizeof(Header), kMaxMessageBytes);
  }
  if ((header.flags & kTypeMask) != 0) {
    return error("vfio-user: a message with flags 0x{:x} instead of a request", header.flags);
  }
  return header;
}

Result<std::string> answer_version(std::span<const std::byte> body) {
  const auto proposed = parse<Version>(body);
  if (!proposed || proposed->major != kMajor) {
    return error("vfio-user: the peer wants version {}, this is version {}.{}",
                 proposed ? fmt::format("{}.{}", proposed->major, proposed->minor) : "(none)", kMajor,
                 kMinor);
  }
  std::string_view text(reinterpret_cast<const char*>(body.data()) + sizeof(Version),
                        body.size() - sizeof(Version));
  text = text.substr(0, text.find('\0'));
  bool coalesces = false;
  if (!text.empty()) {
    const auto offered = nlohmann::json::parse(text, nullptr, false);
    if (!offered.is_object()) return error("vfio-user: the peer's capabilities are no JSON object");
    const auto capabilities = offered.find("capabilities");
    coalesces = capabilities != offered.end() && capabilities->is_object() &&
                capabilities->value("write_multiple", nlohmann::json(false)) == true;
  }
  nlohmann::json capabilities = {{"max_msg_fds", kMaxFds},
                                 {"max_data_xfer_size", kMaxTransferBytes},
                                 {"max_dma_maps", kMaxDmaMaps},
                                 {"pgsizes", 4096}};
  if (coalesces) capabilities["write_multiple"] = true;
  const Version agreed{kMajor, std::min(proposed->minor, kMinor)};
  std::string answer(reinterpret_cast<const char*>(&agreed), sizeof agreed);
  answer += nlohmann::json{{"capabilities", std::move(capabilities)}}.dump();
  answer.push_back('\0');
  return answer;
}

}  // namespace gpuvm::vfio_user
