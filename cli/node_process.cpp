#include "cli/node_process.hpp"

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <ctime>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <caf/actor_registry.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/io/middleman.hpp>
#include <caf/openssl/manager.hpp>
#include <caf/openssl/publish.hpp>
#include <caf/scoped_actor.hpp>
#include <prometheus/registry.h>

#include "actors/admin.hpp"
#include "actors/dialer.hpp"
#include "actors/http_server.hpp"
#include "actors/librarian.hpp"
#include "cli/node_assembly.hpp"
#include "kafka/control_ports.hpp"
#include "kafka/lane.hpp"

namespace troupe::cli {
namespace {

using namespace std::chrono_literals;

/// A stuck actor or client must not keep a stopped node alive. One that is to join again has more time: at the end of
/// the limit the process exits, and only a supervisor would bring it back. It covers a row of calls of the clerk.
constexpr auto stop_limit = 15s, rejoin_limit = 40s;

std::uint64_t random_number() {
  std::random_device device;
  std::uint64_t number = 0;
  while (number == 0) number = (std::uint64_t{device()} << 32) | device();
  return number;
}

/// Proves that the port is free, and finds one where it is 0. CAF binds it again a moment later.
result<std::uint16_t> find_port(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (int rc = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); rc != 0)
    return fail(errc::invalid, fmt::format("node.listen: {}: {}", host, ::gai_strerror(rc)));
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> list{found, ::freeaddrinfo};
  int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  bool bound = ::bind(fd, found->ai_addr, found->ai_addrlen) == 0 && ::listen(fd, 1) == 0;
  auto why = errno;
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size);
  ::close(fd);
  if (!bound)
    return fail(errc::conflict,
                fmt::format("can't listen on {}:{} (node.listen): {}; choose another port, or port 0 for any", host,
                            port, std::strerror(why)));
  auto raw = name.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&name)->sin6_port
                                        : reinterpret_cast<sockaddr_in*>(&name)->sin_port;
  return ntohs(raw);
}

/// The settings are explained in docs/decisions/0002-caf-settings.md.
class caf_config : public caf::actor_system_config {
public:
  explicit caf_config(const config::config& cfg) {
    add_message_types<caf::id_block::troupe>();
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", std::uint64_t{std::max(2u, std::min(8u, std::thread::hardware_concurrency()))});
    set("scheduler.max-throughput", std::uint64_t{32});
    set("middleman.workers", std::uint64_t{0});
    set("middleman.heartbeat-interval", caf::timespan{cfg.cluster.heartbeat_interval_ms});
    set("middleman.connection-timeout", caf::timespan{cfg.cluster.removal_timeout_ms});
    set("middleman.app-identifiers", std::vector<std::string>{"troupe/" + cfg.cluster.name});
    load<caf::io::middleman>();
    if (cfg.node.tls.enabled()) {
      openssl_certificate = cfg.node.tls.certificate;
      openssl_key = cfg.node.tls.key;
      openssl_cafile = cfg.node.tls.ca;
      openssl_passphrase = cfg.node.tls.passphrase;
      load<caf::openssl::manager>();
    }
    for (std::uint32_t i = 0; i < cfg.node.index; ++i) static_cast<void>(caf::node_id::default_data::local(*this));
  }
};

result<std::shared_ptr<node_parts>> open_ports(const config::config& cfg, const node_surroundings& around) {
  auto parts = std::make_shared<node_parts>();
  auto wait = around.embedded ? kafka::fetch_wait_embedded : kafka::fetch_wait_default;
  auto control =
      kafka::make_log_reader(cfg.kafka, control_topic(cfg.cluster.name), kafka::log_start::beginning(), wait);
  if (!control) return tl::make_unexpected(control.error());
  parts->control = std::move(*control);
  if (!cfg.node.has_role("coordinator")) return parts;
  auto lease = kafka::make_log_reader(cfg.kafka, lease_topic(cfg.cluster.name), kafka::log_start::tail(4), wait);
  if (!lease) return tl::make_unexpected(lease.error());
  parts->lease = std::move(*lease);
  return parts;
}

/// The actors of one node, in the order in which they are stopped.
struct troupe_of_actors {
  node_actor node;
  coordinator_actor coordinator;
  clerk_actor clerk;
  std::vector<scorer_actor> scorers;
  librarian_actor librarian;
  dialer_actor dialer;
  admin_actor admin;
};

struct life {
  const config::config& cfg;
  const node_surroundings& around;
  node_ref self;
  std::string address;
  std::shared_ptr<prometheus::Registry> metrics;
  std::shared_ptr<node_pulse> pulse;
  troupe_of_actors actors;
  /// Ends the transfers of the librarian, which may take a minute
  std::shared_ptr<std::atomic<bool>> stopping = std::make_shared<std::atomic<bool>>(false);
};

result<void> spawn_coordinator(caf::actor_system& system, life& own) {
  auto& cfg = own.cfg;
  auto ports = std::make_shared<clerk_ports>();
  ports->writer = kafka::make_control_writer(cfg.kafka, cfg.cluster.name);
  auto offsets = kafka::make_offset_store(cfg.kafka);
  if (!offsets) return tl::make_unexpected(offsets.error());
  ports->offsets = std::move(*offsets);
  auto topics = kafka::make_topic_catalog(cfg.kafka);
  if (!topics) return tl::make_unexpected(topics.error());
  ports->topics = std::move(*topics);
  ports->fencer = kafka::make_lane_fencer(cfg.kafka);
  auto leases = kafka::make_lease_writer(cfg.kafka, cfg.cluster.name);
  if (!leases) return tl::make_unexpected(leases.error());
  own.actors.clerk = system.spawn<caf::detached>(clerk, clerk_config_of(cfg), ports);
  own.actors.coordinator =
      system.spawn(coordinator, coordinator_config_of(cfg, own.self, own.address, random_number()), own.actors.clerk,
                   own.actors.dialer, std::make_shared<std::unique_ptr<lease_writer>>(std::move(*leases)));
  return {};
}

/// Counts while the machine is suspended, which the steady clock does not. Only differences mean anything.
mono_time boot_time() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return mono_time{std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec}};
}

/// What opens the lane of a pipeline; called by the node actor, each time with a new generation.
auto lane_opener(caf::actor_system& system, life& own) {
  auto& around = own.around;
  auto factory =
      kafka::make_lane_factory({own.cfg.kafka, around.embedded},
                               [topics = around.topics](const std::string& topic) -> result<kafka::topic_limits> {
                                 auto known = topics.find(topic);
                                 if (known == topics.end())
                                   return fail(errc::not_found, "topic " + topic + " was not looked up");
                                 return known->second;
                               });
  std::map<std::string, std::pair<lane_topics, ingest_config>> lanes;
  for (auto& pipeline : own.cfg.pipelines) {
    auto config = ingest_config_of(own.cfg, pipeline);
    config.guard_clock = boot_time;
    config.metrics = std::make_shared<lane_metrics>(*own.metrics, pipeline.name, pipeline.model);
    config.incarnation = own.self.incarnation;
    lanes[pipeline.name] = {lane_topics_of(own.cfg, pipeline), config};
  }
  return [&system, factory, lanes](const std::string& pipeline, generation_id generation,
                                   lane_owner_actor owner) -> result<ingest_actor> {
    auto& [topics, config] = lanes.at(pipeline);
    auto ports = factory(topics);
    if (!ports) return tl::make_unexpected(ports.error());
    auto own_config = config;
    own_config.generation = generation;
    auto shared = std::make_shared<lane_ports>(std::move(*ports));
    // With an argument: CAF 0.17 makes a null reference of an empty list of them, which checked builds do not take.
    return system.spawn([=](ingest_pointer self,
                            const lane_owner_actor& to) { return ingest(self, own_config, to, std::move(*shared)); },
                        owner);
  };
}

result<void> spawn_all(caf::actor_system& system, life& own, std::shared_ptr<node_parts> parts) {
  auto& cfg = own.cfg;
  auto& a = own.actors;
  a.dialer = parts->dialer = system.spawn<caf::detached>(dialer, dialer_config{500ms, 2000ms, cfg.node.tls.enabled()});
  auto wait = own.around.embedded ? kafka::fetch_wait_embedded : kafka::fetch_wait_default;
  auto store = std::make_shared<std::unique_ptr<model_store>>(
      kafka::make_model_store(cfg.kafka, cfg.cluster.name, admin_config{}.model_bytes_max, wait, own.stopping));
  a.librarian = parts->librarian = system.spawn<caf::detached>(librarian, store);
  if (cfg.node.has_role("coordinator"))
    if (auto spawned = spawn_coordinator(system, own); !spawned) return spawned;
  parts->coordinator = a.coordinator;
  auto steady_ns = [] {
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  };
  if (cfg.node.has_role("scorer"))
    for (std::uint32_t i = 0; i < cfg.node.scorers; ++i)
      a.scorers.push_back(system.spawn<caf::detached>(scorer, scorer_config{i, steady_ns, parts->totals}));
  parts->scorers = a.scorers;
  parts->features = std::make_shared<feature_metrics>(*own.metrics);
  if (cfg.node.has_role("ingest")) parts->spawn_lane = lane_opener(system, own);
  parts->spawn_admin = [&system, &own](node_actor node) {
    admin_config admin_cfg;
    admin_cfg.seed = random_number();
    own.actors.admin = system.spawn(admin, admin_cfg, node, own.actors.librarian);
    return own.actors.admin;
  };
  own.pulse = parts->pulse;
  a.node = system.spawn(node, node_setup_of(cfg, own.self, own.address, random_number()), parts);
  return {};
}

http_pages pages(caf::actor_system& system, life& own) {
  http_pages p;
  p.metrics = own.metrics;
  p.healthy = [pulse = own.pulse] {
    auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    return pulse->last_tick_ns == 0 || now - pulse->last_tick_ns < std::chrono::nanoseconds(10s).count();
  };
  p.not_ready_because = [pulse = own.pulse]() -> std::string {
    return pulse->ready ? "" : "not a member of the cluster yet, or its models are not loaded";
  };
  p.status = [&system, node = own.actors.node]() -> result<std::string> {
    caf::scoped_actor self{system};
    result<std::string> answer = fail(errc::timeout, "the node does not answer");
    self->request(node, 4s, admin_request{"status", "{}", {}})
        .receive([&](admin_reply& reply) { answer = std::move(reply.body); }, [](caf::error&) {});
    return answer;
  };
  return p;
}

void stop_all(caf::scoped_actor& self, troupe_of_actors& actors) {
  auto stop = [&](auto& actor) {
    if (actor) self->send_exit(actor, caf::exit_reason::user_shutdown);
  };
  if (actors.coordinator)
    self->request(actors.coordinator, 2s, resign_atom::value).receive([](bool) {}, [](caf::error&) {});
  stop(actors.node);
  stop(actors.admin);
  stop(actors.coordinator);
  stop(actors.clerk);
  for (auto& scorer : actors.scorers) stop(scorer);
  stop(actors.librarian);
  stop(actors.dialer);
}

result<node_end> end_of(caf::actor_system& system, const caf::error& why) {
  if (why.category() != caf::atom("troupe")) return fail(errc::internal, "the node actor ended: " + system.render(why));
  switch (static_cast<node_exit>(why.code())) {
  case node_exit::left:
    return node_end::left;
  case node_exit::removed:
    return node_end::removed;
  case node_exit::refused:
    return fail(errc::conflict, why.context().get_as<std::string>(0));
  case node_exit::control_lost:
    break;
  case node_exit::colleague_lost:
    return fail(errc::internal, why.context().get_as<std::string>(0));
  }
  return fail(errc::unavailable, why.context().get_as<std::string>(0));
}

/// Waits for a signal or for the end of the node actor; returns how it ended.
result<node_end> watch(caf::actor_system& system, caf::scoped_actor& self, life& own) {
  sigset_t signals;
  sigemptyset(&signals);
  for (int sig : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, sig);
  bool leaving = false;
  auto give_up = std::chrono::steady_clock::time_point::max();
  self->monitor(own.actors.node);
  std::optional<result<node_end>> end;
  while (!end) {
    timespec no_wait{0, 0};
    if (int sig = ::sigtimedwait(&signals, nullptr, &no_wait); sig > 0) {
      if (leaving) return node_end::left;
      spdlog::info("{}: handing over and leaving; once more to stop at once",
                   sig == SIGINT ? "interrupted" : "told to stop");
      leaving = true;
      give_up = std::chrono::steady_clock::now() + 20s;
      self->send(own.actors.node, leave_atom::value);
    }
    if (std::chrono::steady_clock::now() > give_up) return node_end::left;
    self->receive([&](const caf::down_msg& down) { end = end_of(system, down.reason); }, caf::after(50ms) >> [] {});
  }
  return *end;
}

/// Ends the process if the rest of the shutdown takes too long.
class shutdown_watchdog {
public:
  shutdown_watchdog(int exit_code, std::chrono::seconds limit)
      : thread_([this, exit_code, limit] {
        std::unique_lock lock{mutex_};
        if (done_signal_.wait_for(lock, limit, [this] { return done_; })) return;
        spdlog::critical("stopping takes longer than {} s: the process ends without waiting", limit.count());
        spdlog::shutdown();
        std::_Exit(exit_code);
      }) {}
  ~shutdown_watchdog() {
    {
      std::lock_guard lock{mutex_};
      done_ = true;
    }
    done_signal_.notify_one();
    thread_.join();
  }

private:
  std::mutex mutex_;
  std::condition_variable done_signal_;
  bool done_ = false;
  std::thread thread_;
};

result<std::uint16_t> publish(caf::actor_system& system, const config::config& cfg, const node_actor& node,
                              std::uint16_t port) {
  auto& host = cfg.node.listen_host;
  auto bound = cfg.node.tls.enabled() ? caf::openssl::publish(node, port, host.c_str(), true)
                                      : system.middleman().publish(node, port, host.c_str(), true);
  if (!bound)
    return fail(errc::conflict,
                fmt::format("can't listen on {}:{} (node.listen): {}", host, port, system.render(bound.error())));
  return *bound;
}

} // namespace

result<node_end> run_node(const config::config& cfg, const node_surroundings& around, bool rejoining) {
  auto port = find_port(cfg.node.listen_host, cfg.node.listen_port);
  if (!port) return tl::make_unexpected(port.error());
  auto address = cfg.node.advertise.empty() ? fmt::format("{}:{}", cfg.node.listen_host, *port) : cfg.node.advertise;
  auto parts = open_ports(cfg, around);
  if (!parts) return tl::make_unexpected(parts.error());

  caf_config caf_cfg{cfg};
  std::optional<shutdown_watchdog> watchdog;
  result<node_end> outcome = node_end::left;
  auto metrics =
      std::make_shared<prometheus::Registry>(); // outlives the system: lanes take their gauges away when they end
  {
    caf::actor_system system{caf_cfg};
    system.registry().erase(caf::atom("SpawnServ"));
    system.registry().erase(caf::atom("ConfigServ"));
    life own{cfg, around, {cfg.node.name, incarnation_id{random_number()}}, address, metrics, {}, {}};
    caf::scoped_actor self{system};
    auto ready = spawn_all(system, own, *parts).and_then([&] { return publish(system, cfg, own.actors.node, *port); });
    std::unique_ptr<http_server> http;
    if (ready && cfg.node.http_enabled) {
      auto started = http_server::start(cfg.node.http_host, cfg.node.http_port, pages(system, own));
      if (started)
        http = std::move(*started);
      else
        ready = tl::make_unexpected(started.error());
    }
    if (ready) {
      spdlog::info("node {} {} the cluster {}: listening on {}{}", cfg.node.name, rejoining ? "joins again" : "joins",
                   cfg.cluster.name, address,
                   http ? fmt::format(", HTTP on {}:{}", cfg.node.http_host, http->port()) : "");
      outcome = watch(system, self, own);
    } else {
      outcome = tl::make_unexpected(ready.error());
    }
    bool left = outcome && *outcome == node_end::left, rejoins = outcome && *outcome == node_end::removed;
    watchdog.emplace(left ? 0 : 1, rejoins ? rejoin_limit : stop_limit);
    *own.stopping = true;
    http.reset();
    stop_all(self, own.actors);
    parts->reset();
  }
  return outcome;
}

} // namespace troupe::cli
