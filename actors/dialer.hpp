#pragma once
// Connects to other nodes, and probes them, with a limit on every step.
//
// CAF 0.17's own connect is a blocking ::connect() inside one actor: a host that drops SYNs would hold up all other
// dials, and the exit of the process, for two minutes. So the TCP part is done here, non-blocking with a deadline, and
// the connected socket is handed to BASP. With TLS CAF does its own connect, to the address of which a probe has shown
// that somebody listens.
//
// What can't be limited is the look-up of a name, which the system's resolver does on this thread. Numeric addresses go
// without it, and what was asked for while it hung is dropped when nobody waits for the answer any more.

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "actors/interfaces.hpp"

namespace troupe {

/// Numeric addresses of a host, as the system's resolver orders them; none if it has none. Can block for long.
std::vector<std::string> resolve_name(const std::string& host);

struct dialer_config {
  std::chrono::milliseconds connect_limit{500}; ///< for all addresses of a name together
  std::chrono::milliseconds handshake_limit{2000};
  bool tls = false;
  std::function<std::vector<std::string>(const std::string& host)> resolve = resolve_name; ///< of what is not numeric
};

struct dialer_state {
  static constexpr const char* name = "dialer";
};

/// Spawn it detached; it blocks its thread for at most connect_limit at a time, plus the look-up of a name.
dialer_actor::behavior_type dialer(dialer_actor::stateful_pointer<dialer_state> self, dialer_config cfg);

/// Splits "host:port"; the host may be an IPv6 address in brackets. False if it is not of that form.
bool split_address(const std::string& address, std::string& host, std::uint16_t& port);

} // namespace troupe
