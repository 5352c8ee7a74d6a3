#include "actors/dialer.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <caf/actor_system.hpp>
#include <caf/io/basp_broker.hpp>
#include <caf/io/middleman.hpp>
#include <caf/io/network/multiplexer.hpp>
#include <caf/io/scribe.hpp>
#include <caf/openssl/manager.hpp>
#include <caf/stateful_actor.hpp>

namespace troupe {

bool split_address(const std::string& address, std::string& host, std::uint16_t& port) {
  auto colon = address.rfind(':');
  if (colon == std::string::npos) return false;
  host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const char* begin = address.data() + colon + 1;
  const char* end = address.data() + address.size();
  auto [stop, fault] = std::from_chars(begin, end, port);
  return fault == std::errc{} && stop == end && begin != end && !host.empty();
}

namespace {

using std::chrono::milliseconds;
using clock = std::chrono::steady_clock;
using address_list = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

struct tcp_outcome {
  int fd = -1;
  probe_answer answer = probe_answer::silent;
  std::string why;
  std::string host; ///< the numeric address that answered
};

address_list look_up(const std::string& host, const char* port, int flags, int& fault) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  fault = ::getaddrinfo(host.c_str(), port, &hints, &found);
  return {fault == 0 ? found : nullptr, ::freeaddrinfo};
}

std::string numeric(const addrinfo& address) {
  char text[NI_MAXHOST] = "";
  ::getnameinfo(address.ai_addr, address.ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
  return text;
}

bool is_numeric(const std::string& host) {
  int fault = 0;
  return look_up(host, nullptr, AI_NUMERICHOST, fault) != nullptr;
}

} // namespace

std::vector<std::string> resolve_name(const std::string& host) {
  int fault = 0;
  auto found = look_up(host, nullptr, 0, fault);
  std::vector<std::string> all;
  for (auto* at = found.get(); at; at = at->ai_next) all.push_back(numeric(*at));
  return all;
}

namespace {

/// Non-blocking connect to one numeric address.
tcp_outcome connect_to(const std::string& host, const std::string& port, milliseconds limit) {
  int fault = 0;
  auto address = look_up(host, port.c_str(), AI_NUMERICHOST | AI_NUMERICSERV, fault);
  if (!address) return {-1, probe_answer::silent, host + ": " + ::gai_strerror(fault), host};
  int fd = ::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return {-1, probe_answer::silent, host + ": " + std::strerror(errno), host};
  if (::connect(fd, address->ai_addr, address->ai_addrlen) != 0) fault = errno;
  if (fault == EINPROGRESS) {
    pollfd waiting{fd, POLLOUT, 0};
    socklen_t size = sizeof fault;
    if (::poll(&waiting, 1, static_cast<int>(limit.count())) != 1)
      fault = ETIMEDOUT;
    else
      ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &size);
  }
  if (fault == 0) return {fd, probe_answer::open, {}, host};
  ::close(fd);
  return {-1, fault == ECONNREFUSED ? probe_answer::refused : probe_answer::silent, host + ": " + std::strerror(fault),
          host};
}

/// Tries what the name resolves to, one address after the other, each with its share of the limit. Refused means that
/// all of them refuse: a name with an IPv6 and an IPv4 address often has a listener on one of them only.
tcp_outcome tcp_connect(const std::string& address, milliseconds limit, const dialer_config& cfg) {
  std::string host;
  std::uint16_t port = 0;
  if (!split_address(address, host, port)) return {-1, probe_answer::silent, "'" + address + "' is not host:port", {}};
  std::vector<std::string> hosts{host};
  if (!is_numeric(host)) hosts = cfg.resolve(host);
  if (hosts.empty()) return {-1, probe_answer::silent, address + ": the name has no address", {}};
  tcp_outcome sum{-1, probe_answer::refused, address, {}};
  auto give_up = clock::now() + limit;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    auto left = std::max(std::chrono::ceil<milliseconds>(give_up - clock::now()), milliseconds{0});
    auto one = connect_to(hosts[i], std::to_string(port), left / static_cast<int>(hosts.size() - i));
    if (one.fd >= 0) return one;
    if (one.answer != probe_answer::refused) sum.answer = probe_answer::silent;
    sum.why += (i == 0 ? ": " : ", ") + one.why;
  }
  return sum;
}

/// The part of the limit that the caller is still there for.
milliseconds time_for(steady_time until, steady_time now, const dialer_config& cfg) {
  return std::min(cfg.connect_limit, std::chrono::floor<milliseconds>(until - now));
}

constexpr const char* asked_too_long_ago = "nobody waits for this connection any more";

using promise = caf::typed_response_promise<dialed>;

} // namespace

dialer_actor::behavior_type dialer(dialer_actor::stateful_pointer<dialer_state> self, dialer_config cfg) {
  return {
      [self, cfg](const dial& target) -> caf::result<dialed> {
        auto limit = time_for(target.until, self->clock().now(), cfg);
        if (limit <= milliseconds{0}) return dialed{{}, false, target.address + ": " + asked_too_long_ago};
        auto tcp = tcp_connect(target.address, limit, cfg);
        if (tcp.fd < 0) return dialed{{}, tcp.answer == probe_answer::refused, tcp.why};
        auto reply = self->make_response_promise<promise>();
        auto connected = [reply](const caf::node_id&, caf::strong_actor_ptr& door,
                                 const std::set<std::string>&) mutable {
          if (door)
            reply.deliver(dialed{caf::actor_cast<door_actor>(door), false, {}});
          else
            reply.deliver(dialed{{}, false, "the node there is not ready yet"});
        };
        auto failed = [self, reply, address = target.address](caf::error& why) mutable {
          reply.deliver(dialed{{}, false, address + ": handshake failed (" + self->system().render(why) + ")"});
        };
        std::string host;
        std::uint16_t port = 0;
        split_address(target.address, host, port);
        if (cfg.tls) {
          ::close(tcp.fd);
          self->request(self->system().openssl_manager().actor_handle(), cfg.handshake_limit, caf::connect_atom::value,
                        tcp.host, port)
              .then(connected, failed);
        } else {
          auto& middleman = self->system().middleman();
          auto basp = middleman.named_broker<caf::io::basp_broker>(caf::atom("BASP"));
          self->request(basp, cfg.handshake_limit, caf::connect_atom::value, middleman.backend().new_scribe(tcp.fd),
                        port)
              .then(connected, failed);
        }
        return reply;
      },
      [self, cfg](const probe& target) {
        auto limit = time_for(target.until, self->clock().now(), cfg);
        if (limit <= milliseconds{0}) return probe_answer::silent;
        auto tcp = tcp_connect(target.address, limit, cfg);
        if (tcp.fd >= 0) ::close(tcp.fd);
        return tcp.answer;
      },
  };
}

} // namespace troupe
