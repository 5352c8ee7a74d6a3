#include "actors/http_server.hpp"

#include <thread>

#include <fmt/format.h>
#include <httplib.h>
#include <prometheus/text_serializer.h>

namespace troupe {
namespace {

constexpr const char* json_type = "application/json";
constexpr const char* text_type = "text/plain; charset=utf-8";

/// A page in a browser must not be able to reach us under a name of its own (DNS rebinding).
bool is_local_name(std::string host) {
  if (auto colon = host.rfind(':'); colon != std::string::npos && host.back() != ']') host.resize(colon);
  return host.empty() || host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

} // namespace

struct http_server::impl {
  httplib::Server server;
  http_pages pages;
  int port = 0;
  std::thread listener;

  void routes() {
    server.set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
      if (is_local_name(request.get_header_value("Host"))) return httplib::Server::HandlerResponse::Unhandled;
      response.status = 403;
      response.set_content("this server answers to loopback names only\n", text_type);
      return httplib::Server::HandlerResponse::Handled;
    });
    server.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      prometheus::TextSerializer serializer;
      response.set_content(serializer.Serialize(pages.metrics->Collect()), "text/plain; version=0.0.4; charset=utf-8");
    });
    auto health = [this](const httplib::Request&, httplib::Response& response) {
      bool well = pages.healthy();
      response.status = well ? 200 : 503;
      response.set_content(well ? "ok\n" : "the node actor has not run for 10 s; restart the process\n", text_type);
    };
    server.Get("/healthz", health);
    server.Get("/livez", health);
    server.Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
      auto why = pages.not_ready_because();
      response.status = why.empty() ? 200 : 503;
      response.set_content(why.empty() ? "ready\n" : why + "\n", text_type);
    });
    server.Get("/status", [this](const httplib::Request&, httplib::Response& response) {
      auto status = pages.status();
      response.status = status ? 200 : 503;
      response.set_content(status ? *status : status.error().message + "\n", status ? json_type : text_type);
    });
    server.Get("/version", [](const httplib::Request&, httplib::Response& response) {
      response.set_content(fmt::format("{{\"version\":\"{}\"}}\n", TROUPE_VERSION), json_type);
    });
  }
};

http_server::http_server(std::unique_ptr<impl> i)
    : impl_(std::move(i)) {}

result<std::unique_ptr<http_server>> http_server::start(const std::string& host, std::uint16_t port, http_pages pages) {
  auto i = std::make_unique<impl>();
  i->pages = std::move(pages);
  auto& server = i->server;
  server.new_task_queue = [] { return new httplib::ThreadPool(2); };
  server.set_read_timeout(5, 0);
  server.set_write_timeout(5, 0);
  server.set_keep_alive_max_count(100);
  server.set_payload_max_length(64 << 10);
  // The default of the library is SO_REUSEPORT, with which two nodes would share a port without a word.
  server.set_socket_options([](socket_t sock) {
    int yes = 1;
    ::setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  i->routes();
  i->port = port == 0 ? server.bind_to_any_port(host.c_str()) : (server.bind_to_port(host.c_str(), port) ? port : -1);
  if (i->port < 0)
    return fail(errc::conflict,
                fmt::format("can't listen on {}:{} for HTTP (node.http): {}; choose another port, or port 0 for any",
                            host, port, std::strerror(errno)));
  auto* raw = i.get();
  i->listener = std::thread([raw] { raw->server.listen_after_bind(); });
  return std::unique_ptr<http_server>(new http_server(std::move(i)));
}

http_server::~http_server() {
  impl_->server.stop();
  if (impl_->listener.joinable()) impl_->listener.join();
}

std::uint16_t http_server::port() const { return static_cast<std::uint16_t>(impl_->port); }

} // namespace troupe
