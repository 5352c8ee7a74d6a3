#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "base/transaction_timeout.hpp"
#include "config/address.hpp"
#include "config/convert.hpp"

namespace troupe::config {
namespace {

/// Reports `what` about `path` unless that place or `other`, which the check compares it with, is wrong already.
void relate(bool holds, const std::string& path, const std::string& other, std::string what, problem_list& problems) {
  if (!holds && !problems.concerns(path) && !problems.concerns(other)) problems.add(path, std::move(what));
}

void check_cluster(const cluster_config& cluster, problem_list& problems) {
  relate(cluster.removal_timeout_ms >= 4 * cluster.heartbeat_interval_ms, "cluster.removal_timeout_ms",
         "cluster.heartbeat_interval_ms",
         fmt::format("{} is not allowed; must be at least 4 heartbeats, {} ms", cluster.removal_timeout_ms.count(),
                     4 * cluster.heartbeat_interval_ms.count()),
         problems);
  relate(cluster.lease_timeout_ms >= 3 * cluster.lease_interval_ms, "cluster.lease_timeout_ms",
         "cluster.lease_interval_ms",
         fmt::format("{} is not allowed; must be at least 3 lease intervals, {} ms", cluster.lease_timeout_ms.count(),
                     3 * cluster.lease_interval_ms.count()),
         problems);
  relate(cluster.kafka_loss_timeout_ms >= 2 * cluster.lease_interval_ms, "cluster.kafka_loss_timeout_ms",
         "cluster.lease_interval_ms",
         fmt::format("{} is not allowed; must be at least 2 lease intervals, {} ms",
                     cluster.kafka_loss_timeout_ms.count(), 2 * cluster.lease_interval_ms.count()),
         problems);
}

void check_bounds(const pipeline_config& pipeline, const std::string& path, problem_list& problems) {
  auto at_least = [&](const char* name, std::uint64_t value, const char* other, std::uint64_t least) {
    auto place = json::member_path(path, name);
    relate(value >= least, place, json::member_path(path, other),
           fmt::format("{} is not allowed; must be at least {}, {}", value, other, least), problems);
  };
  at_least("max_inflight_rows", pipeline.max_inflight_rows, "max_batch_size", pipeline.max_batch_size);
  at_least("max_inflight_bytes", pipeline.max_inflight_bytes, "max_row_bytes", pipeline.max_row_bytes);
  at_least("max_uncommitted_rows", pipeline.max_uncommitted_rows, "max_inflight_rows", pipeline.max_inflight_rows);
}

void check_topic(const std::string& topic, const std::string& path, const cluster_config& cluster,
                 problem_list& problems) {
  if (topic == "." || topic == "..") problems.add(path, fmt::format("\"{}\" is no name for a topic", topic));
  for (const char* own : {"control", "lease", "models"})
    if (topic == fmt::format("troupe.{}.{}", cluster.name, own))
      problems.add(path, fmt::format("{} belongs to Troupe itself; choose another topic", topic));
}

void check_topics(const pipeline_config& pipeline, const std::string& path, const cluster_config& cluster,
                  problem_list& problems) {
  auto is_source = [&](const std::string& topic) {
    return std::find(pipeline.subscribe.begin(), pipeline.subscribe.end(), topic) != pipeline.subscribe.end();
  };
  for (std::size_t i = 0; i < pipeline.subscribe.size(); ++i)
    check_topic(pipeline.subscribe[i], json::element_path(json::member_path(path, "subscribe"), i), cluster, problems);
  auto output = json::member_path(path, "topic");
  check_topic(pipeline.topic, output, cluster, problems);
  if (!pipeline.topic.empty() && is_source(pipeline.topic))
    problems.add(output, fmt::format("{} is also a source of this pipeline, which would score its own output forever; "
                                     "choose another topic",
                                     pipeline.topic));
  auto letters = json::member_path(json::member_path(path, "errors"), "deadletterqueue.topic.name");
  const auto& dead = pipeline.errors.dead_letter_topic;
  check_topic(dead, letters, cluster, problems);
  if (!dead.empty() && is_source(dead))
    problems.add(letters, fmt::format("{} is also a source of this pipeline, which would reject its own dead letters "
                                      "forever; choose another topic",
                                      dead));
  else if (!dead.empty() && dead == pipeline.topic)
    problems.add(letters, fmt::format("{} is also the output topic; choose another, since readers of predictions can't "
                                      "tell them from dead letters",
                                      dead));
  if (problems.concerns(json::member_path(path, "subscribe"))) return;
  bool by_time = pipeline.starting.at == starting_offsets::kind::timestamp;
  auto starting = json::member_path(path, by_time ? "startingOffsetsByTimestamp" : "startingOffsets");
  for (const auto& [topic, partitions] : pipeline.starting.values) {
    if (is_source(topic)) continue;
    auto nearest = problems.size() < 100 ? nearest_name(topic, pipeline.subscribe) : std::string();
    problems.add(json::member_path(starting, topic),
                 fmt::format("is not among the topics of subscribe{}",
                             nearest.empty() ? std::string() : fmt::format("; did you mean {}?", nearest)));
  }
}

void check_twice(const std::vector<std::string>& names, const std::string& path, problem_list& problems) {
  std::unordered_set<std::string> seen;
  for (std::size_t i = 0; i < names.size(); ++i)
    if (!seen.insert(names[i]).second && !names[i].empty())
      problems.add(json::element_path(path, i), fmt::format("{} is named twice; remove one", names[i].substr(0, 80)));
}

bool is_pointer(const std::string& field) {
  for (std::size_t i = 0; i < field.size(); ++i)
    if (field[i] == '~' && (i + 1 == field.size() || (field[i + 1] != '0' && field[i + 1] != '1'))) return false;
  return true;
}

void check_output(const pipeline_config& pipeline, const std::string& path, problem_list& problems) {
  auto carry = json::member_path(path, "output.carry");
  check_twice(pipeline.features, json::member_path(path, "features"), problems);
  if (!pipeline.output.carry) return;
  const auto& fields = *pipeline.output.carry;
  check_twice(fields, carry, problems);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].compare(0, 1, "/") == 0 && !is_pointer(fields[i]))
      problems.add(json::element_path(carry, i),
                   fmt::format("\"{}\" is not a JSON pointer: '~' stands only in ~0 and ~1", fields[i].substr(0, 80)));
    for (const auto& [name, choice] : pipeline.output.prediction)
      if (name == fields[i])
        problems.add(json::element_path(carry, i),
                     fmt::format("\"{}\" is also the name of a prediction; a field can't stand twice in an output",
                                 name.substr(0, 80)));
  }
}

/// Half of the time is for what comes after the interval.
constexpr milliseconds transaction_interval_max = transaction_timeout / 2;

void check_delivery(const pipeline_config& pipeline, const std::string& path, problem_list& problems) {
  relate(pipeline.delivery != "exactly_once" || pipeline.commit_interval_ms <= transaction_interval_max,
         json::member_path(path, "commit.interval.ms"), json::member_path(path, "delivery"),
         fmt::format("{} is not allowed; with exactly_once at most {} ms, since brokers give up transactions that are "
                     "open for long",
                     pipeline.commit_interval_ms.count(), transaction_interval_max.count()),
         problems);
  const auto& headers = pipeline.output.headers;
  for (std::size_t i = 0; i < headers.size(); ++i)
    if (headers[i] == "troupe.txn" && pipeline.delivery != "exactly_once")
      problems.add(json::element_path(json::member_path(path, "output.headers"), i),
                   "troupe.txn names a transaction, and only delivery exactly_once has them; remove it");
}

void check_pipelines(const config& loaded, problem_list& problems) {
  std::unordered_map<std::string, std::size_t> names, groups;
  for (std::size_t i = 0; i < loaded.pipelines.size(); ++i) {
    const auto& pipeline = loaded.pipelines[i];
    auto path = json::element_path("pipelines", i);
    if (problems.holds(path)) continue;
    check_topics(pipeline, path, loaded.cluster, problems);
    check_bounds(pipeline, path, problems);
    check_output(pipeline, path, problems);
    check_delivery(pipeline, path, problems);
    if (pipeline.name.empty()) continue;
    if (auto [first, fresh] = names.emplace(pipeline.name, i); !fresh)
      problems.add(
          json::member_path(path, "name"),
          fmt::format("{} is the name of pipelines[{}] too; each needs its own", pipeline.name, first->second));
    else if (auto [other, fresh_group] = groups.emplace(pipeline.group_id, i); !fresh_group)
      problems.add(
          json::member_path(path, "group.id"),
          fmt::format("{} is the group of pipelines[{}] too; each needs its own, since both would commit to it",
                      pipeline.group_id, other->second));
  }
}

void check_tls(const tls_config& tls, problem_list& problems) {
  bool any = !tls.certificate.empty() || !tls.key.empty() || !tls.ca.empty() || !tls.passphrase.empty();
  const std::pair<const char*, const std::string*> files[] = {
      {"node.tls.certificate", &tls.certificate}, {"node.tls.key", &tls.key}, {"node.tls.ca", &tls.ca}};
  for (const auto& [place, file] : files)
    if (any && file->empty() && !problems.concerns(place))
      problems.add(place, "is missing; node.tls needs certificate, key and ca, or none of them");
}

void check_node(const node_config& node, problem_list& problems) {
  check_tls(node.tls, problems);
  if (!problems.concerns("node.listen") && !is_loopback(node.listen_host) && !node.tls.enabled())
    problems.add("node.listen",
                 fmt::format("{} can be reached from other machines, and whoever reaches this port commands "
                             "the node; configure node.tls, or listen on 127.0.0.1",
                             node.listen_host));
  if (node.http_enabled && !problems.concerns("node.http") && !is_loopback(node.http_host))
    problems.add("node.http", fmt::format("{} can be reached from other machines, and HTTP here has no TLS; listen on "
                                          "127.0.0.1 and put a proxy in front",
                                          node.http_host));
  if (!problems.concerns("node.listen") && is_wildcard(node.listen_host) && node.advertise.empty())
    problems.add("node.advertise",
                 fmt::format("is required with listen on {}, which other nodes can't dial", node.listen_host));
  if (auto dialled = parse_address(node.advertise); dialled && (dialled->port == 0 || is_wildcard(dialled->host)))
    problems.add("node.advertise",
                 fmt::format("{} can't be dialled; give a host and port that other nodes reach", node.advertise));
  bool same = node.http_enabled && node.listen_port != 0 && node.listen_port == node.http_port &&
              (node.listen_host == node.http_host || is_wildcard(node.listen_host));
  relate(!same, "node.http", "node.listen", fmt::format("port {} is that of listen; choose another", node.http_port),
         problems);
}

} // namespace

void check_meaning(const config& loaded, problem_list& problems) {
  check_cluster(loaded.cluster, problems);
  check_pipelines(loaded, problems);
  check_node(loaded.node, problems);
}

} // namespace troupe::config
