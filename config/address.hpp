#pragma once
// HOST:PORT as it is written in `listen`, `advertise` and `http`. Internal to config/.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::config {

struct address {
  std::string host; ///< without the brackets of [::1]
  std::uint16_t port = 0;
};

/// "127.0.0.1:4800", "[::1]:4800", "node-a.example:4800"; nothing else.
std::optional<address> parse_address(std::string_view text);

std::string to_string(const address& where);

/// Only this machine can reach it: 127.0.0.0/8, ::1, localhost. A name that merely resolves to such does not count.
bool is_loopback(const std::string& host);

/// Every interface ("0.0.0.0", "::"): an address to listen on, not one to dial.
bool is_wildcard(const std::string& host);

} // namespace troupe::config
