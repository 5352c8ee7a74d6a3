#pragma once
// The pages for Prometheus, load balancers and people: /metrics /healthz /livez /readyz /status /version.
// Read-only, on loopback. It runs on threads of its own and asks actors with a limit, so that a slow reader holds up
// nothing.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <prometheus/registry.h>

#include "base/result.hpp"

namespace troupe {

/// What the pages show. All functions are called from the server's threads.
struct http_pages {
  std::shared_ptr<prometheus::Registry> metrics;
  std::function<bool()> healthy;                  ///< false: the process should be restarted
  std::function<std::string()> not_ready_because; ///< empty: ready
  std::function<result<std::string>()> status;    ///< JSON; bounded by the callee
};

class http_server {
public:
  /// Listens at once, or says why it can't (errc::conflict: the port is in use).
  static result<std::unique_ptr<http_server>> start(const std::string& host, std::uint16_t port, http_pages pages);
  ~http_server();
  std::uint16_t port() const;

private:
  struct impl;
  explicit http_server(std::unique_ptr<impl> i);
  std::unique_ptr<impl> impl_;
};

} // namespace troupe
