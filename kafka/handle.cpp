#include "kafka/handle.hpp"

#include <array>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <new>
#include <thread>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace troupe::kafka {
namespace {

std::shared_ptr<spdlog::logger> logger() {
  auto own = spdlog::get("kafka");
  return own ? own : spdlog::default_logger();
}

spdlog::level::level_enum level_of(int syslog_level) {
  if (syslog_level <= 2) return spdlog::level::err;
  if (syslog_level <= 4) // a lost connection is an LOG_ERR for librdkafka, and an ordinary Tuesday for us
    return spdlog::level::warn;
  return syslog_level <= 6 ? spdlog::level::info : spdlog::level::debug;
}

void on_log(const rd_kafka_t* client, int level, const char* facility, const char* text) {
  const std::string_view where(facility), what(text);
  // One set of properties serves consumers and producers; the embedded broker lives in a client without servers, and is
  // too simple to be told not to make topics. None of it is news to anybody.
  if ((where == "CONFWARN" &&
       (what.find("will be ignored by this") != what.npos || what.find("No `bootstrap.servers`") != what.npos ||
        what.find("enable.gapless.guarantee is experimental") != what.npos)) ||
      where == "AUTOCREATE")
    return;
  try {
    if (auto log = logger())
      log->log(level_of(level), "{} [{}] {}", client ? rd_kafka_name(client) : "-", where, printable(what));
  } catch (...) {
    // A thread of librdkafka called: nothing may be thrown through it, and there is nobody to tell.
  }
}

// Each of these makes the client run code, a command or a request that a config file must not be able to choose, or
// swaps the cluster for an in-process one.
constexpr std::array refused = {"plugin.library.paths",
                                "ssl.engine.location",
                                "ssl.providers",
                                "sasl.kerberos.kinit.cmd",
                                "sasl.oauthbearer.token.endpoint.url",
                                "test.mock.num.brokers",
                                "builtin.features",
                                "interceptors",
                                "opaque"};

result<void> set_property(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  std::array<char, 512> why{};
  const auto outcome = rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why.data(), why.size());
  if (outcome == RD_KAFKA_CONF_OK) return {};
  if (outcome == RD_KAFKA_CONF_UNKNOWN)
    return fail(errc::invalid, fmt::format("kafka property \"{}\" is not one that librdkafka {} knows; see its "
                                           "CONFIGURATION.md for the names",
                                           printable(name), rd_kafka_version_str()));
  return fail(errc::invalid, fmt::format("kafka property \"{}\": {}", printable(name), printable(why.data())));
}

rd_kafka_resp_err_t on_response(rd_kafka_t*, int, const char*, std::int32_t, std::int16_t api, std::int16_t,
                                std::int32_t, std::size_t, std::int64_t, rd_kafka_resp_err_t failure, void* watched) {
  constexpr std::int16_t fetch = 1, list_offsets = 2, sasl_handshake = 17, api_versions = 18, sasl_authenticate = 36;
  if (failure != RD_KAFKA_RESP_ERR_NO_ERROR || api == sasl_handshake || api == api_versions || api == sasl_authenticate)
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  auto& to = *static_cast<contact*>(watched);
  if (to.leaders_only && api != fetch && api != list_offsets) return RD_KAFKA_RESP_ERR_NO_ERROR;
  to.last_ns.store(std::chrono::steady_clock::now().time_since_epoch().count(), std::memory_order_relaxed);
  if (to.answered) to.answered();
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t on_request(rd_kafka_t*, int, const char*, std::int32_t, std::int16_t api, std::int16_t,
                               std::int32_t, std::size_t, void* watched) {
  constexpr std::int16_t end_transaction = 26, transaction_offsets = 28;
  auto& to = *static_cast<contact*>(watched);
  if (api == end_transaction) ++to.end_requests;
  if (api == transaction_offsets) ++to.offset_requests;
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t on_commit(rd_kafka_t*, const rd_kafka_topic_partition_list_t* offsets, rd_kafka_resp_err_t,
                              void* watched) {
  static_cast<contact*>(watched)->committed(*offsets);
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t on_client_made(rd_kafka_t* client, const rd_kafka_conf_t*, void* watched, char*, std::size_t) {
  if (static_cast<contact*>(watched)->counts_transactions)
    rd_kafka_interceptor_add_on_request_sent(client, "troupe", on_request, watched);
  if (static_cast<contact*>(watched)->committed)
    rd_kafka_interceptor_add_on_commit(client, "troupe", on_commit, watched);
  return rd_kafka_interceptor_add_on_response_received(client, "troupe", on_response, watched);
}

} // namespace

milliseconds contact::age() const {
  using clock = std::chrono::steady_clock;
  const auto last = last_ns.load(std::memory_order_relaxed);
  const auto since = last == 0 ? born : clock::time_point(clock::duration(last));
  return std::chrono::duration_cast<milliseconds>(clock::now() - since);
}

bool run_bounded(std::function<void()> work, milliseconds limit, const char* what) {
  struct shared_state {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
  };
  auto state = std::make_shared<shared_state>();
  std::thread([state, work = std::move(work)]() mutable {
    work();
    work = nullptr;
    std::lock_guard lock(state->mutex);
    state->done = true;
    state->changed.notify_all();
  }).detach();
  std::unique_lock lock(state->mutex);
  if (state->changed.wait_for(lock, limit, [&] { return state->done; })) return true;
  if (auto log = logger()) log->warn("{} did not end within {} ms; left behind on its thread", what, limit.count());
  return false;
}

void handle_destroyer::operator()(rd_kafka_t* client) const noexcept {
  try {
    // `kept` goes along: brokers' threads run on until rd_kafka_destroy() returns, past the interceptor on_destroy.
    run_bounded([client, kept = kept] { rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); }, limit,
                "closing a Kafka client");
  } catch (...) {
    // No thread to be had: leaking the client, with what it touches, is better than hanging in a destructor.
    static_cast<void>(new (std::nothrow) std::shared_ptr<void>(kept));
  }
}

result<handle_ptr> open_client(role which, const kafka_properties& user, const kafka_properties& fixed, int events,
                               const std::function<void(rd_kafka_conf_t*)>& adjust, std::shared_ptr<contact> watch) {
  conf_ptr conf(rd_kafka_conf_new());
  // Small requests are sent at once, unless the user wants it otherwise.
  if (auto set = set_property(conf.get(), "socket.nagle.disable", "true"); !set)
    return tl::make_unexpected(set.error());
  for (const auto& [name, value] : user) {
    for (const auto* never : refused)
      if (name == never)
        return fail(errc::invalid,
                    fmt::format("kafka property \"{}\" is refused: it could run code or leave the cluster; "
                                "remove it",
                                name));
    if (fixed.contains(name)) continue;
    if (auto set = set_property(conf.get(), name, value); !set) return tl::make_unexpected(set.error());
  }
  for (const auto& [name, value] : fixed)
    if (auto set = set_property(conf.get(), name, value); !set) return tl::make_unexpected(set.error());
  rd_kafka_conf_set_log_cb(conf.get(), on_log);
  if (events != 0) rd_kafka_conf_set_events(conf.get(), events);
  if (adjust) adjust(conf.get());
  if (watch) rd_kafka_conf_interceptor_add_on_new(conf.get(), "troupe", on_client_made, watch.get());
  std::array<char, 512> why{};
  const auto type = which == role::consumer ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER;
  auto* client = rd_kafka_new(type, conf.get(), why.data(), why.size());
  if (client == nullptr)
    return fail(errc::invalid, fmt::format("can't open a Kafka {}: {}",
                                           which == role::consumer ? "consumer" : "producer", printable(why.data())));
  conf.release(); // rd_kafka_new() took it
  return handle_ptr(client, handle_destroyer{.kept = std::move(watch)});
}

std::string describe(rd_kafka_resp_err_t code) {
  return fmt::format("{} ({})", rd_kafka_err2str(code), rd_kafka_err2name(code));
}

errc kind_of(rd_kafka_resp_err_t code) {
  switch (code) {
  case RD_KAFKA_RESP_ERR__FENCED:
  case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
  case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    return errc::fenced;
  case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
  case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
  case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    return errc::not_found;
  case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
    return errc::conflict;
  case RD_KAFKA_RESP_ERR__TIMED_OUT:
  case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
  case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
  case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    return errc::timeout;
  case RD_KAFKA_RESP_ERR__TRANSPORT:
  case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
  case RD_KAFKA_RESP_ERR__RESOLVE:
  case RD_KAFKA_RESP_ERR__WAIT_COORD:
  case RD_KAFKA_RESP_ERR__QUEUE_FULL:
  case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
  case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
  case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
  case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
  case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
  case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
  case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
  case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
  case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    return errc::unavailable;
  case RD_KAFKA_RESP_ERR__INVALID_ARG:
  case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
  case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
  case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
  case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
  case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
  case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
  case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
  case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
  case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
  case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    return errc::invalid;
  default:
    return errc::internal;
  }
}

bool is_denial(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
         code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED ||
         code == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
}

error make_error(rd_kafka_resp_err_t code, const std::string& doing, std::string_view detail) {
  auto text = fmt::format("{}: {}", doing, describe(code));
  if (!detail.empty()) text += fmt::format(" [{}]", printable(detail));
  if (is_denial(code)) text += "; give the node's Kafka user the right to do it (docs/operations.md lists them)";
  return {kind_of(code), std::move(text)};
}

error make_error(const rd_kafka_error_t* failure, const std::string& doing) {
  return make_error(rd_kafka_error_code(failure), doing, rd_kafka_error_string(failure));
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else if (byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  return out;
}

void add_commit(rd_kafka_t* client, rd_kafka_topic_partition_list_t* list, const topic_partition& where,
                std::int64_t offset, const std::string& metadata) {
  auto* entry = rd_kafka_topic_partition_list_add(list, where.topic.c_str(), where.partition);
  entry->offset = offset;
  if (metadata.empty()) return;
  // The list frees it. librdkafka reads it as a C string, too.
  auto* copy = static_cast<char*>(rd_kafka_mem_calloc(client, 1, metadata.size() + 1));
  std::memcpy(copy, metadata.data(), metadata.size());
  entry->metadata = copy;
  entry->metadata_size = metadata.size();
}

bool is_embedded(rd_kafka_t* client, milliseconds limit) {
  const std::unique_ptr<char, void (*)(char*)> id(rd_kafka_clusterid(client, static_cast<int>(limit.count())),
                                                  [](char* p) { rd_kafka_mem_free(nullptr, p); });
  return id && std::string_view(id.get()).starts_with("mockCluster");
}

} // namespace troupe::kafka
