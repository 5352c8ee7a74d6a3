#include <fmt/format.h>

#include "config/address.hpp"
#include "config/convert.hpp"

namespace troupe::config {
namespace {

/// Builds one object; a name given twice is a mistake of the caller.
class builder {
public:
  explicit builder(json::allocator& memory)
      : memory_(memory)
      , object_(rapidjson::kObjectType) {}

  builder& text(std::string_view key, std::string_view value) { return member(key, json::make_string(value, memory_)); }

  template <class T> builder& number(std::string_view key, T value) {
    return member(key, json::value(static_cast<std::int64_t>(value)));
  }

  builder& flag(std::string_view key, bool value) { return member(key, json::value(value)); }

  builder& list(std::string_view key, const std::vector<std::string>& items) {
    json::value array(rapidjson::kArrayType);
    for (const auto& item : items) array.PushBack(json::make_string(item, memory_), memory_);
    return member(key, std::move(array));
  }

  builder& member(std::string_view key, json::value&& value) {
    object_.AddMember(json::make_string(key, memory_), std::move(value), memory_);
    return *this;
  }

  json::value take() { return std::move(object_); }

private:
  json::allocator& memory_;
  json::value object_;
};

json::value cluster_value(const cluster_config& from, json::allocator& memory) {
  return builder(memory)
      .text("name", from.name)
      .number("heartbeat_interval_ms", from.heartbeat_interval_ms.count())
      .number("removal_timeout_ms", from.removal_timeout_ms.count())
      .number("lease_interval_ms", from.lease_interval_ms.count())
      .number("lease_timeout_ms", from.lease_timeout_ms.count())
      .number("kafka_loss_timeout_ms", from.kafka_loss_timeout_ms.count())
      .number("replication_factor", from.replication_factor)
      .take();
}

void add_starting(const starting_offsets& from, builder& to, json::allocator& memory) {
  if (from.at == starting_offsets::kind::earliest || from.at == starting_offsets::kind::latest) {
    to.text("startingOffsets", from.at == starting_offsets::kind::earliest ? "earliest" : "latest");
    return;
  }
  builder topics(memory);
  for (const auto& [topic, partitions] : from.values) {
    builder offsets(memory);
    for (const auto& [partition, offset] : partitions) offsets.number(std::to_string(partition), offset);
    topics.member(topic, offsets.take());
  }
  to.member(from.at == starting_offsets::kind::timestamp ? "startingOffsetsByTimestamp" : "startingOffsets",
            topics.take());
}

json::value output_value(const output_config& from, bool sorting, json::allocator& memory) {
  builder to(memory);
  if (from.carry) to.list("carry", *from.carry);
  if (sorting) {
    // The order of the outputs matters, and would be lost with the order of keys.
    std::vector<std::string> outputs;
    for (const auto& [name, choice] : from.prediction) outputs.insert(outputs.end(), {name, choice});
    to.list("prediction", outputs);
  } else if (from.prediction.size() == 1 && from.prediction[0].second.empty()) {
    to.text("prediction", from.prediction[0].first);
  } else if (!from.prediction.empty()) {
    builder outputs(memory);
    for (const auto& [name, choice] : from.prediction) outputs.text(name, choice);
    to.member("prediction", outputs.take());
  }
  to.list("headers", from.headers);
  to.text("timestamp", from.timestamp == output_config::timestamp_from::now ? "now" : "source");
  return to.take();
}

json::value errors_value(const errors_config& from, json::allocator& memory) {
  return builder(memory)
      .text("tolerance", from.tolerance == errors_config::tolerance_kind::none ? "none" : "all")
      .text("deadletterqueue.topic.name", from.dead_letter_topic)
      .flag("deadletterqueue.context.headers.enable", from.context_headers)
      .take();
}

json::value pipeline_value(const pipeline_config& from, bool sorting, json::allocator& memory) {
  builder to(memory);
  to.text("name", from.name).list("subscribe", from.subscribe);
  add_starting(from.starting, to, memory);
  return to.flag("failOnDataLoss", from.fail_on_data_loss)
      .text("group.id", from.group_id)
      .text("model", fmt::format("{}@{}", from.model, from.model_alias))
      .list("features", from.features)
      .text("topic", from.topic)
      .member("output", output_value(from.output, sorting, memory))
      .member("errors", errors_value(from.errors, memory))
      .text("delivery", from.delivery)
      .number("commit.interval.ms", from.commit_interval_ms.count())
      .number("max_batch_size", from.max_batch_size)
      .number("max_queue_delay_us", from.max_queue_delay_us.count())
      .number("max_inflight_rows", from.max_inflight_rows)
      .number("max_inflight_bytes", from.max_inflight_bytes)
      .number("max_uncommitted_rows", from.max_uncommitted_rows)
      .number("max_row_bytes", from.max_row_bytes)
      .number("max_nesting_depth", from.max_nesting_depth)
      .take();
}

json::value pipelines_value(const config& from, bool sorting, json::allocator& memory) {
  json::value pipelines(rapidjson::kArrayType);
  for (const auto& pipeline : from.pipelines) pipelines.PushBack(pipeline_value(pipeline, sorting, memory), memory);
  return pipelines;
}

std::string shown(const std::string& path, const std::string& text) {
  return is_redacted(path) && !text.empty() ? std::string(redacted_text) : text;
}

json::value kafka_value(const config& from, json::allocator& memory) {
  builder to(memory);
  for (const auto& [name, text] : from.kafka) to.text(name, shown(json::member_path("kafka", name), text));
  return to.take();
}

json::value node_value(const node_config& from, json::allocator& memory) {
  builder to(memory);
  to.text("name", from.name)
      .text("listen", to_string(address{from.listen_host, from.listen_port}))
      .text("advertise", from.advertise);
  if (from.http_enabled)
    to.text("http", to_string(address{from.http_host, from.http_port}));
  else
    to.member("http", json::value());
  return to.number("scorers", from.scorers)
      .list("roles", from.roles)
      .number("index", from.index)
      .member("tls", builder(memory)
                         .text("certificate", from.tls.certificate)
                         .text("key", from.tls.key)
                         .text("ca", from.tls.ca)
                         .text("passphrase", shown("node.tls.passphrase", from.tls.passphrase))
                         .take())
      .member("log", builder(memory).text("level", from.log_level).text("format", from.log_format).take())
      .take();
}

} // namespace

json::document to_document(const config& from) {
  json::document doc(rapidjson::kObjectType);
  auto& memory = doc.GetAllocator();
  json::put(doc, "cluster", cluster_value(from.cluster, memory), memory);
  json::put(doc, "kafka", kafka_value(from, memory), memory);
  json::put(doc, "pipelines", pipelines_value(from, false, memory), memory);
  json::put(doc, "node", node_value(from.node, memory), memory);
  return doc;
}

json::document to_fingerprinted_document(const config& from) {
  json::document doc(rapidjson::kObjectType);
  auto& memory = doc.GetAllocator();
  json::put(doc, "cluster", cluster_value(from.cluster, memory), memory);
  json::put(doc, "pipelines", pipelines_value(from, true, memory), memory);
  return doc;
}

} // namespace troupe::config
