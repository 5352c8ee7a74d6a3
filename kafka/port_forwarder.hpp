#pragma once
// A door on a fixed loopback port: every connection is passed on to another loopback port, bytes unchanged.
// INTERNAL to kafka/: gives the embedded broker, whose ports the system picks, an address that can be told beforehand.

#include <cstdint>
#include <memory>
#include <thread>

#include "base/result.hpp"

namespace troupe::kafka {

class port_forwarder {
public:
  /// Listens on 127.0.0.1:`port`. errc::unavailable if that is taken.
  static result<std::unique_ptr<port_forwarder>> start(std::uint16_t port, std::uint16_t target);
  ~port_forwarder();
  port_forwarder(const port_forwarder&) = delete;
  port_forwarder& operator=(const port_forwarder&) = delete;

private:
  port_forwarder(int listener, int stop_read, int stop_write, std::uint16_t target);
  void run();

  const int listener_, stop_read_, stop_write_;
  const std::uint16_t target_;
  std::thread thread_;
};

} // namespace troupe::kafka
