#include "actors/dialer.hpp"

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

struct tcp_outcome {
  int fd = -1;
  probe_answer answer = probe_answer::silent;
  std::string why;
};

/// Non-blocking connect to the first address that the name resolves to.
tcp_outcome tcp_connect(const std::string& address, std::chrono::milliseconds limit) {
  std::string host;
  std::uint16_t port = 0;
  if (!split_address(address, host, port)) return {-1, probe_answer::silent, "'" + address + "' is not host:port"};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (int rc = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); rc != 0)
    return {-1, probe_answer::silent, host + ": " + ::gai_strerror(rc)};
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> list{found, ::freeaddrinfo};
  int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return {-1, probe_answer::silent, std::strerror(errno)};
  int fault = 0;
  if (::connect(fd, found->ai_addr, found->ai_addrlen) != 0) fault = errno;
  if (fault == EINPROGRESS) {
    pollfd waiting{fd, POLLOUT, 0};
    socklen_t size = sizeof fault;
    if (::poll(&waiting, 1, static_cast<int>(limit.count())) != 1)
      fault = ETIMEDOUT;
    else
      ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &size);
  }
  if (fault == 0) return {fd, probe_answer::open, {}};
  ::close(fd);
  return {-1, fault == ECONNREFUSED ? probe_answer::refused : probe_answer::silent,
          address + ": " + std::strerror(fault)};
}

using promise = caf::typed_response_promise<dialed>;

} // namespace

dialer_actor::behavior_type dialer(dialer_actor::stateful_pointer<dialer_state> self, dialer_config cfg) {
  return {
      [self, cfg](const dial& target) -> caf::result<dialed> {
        auto tcp = tcp_connect(target.address, cfg.connect_limit);
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
                        host, port)
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
      [cfg](const probe& target) {
        auto tcp = tcp_connect(target.address, cfg.connect_limit);
        if (tcp.fd >= 0) ::close(tcp.fd);
        return tcp.answer;
      },
  };
}

} // namespace troupe
