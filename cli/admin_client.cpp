#include "cli/admin_client.hpp"

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>
#include <utility>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/io/middleman.hpp>
#include <caf/openssl/manager.hpp>
#include <caf/scoped_actor.hpp>
#include <fmt/format.h>

#include "actors/dialer.hpp"
#include "actors/tls_files.hpp"
#include "config/load.hpp"
#include "kafka/control_ports.hpp"
#include "kafka/topics.hpp"

namespace troupe::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kafka_limit = 10'000ms;
constexpr auto dial_limit = 3'000ms;

/// Reads the control topic to its end.
result<cluster_state> read_control(const config::config& cfg) {
  auto topic = control_topic(cfg.cluster.name);
  auto admin = kafka::topic_admin::open(cfg.kafka);
  if (!admin) return tl::make_unexpected(admin.error());
  auto there = (*admin)->exists(topic, kafka_limit);
  if (!there) return tl::make_unexpected(there.error());
  if (!*there)
    return fail(errc::not_found,
                fmt::format("no cluster {} has ever run on this Kafka (there is no topic {}); start a node first",
                            cfg.cluster.name, topic));
  auto reader = kafka::make_log_reader(cfg.kafka, topic, kafka::log_start::beginning(), kafka::fetch_wait_embedded);
  if (!reader) return tl::make_unexpected(reader.error());
  struct bell {
    std::mutex mutex;
    std::condition_variable ring;
  };
  auto shared = std::make_shared<bell>();
  (*reader)->on_ready([shared] { shared->ring.notify_one(); });
  cluster_state state;
  auto give_up = std::chrono::steady_clock::now() + kafka_limit;
  for (;;) {
    std::vector<log_record> records;
    (*reader)->poll(records);
    for (auto& record : records) state.apply(record);
    if ((*reader)->caught_up()) return state;
    if (auto lost = (*reader)->lost()) return tl::make_unexpected(*lost);
    if (auto denied = (*reader)->denied(); !denied.empty()) return fail(errc::invalid, std::move(denied));
    if (std::chrono::steady_clock::now() > give_up)
      return fail(errc::timeout, fmt::format("topic {} could not be read within {} s", topic, kafka_limit / 1s));
    std::unique_lock lock{shared->mutex};
    shared->ring.wait_for(lock, 20ms);
  }
}

/// Where nodes may be, the coordinator's first: it can answer without asking anybody.
result<std::vector<std::string>> addresses(const config::config& cfg) {
  auto state = read_control(cfg);
  if (!state) return tl::make_unexpected(state.error());
  std::vector<std::string> found;
  if (auto& claim = state->coordinator()) found.push_back(claim->address);
  for (auto* member : state->members_by_age())
    if (std::find(found.begin(), found.end(), member->address) == found.end()) found.push_back(member->address);
  if (found.empty())
    return fail(errc::unavailable,
                "no node of cluster " + cfg.cluster.name + " is running; start one: troupe node --name a");
  return found;
}

class client_config : public caf::actor_system_config {
public:
  explicit client_config(const config::config& cfg) {
    add_message_types<caf::id_block::troupe>();
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", std::uint64_t{1});
    set("middleman.workers", std::uint64_t{0});
    // A node drops who is silent for removal_timeout_ms, and answers may take longer.
    set("middleman.heartbeat-interval", caf::timespan{cfg.cluster.heartbeat_interval_ms});
    set("middleman.app-identifiers", std::vector<std::string>{"troupe/" + cfg.cluster.name});
    load<caf::io::middleman>();
    if (!cfg.node.tls.enabled()) return;
    openssl_certificate = cfg.node.tls.certificate;
    openssl_key = cfg.node.tls.key;
    openssl_cafile = cfg.node.tls.ca;
    openssl_passphrase = cfg.node.tls.passphrase;
    load<caf::openssl::manager>();
  }
};

} // namespace

void cluster_options::add_to(CLI::App& command) {
  command.add_option("-c,--config", config_file, "Cluster config file")->capture_default_str();
  command.add_option("--node", node, "Ask the node at host:port, without looking into Kafka");
  command.add_option("--set", sets, "Override one option of the config: a.b=c");
}

result<cluster_state> read_cluster(const cluster_options& options) {
  auto cfg = config::load_file(options.config_file, {options.sets, {}, {}});
  if (!cfg) return tl::make_unexpected(cfg.error());
  return read_control(*cfg);
}

struct admin_client::impl {
  explicit impl(const config::config& cfg)
      : caf_cfg(cfg)
      , system(caf_cfg) {}
  client_config caf_cfg;
  caf::actor_system system;
  door_actor door;
};

admin_client::admin_client(std::unique_ptr<impl> own)
    : impl_(std::move(own)) {}
admin_client::~admin_client() = default;

result<std::unique_ptr<admin_client>> admin_client::connect(const cluster_options& options) {
  quiet_logging();
  auto cfg = config::load_file(options.config_file, {options.sets, {}, {}});
  if (!cfg) return tl::make_unexpected(cfg.error());
  if (auto& tls = cfg->node.tls; tls.enabled())
    if (auto good = check_tls_files({tls.certificate, tls.key, tls.ca, tls.passphrase}); !good)
      return tl::make_unexpected(good.error());
  std::vector<std::string> targets{options.node};
  if (options.node.empty()) {
    auto found = addresses(*cfg);
    if (!found) return tl::make_unexpected(found.error());
    targets = *found;
  }
  auto own = std::make_unique<impl>(*cfg);
  auto dialing = own->system.spawn<caf::detached>(dialer, dialer_config{500ms, 2000ms, cfg->node.tls.enabled()});
  caf::scoped_actor self{own->system};
  std::string tried;
  for (auto& target : targets) {
    self->request(dialing, dial_limit, dial{target})
        .receive(
            [&](const dialed& done) {
              own->door = done.door;
              if (!done.door) tried += (tried.empty() ? "" : "; ") + done.why;
            },
            [&](const caf::error& why) {
              tried += (tried.empty() ? "" : "; ") + target + ": " + own->system.render(why);
            });
    if (own->door) break;
  }
  self->send_exit(dialing, caf::exit_reason::user_shutdown);
  if (!own->door) return fail(errc::unavailable, "no node can be reached: " + tried);
  return std::unique_ptr<admin_client>(new admin_client(std::move(own)));
}

namespace {

/// CAF fails no request to a node that has gone, so the connection is watched as well.
void ask_once(caf::event_based_actor* self, const door_actor& door, const admin_request& request,
              std::chrono::milliseconds limit, const std::shared_ptr<std::promise<result<std::string>>>& answer) {
  auto told = std::make_shared<bool>(false);
  auto tell = [=](result<std::string> what) {
    if (!std::exchange(*told, true)) answer->set_value(std::move(what));
    self->quit();
  };
  auto unknown = [](const std::string& why) {
    return fail(errc::timeout, why + "; whether it was done is unknown, look with troupe status");
  };
  self->set_down_handler([=](const caf::down_msg&) { tell(unknown("the connection to the node is lost")); });
  self->monitor(door);
  self->request(door, limit, request)
      .then(
          [=](admin_reply& reply) {
            tell(reply.ok ? result<std::string>(std::move(reply.body)) : fail(errc::invalid, std::move(reply.body)));
          },
          [=](caf::error& why) {
            tell(unknown(fmt::format("the node does not answer ({})", self->system().render(why))));
          });
}

} // namespace

result<std::string> admin_client::ask(const std::string& verb, const std::string& body, std::chrono::milliseconds limit,
                                      std::vector<char> blob) {
  auto answer = std::make_shared<std::promise<result<std::string>>>();
  auto given = answer->get_future();
  impl_->system.spawn(ask_once, impl_->door, admin_request{verb, body, std::move(blob)}, limit, answer);
  return given.get();
}

} // namespace troupe::cli
