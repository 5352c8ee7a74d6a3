#include "config/address.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include <arpa/inet.h>

#include <fmt/format.h>

namespace troupe::config {
namespace {

bool is_ipv6(const std::string& host) {
  in6_addr parsed{};
  return ::inet_pton(AF_INET6, host.c_str(), &parsed) == 1;
}

std::optional<std::uint32_t> as_ipv4(const std::string& host) {
  in_addr parsed{};
  if (::inet_pton(AF_INET, host.c_str(), &parsed) != 1) return std::nullopt;
  return ntohl(parsed.s_addr);
}

bool is_name(const std::string& host) {
  bool only_digits = std::all_of(host.begin(), host.end(), [](unsigned char c) { return std::isdigit(c) || c == '.'; });
  return !host.empty() && host.size() <= 253 && !only_digits && host.front() != '-' && host.front() != '.' &&
         std::all_of(host.begin(), host.end(),
                     [](unsigned char c) { return c < 128 && (std::isalnum(c) || c == '.' || c == '-' || c == '_'); });
}

} // namespace

std::optional<address> parse_address(std::string_view text) {
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  address result;
  auto port = text.substr(colon + 1);
  auto got = std::from_chars(port.data(), port.data() + port.size(), result.port);
  if (port.empty() || got.ec != std::errc{} || got.ptr != port.data() + port.size()) return std::nullopt;
  auto host = text.substr(0, colon);
  bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  result.host = bracketed ? host.substr(1, host.size() - 2) : host;
  bool good = bracketed ? is_ipv6(result.host) : as_ipv4(result.host).has_value() || is_name(result.host);
  return good ? std::optional(result) : std::nullopt;
}

std::string to_string(const address& where) {
  return where.host.find(':') == std::string::npos ? fmt::format("{}:{}", where.host, where.port)
                                                   : fmt::format("[{}]:{}", where.host, where.port);
}

bool is_loopback(const std::string& host) {
  if (auto v4 = as_ipv4(host)) return (*v4 >> 24) == 127;
  in6_addr parsed{};
  if (::inet_pton(AF_INET6, host.c_str(), &parsed) == 1) return IN6_IS_ADDR_LOOPBACK(&parsed);
  return host == "localhost";
}

bool is_wildcard(const std::string& host) {
  in6_addr parsed{};
  return as_ipv4(host) == 0u || (::inet_pton(AF_INET6, host.c_str(), &parsed) == 1 && IN6_IS_ADDR_UNSPECIFIED(&parsed));
}

} // namespace troupe::config
