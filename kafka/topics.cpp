#include "kafka/topics.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <thread>

#include <fmt/format.h>

#include "kafka/deadline.hpp"
#include "kafka/handle.hpp"

namespace troupe::kafka {
namespace {

using metadata_ptr = std::unique_ptr<const struct rd_kafka_metadata, c_deleter<rd_kafka_metadata_destroy>>;
using options_ptr = std::unique_ptr<rd_kafka_AdminOptions_t, c_deleter<rd_kafka_AdminOptions_destroy>>;
using new_topic_ptr = std::unique_ptr<rd_kafka_NewTopic_t, c_deleter<rd_kafka_NewTopic_destroy>>;
using delete_topic_ptr = std::unique_ptr<rd_kafka_DeleteTopic_t, c_deleter<rd_kafka_DeleteTopic_destroy>>;
using resource_ptr = std::unique_ptr<rd_kafka_ConfigResource_t, c_deleter<rd_kafka_ConfigResource_destroy>>;
using configs_map = std::map<std::string, std::string>;

constexpr milliseconds look_again_after{100};
constexpr milliseconds propagation_limit{5000};

error missing(const std::string& name) {
  return {errc::not_found, fmt::format("topic \"{}\" does not exist; see `troupe topics list`, or make it with "
                                       "`troupe topics create`",
                                       printable(name))};
}

error embedded_refusal(const std::string& what, const std::string& name) {
  return {errc::unsupported,
          fmt::format("the embedded broker can't {} topic \"{}\" while it runs; name topics when starting "
                      "it: `troupe broker --topics {}:4`",
                      what, printable(name), printable(name))};
}

struct cluster_topic {
  std::string name;
  configs_map configs;
  std::string policy;
};

std::vector<cluster_topic> topics_of(const std::string& cluster) {
  return {// Compaction spares the active segment: it has to be closed now and then, or the log grows without end.
          {control_topic(cluster),
           {{"cleanup.policy", "compact"}, {"segment.ms", "600000"}, {"min.cleanable.dirty.ratio", "0.1"}},
           "compact"},
          {lease_topic(cluster),
           {{"cleanup.policy", "delete"}, {"retention.ms", "600000"}, {"segment.ms", "600000"}},
           "delete"},
          {models_topic(cluster),
           {{"cleanup.policy", "delete"},
            {"retention.ms", "-1"},
            {"retention.bytes", "-1"},
            {"max.message.bytes", "1048588"}},
           "delete"}};
}

} // namespace

topic_limits limits_of(std::int32_t partitions, const configs_map& configs) {
  topic_limits out;
  out.partitions = partitions;
  const auto text = [&](const char* name) {
    const auto at = configs.find(name);
    return at == configs.end() ? std::string_view{} : std::string_view{at->second};
  };
  const auto read = [&](const char* name, auto otherwise) {
    auto number = otherwise;
    std::from_chars(text(name).data(), text(name).data() + text(name).size(), number);
    return number;
  };
  out.max_message_bytes = read("max.message.bytes", out.max_message_bytes);
  out.compacted = text("cleanup.policy").find("compact") != std::string_view::npos;
  if (text("message.timestamp.type") == "LogAppendTime") return out; // the broker overwrites them
  // The last one is older than Kafka 3.6, and still there until 4.0.
  out.timestamp_before_max_ms = read("message.timestamp.before.max.ms", out.timestamp_before_max_ms);
  out.timestamp_after_max_ms = read("message.timestamp.after.max.ms", out.timestamp_after_max_ms);
  const auto both = read("message.timestamp.difference.max.ms", std::numeric_limits<std::int64_t>::max());
  out.timestamp_before_max_ms = std::min(out.timestamp_before_max_ms, both);
  out.timestamp_after_max_ms = std::min(out.timestamp_after_max_ms, both);
  return out;
}

result<void> check_dead_letter_topic(const std::string& name, const topic_limits& limits) {
  if (!limits.compacted) return {};
  return fail(
      errc::invalid,
      fmt::format("dead-letter topic \"{0}\" is compacted, and Kafka takes no record without a key there; choose "
                  "another one, or: kafka-configs.sh --alter --entity-type topics --entity-name {0} "
                  "--add-config cleanup.policy=delete",
                  printable(name)));
}

struct topic_admin::impl {
  handle_ptr client;
  queue_ptr replies;
  std::string servers; ///< as the user gave them, for errors
  std::optional<bool> embedded;

  options_ptr options(rd_kafka_admin_op_t operation, const deadline& until) const {
    options_ptr made(rd_kafka_AdminOptions_new(client.get(), operation));
    std::array<char, 256> why{};
    const auto left = std::max(1, until.left_ms());
    rd_kafka_AdminOptions_set_request_timeout(made.get(), left, why.data(), why.size());
    if (operation == RD_KAFKA_ADMIN_OP_CREATETOPICS || operation == RD_KAFKA_ADMIN_OP_DELETETOPICS)
      rd_kafka_AdminOptions_set_operation_timeout(made.get(), left, why.data(), why.size());
    return made;
  }

  /// The answer to the one admin request that is under way; late answers to abandoned ones are passed over.
  result<event_ptr> reply(rd_kafka_event_type_t type, const std::string& doing, const deadline& until) const {
    for (;;) {
      event_ptr event(rd_kafka_queue_poll(replies.get(), until.left_ms()));
      if (!event)
        return fail(errc::timeout, doing + ": Kafka did not answer in time; check that the brokers run and try again");
      if (rd_kafka_event_type(event.get()) != type) continue;
      if (const auto code = rd_kafka_event_error(event.get()); code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return tl::make_unexpected(make_error(code, doing, rd_kafka_event_error_string(event.get())));
      return event;
    }
  }

  /// Metadata of all topics: that never creates one, on any broker.
  result<metadata_ptr> metadata(const deadline& until) const {
    const struct rd_kafka_metadata* raw = nullptr;
    const auto code = rd_kafka_metadata(client.get(), 1, nullptr, &raw, std::max(1, until.left_ms()));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
      return fail(errc::unavailable,
                  fmt::format("Kafka at {} can't be reached: {}; check the address and that the brokers run", servers,
                              kafka::describe(code)));
    return metadata_ptr(raw);
  }

  static const rd_kafka_metadata_topic* find(const struct rd_kafka_metadata& all, const std::string& name) {
    for (int i = 0; i < all.topic_cnt; ++i)
      if (name == all.topics[i].topic && all.topics[i].err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        return &all.topics[i];
    return nullptr;
  }

  result<bool> is_embedded_broker(const deadline& until) {
    if (!embedded) {
      auto answered = metadata(until); // with it comes the cluster's id
      if (!answered) return tl::make_unexpected(answered.error());
      embedded = is_embedded(client.get(), milliseconds(std::max(1, until.left_ms(milliseconds(1000)))));
    }
    return *embedded;
  }

  result<configs_map> configs(const std::string& name, const deadline& until) const;
  result<configs_map> configs_now(const std::string& name, const deadline& until) const;
  result<void> check(const cluster_topic& wanted, const rd_kafka_metadata_topic& found, const deadline& until);
};

topic_admin::topic_admin(std::unique_ptr<impl> own)
    : impl_(std::move(own)) {}
topic_admin::~topic_admin() = default;

result<std::unique_ptr<topic_admin>> topic_admin::open(const kafka_properties& properties) {
  auto client = open_client(role::consumer, properties,
                            {{"allow.auto.create.topics", "false"},
                             {"log.connection.close", "false"},
                             {"topic.metadata.propagation.max.ms", "0"}});
  if (!client) return tl::make_unexpected(client.error());
  auto own = std::make_unique<impl>();
  const auto servers = properties.find("bootstrap.servers");
  own->servers = servers == properties.end() ? "?" : servers->second;
  own->client = std::move(*client);
  own->replies.reset(rd_kafka_queue_new(own->client.get()));
  return std::unique_ptr<topic_admin>(new topic_admin(std::move(own)));
}

result<bool> topic_admin::embedded(milliseconds limit) { return impl_->is_embedded_broker(deadline(limit)); }

result<void> topic_admin::create(const std::string& name, std::int32_t partitions, std::int32_t replication_factor,
                                 const std::map<std::string, std::string>& configs, milliseconds limit) {
  const deadline until(limit);
  const auto doing = fmt::format("can't create topic \"{}\"", printable(name));
  auto embedded_one = impl_->is_embedded_broker(until);
  if (!embedded_one) return tl::make_unexpected(embedded_one.error());
  if (*embedded_one) return tl::make_unexpected(embedded_refusal("create", name));
  std::array<char, 512> why{};
  const new_topic_ptr topic(
      rd_kafka_NewTopic_new(name.c_str(), partitions, replication_factor, why.data(), why.size()));
  if (!topic) return fail(errc::invalid, fmt::format("{}: {}", doing, printable(why.data())));
  for (const auto& [key, value] : configs) rd_kafka_NewTopic_set_config(topic.get(), key.c_str(), value.c_str());
  auto* request = topic.get();
  rd_kafka_CreateTopics(impl_->client.get(), &request, 1, impl_->options(RD_KAFKA_ADMIN_OP_CREATETOPICS, until).get(),
                        impl_->replies.get());
  auto answer = impl_->reply(RD_KAFKA_EVENT_CREATETOPICS_RESULT, doing, until);
  if (!answer) return tl::make_unexpected(answer.error());
  std::size_t count = 0;
  const auto* results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer->get()), &count);
  for (std::size_t i = 0; i < count; ++i)
    if (const auto code = rd_kafka_topic_result_error(results[i]); code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      const char* detail = rd_kafka_topic_result_error_string(results[i]);
      return tl::make_unexpected(make_error(code, doing, detail ? detail : ""));
    }
  for (;; std::this_thread::sleep_for(look_again_after)) {
    auto all = impl_->metadata(until);
    if (!all) return tl::make_unexpected(all.error());
    const auto* found = impl::find(**all, name);
    if (found != nullptr && found->partition_cnt == partitions &&
        std::all_of(found->partitions, found->partitions + found->partition_cnt,
                    [](const rd_kafka_metadata_partition& one) { return one.leader >= 0; }))
      return {};
    if (until.passed())
      return fail(errc::timeout,
                  fmt::format("topic \"{}\" was created, but has partitions without a leader yet; see `troupe "
                              "topics describe {}`",
                              name, name));
  }
}

result<std::vector<topic_info>> topic_admin::list(milliseconds limit) {
  auto all = impl_->metadata(deadline(limit));
  if (!all) return tl::make_unexpected(all.error());
  std::vector<topic_info> topics;
  for (int i = 0; i < (*all)->topic_cnt; ++i)
    topics.push_back({(*all)->topics[i].topic, (*all)->topics[i].partition_cnt});
  std::sort(topics.begin(), topics.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return topics;
}

result<bool> topic_admin::exists(const std::string& name, milliseconds limit) {
  auto all = impl_->metadata(deadline(limit));
  if (!all) return tl::make_unexpected(all.error());
  return impl::find(**all, name) != nullptr;
}

result<topic_description> topic_admin::describe(const std::string& name, milliseconds limit) {
  const deadline until(limit);
  auto all = impl_->metadata(until);
  if (!all) return tl::make_unexpected(all.error());
  const auto* found = impl::find(**all, name);
  if (found == nullptr) return tl::make_unexpected(missing(name));
  topic_description description{name, {}, {}};
  for (int i = 0; i < found->partition_cnt; ++i) {
    const auto& from = found->partitions[i];
    partition_description to{from.id, from.leader, {from.replicas, from.replicas + from.replica_cnt}, -1, -1};
    std::int64_t low = -1, high = -1;
    if (from.leader >= 0 &&
        rd_kafka_query_watermark_offsets(impl_->client.get(), name.c_str(), from.id, &low, &high,
                                         std::max(1, until.left_ms(milliseconds(5000)))) == RD_KAFKA_RESP_ERR_NO_ERROR)
      to.low = low, to.high = high;
    description.partitions.push_back(std::move(to));
  }
  std::sort(description.partitions.begin(), description.partitions.end(),
            [](const auto& a, const auto& b) { return a.partition < b.partition; });
  auto embedded_one = impl_->is_embedded_broker(until);
  if (!embedded_one || *embedded_one) return description;
  auto configs = impl_->configs(name, until);
  if (!configs) return tl::make_unexpected(configs.error());
  description.configs = std::move(*configs);
  return description;
}

// Of a topic that was made just now some brokers have not heard yet, and any of them may be the one that is asked.
result<configs_map> topic_admin::impl::configs(const std::string& name, const deadline& until) const {
  for (const deadline heard_by(propagation_limit);; std::this_thread::sleep_for(look_again_after)) {
    auto found = configs_now(name, until);
    if (found || found.error().code != errc::not_found || heard_by.passed() || until.passed()) return found;
  }
}

result<configs_map> topic_admin::impl::configs_now(const std::string& name, const deadline& until) const {
  const auto doing = fmt::format("can't read the settings of topic \"{}\"", printable(name));
  const resource_ptr resource(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name.c_str()));
  auto* request = resource.get();
  rd_kafka_DescribeConfigs(client.get(), &request, 1, options(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, until).get(),
                           replies.get());
  auto answer = reply(RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT, doing, until);
  if (!answer) return tl::make_unexpected(answer.error());
  std::size_t count = 0;
  const auto* results =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(answer->get()), &count);
  configs_map out;
  for (std::size_t i = 0; i < count; ++i) {
    if (const auto code = rd_kafka_ConfigResource_error(results[i]); code != RD_KAFKA_RESP_ERR_NO_ERROR) {
      const char* detail = rd_kafka_ConfigResource_error_string(results[i]);
      return tl::make_unexpected(make_error(code, doing, detail ? detail : ""));
    }
    std::size_t entries = 0;
    const auto* configs = rd_kafka_ConfigResource_configs(results[i], &entries);
    for (std::size_t j = 0; j < entries; ++j)
      if (const char* value = rd_kafka_ConfigEntry_value(configs[j]))
        out[rd_kafka_ConfigEntry_name(configs[j])] = value;
  }
  return out;
}

result<void> topic_admin::remove(const std::string& name, milliseconds limit) {
  const deadline until(limit);
  const auto doing = fmt::format("can't delete topic \"{}\"", printable(name));
  auto embedded_one = impl_->is_embedded_broker(until);
  if (!embedded_one) return tl::make_unexpected(embedded_one.error());
  if (*embedded_one) return tl::make_unexpected(embedded_refusal("delete", name));
  const delete_topic_ptr topic(rd_kafka_DeleteTopic_new(name.c_str()));
  auto* request = topic.get();
  rd_kafka_DeleteTopics(impl_->client.get(), &request, 1, impl_->options(RD_KAFKA_ADMIN_OP_DELETETOPICS, until).get(),
                        impl_->replies.get());
  auto answer = impl_->reply(RD_KAFKA_EVENT_DELETETOPICS_RESULT, doing, until);
  if (!answer) return tl::make_unexpected(answer.error());
  std::size_t count = 0;
  const auto* results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(answer->get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto code = rd_kafka_topic_result_error(results[i]);
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) return tl::make_unexpected(missing(name));
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return tl::make_unexpected(make_error(code, doing));
  }
  for (;; std::this_thread::sleep_for(look_again_after)) {
    auto there = exists(name, until.left());
    if (!there) return tl::make_unexpected(there.error());
    if (!*there) return {};
    if (until.passed())
      return fail(errc::timeout,
                  fmt::format("topic \"{}\" is being deleted, but still listed; look again later", name));
  }
}

result<topic_limits> topic_admin::limits(const std::string& name, milliseconds limit) {
  const deadline until(limit);
  auto all = impl_->metadata(until);
  if (!all) return tl::make_unexpected(all.error());
  const auto* found = impl::find(**all, name);
  if (found == nullptr) return tl::make_unexpected(missing(name));
  auto embedded_one = impl_->is_embedded_broker(until);
  if (!embedded_one) return tl::make_unexpected(embedded_one.error());
  if (*embedded_one) return limits_of(found->partition_cnt, {});
  auto configs = impl_->configs(name, until);
  if (!configs) return tl::make_unexpected(configs.error());
  return limits_of(found->partition_cnt, *configs);
}

result<void> topic_admin::impl::check(const cluster_topic& wanted, const rd_kafka_metadata_topic& found,
                                      const deadline& until) {
  if (found.partition_cnt != 1)
    return fail(errc::invalid,
                fmt::format("topic \"{}\" has {} partitions, the cluster needs exactly 1: delete it if it is of "
                            "no use to anybody, or choose another cluster.name",
                            wanted.name, found.partition_cnt));
  if (embedded.value_or(false)) return {};
  auto set = configs(wanted.name, until);
  if (!set) return tl::make_unexpected(set.error());
  const auto& policy = (*set)["cleanup.policy"];
  if (policy != wanted.policy)
    return fail(errc::invalid,
                fmt::format("topic \"{0}\" has cleanup.policy={1}, the cluster needs {2}; nothing is safe in it "
                            "until that is changed: kafka-configs.sh --alter --entity-type topics "
                            "--entity-name {0} --add-config cleanup.policy={2}",
                            wanted.name, policy, wanted.policy));
  const auto keep = wanted.configs.find("retention.ms");
  if (keep != wanted.configs.end() && keep->second == "-1" && (*set)["retention.ms"] != "-1")
    return fail(errc::invalid,
                fmt::format("topic \"{0}\" has retention.ms={1}: what is in it would be deleted while it is "
                            "needed; set it to -1: kafka-configs.sh --alter --entity-type topics "
                            "--entity-name {0} --add-config retention.ms=-1",
                            wanted.name, (*set)["retention.ms"]));
  return {};
}

result<void> topic_admin::ensure_cluster_topics(const std::string& cluster, std::int32_t replication_factor,
                                                milliseconds limit) {
  const deadline until(limit);
  auto embedded_one = impl_->is_embedded_broker(until);
  if (!embedded_one) return tl::make_unexpected(embedded_one.error());
  for (const auto& wanted : topics_of(cluster)) {
    auto all = impl_->metadata(until);
    if (!all) return tl::make_unexpected(all.error());
    if (impl::find(**all, wanted.name) == nullptr) {
      if (*embedded_one)
        return fail(errc::not_found,
                    fmt::format("the embedded broker has no topic \"{}\"; start it for this cluster: `troupe "
                                "broker --cluster {}`",
                                wanted.name, cluster));
      auto created = create(wanted.name, 1, replication_factor, wanted.configs, until.left());
      // Another node may be starting at the same moment; what it made is checked like any other.
      if (!created && created.error().code != errc::conflict) return created;
      all = impl_->metadata(until);
      if (!all) return tl::make_unexpected(all.error());
    }
    const auto* found = impl::find(**all, wanted.name);
    if (found == nullptr)
      return fail(errc::unavailable,
                  fmt::format("topic \"{}\" was created, but no broker lists it yet; try again", wanted.name));
    if (auto good = impl_->check(wanted, *found, until); !good) return good;
  }
  return {};
}

} // namespace troupe::kafka
