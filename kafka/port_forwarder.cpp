#include "kafka/port_forwarder.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

namespace troupe::kafka {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto address = loopback(port);
  if (fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

// Passes on what is there. Blocking writes: a slow reader holds up the other connections of this door, which is
// bearable since only finding the brokers goes through it. False: the connection is over.
bool pass(int from, int to) {
  std::array<char, 16384> buffer;
  const auto got = ::recv(from, buffer.data(), buffer.size(), 0);
  for (ssize_t sent = 0; sent < got;) {
    const auto n = ::send(to, buffer.data() + sent, static_cast<std::size_t>(got - sent), MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += n;
  }
  return got > 0;
}

} // namespace

result<std::unique_ptr<port_forwarder>> port_forwarder::start(std::uint16_t port, std::uint16_t target) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  const auto address = loopback(port);
  std::array<int, 2> stop{-1, -1};
  if (listener < 0 || ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      ::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(listener, 64) != 0 || ::pipe2(stop.data(), O_CLOEXEC) != 0) {
    const std::string why = std::strerror(errno);
    if (listener >= 0) ::close(listener);
    return fail(errc::unavailable, fmt::format("can't listen on 127.0.0.1:{}: {}; choose another port", port, why));
  }
  return std::unique_ptr<port_forwarder>(new port_forwarder(listener, stop[0], stop[1], target));
}

port_forwarder::port_forwarder(int listener, int stop_read, int stop_write, std::uint16_t target)
    : listener_(listener)
    , stop_read_(stop_read)
    , stop_write_(stop_write)
    , target_(target)
    , thread_([this] { run(); }) {}

port_forwarder::~port_forwarder() {
  ::close(stop_write_);
  thread_.join();
  ::close(stop_read_);
  ::close(listener_);
}

void port_forwarder::run() {
  // fds[0] stop, fds[1] listener, then pairs: client, broker.
  std::vector<pollfd> fds{{stop_read_, POLLIN, 0}, {listener_, POLLIN, 0}};
  for (;;) {
    if (::poll(fds.data(), fds.size(), -1) < 0) {
      if (errno == EINTR) continue;
      break;
    }
    if (fds[0].revents != 0) break;
    std::vector<pollfd> next{fds[0], fds[1]};
    for (std::size_t i = 2; i + 1 < fds.size(); i += 2) {
      const int client = fds[i].fd, broker = fds[i + 1].fd;
      if ((fds[i].revents == 0 || pass(client, broker)) && (fds[i + 1].revents == 0 || pass(broker, client))) {
        next.push_back({client, POLLIN, 0});
        next.push_back({broker, POLLIN, 0});
      } else {
        ::close(client);
        ::close(broker);
      }
    }
    if (fds[1].revents != 0) {
      const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      const int broker = client < 0 ? -1 : connect_to(target_);
      if (broker >= 0) {
        next.push_back({client, POLLIN, 0});
        next.push_back({broker, POLLIN, 0});
      } else if (client >= 0) {
        ::close(client);
      }
    }
    fds = std::move(next);
  }
  for (std::size_t i = 2; i < fds.size(); ++i) ::close(fds[i].fd);
}

} // namespace troupe::kafka
