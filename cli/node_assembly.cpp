#include "cli/node_assembly.hpp"

#include <fmt/format.h>

namespace troupe::cli {
namespace {

start_rule start_rule_of(const config::starting_offsets& starting) {
  using from = config::starting_offsets::kind;
  start_rule rule;
  switch (starting.at) {
  case from::earliest:
    rule.at = start_rule::kind::earliest;
    break;
  case from::latest:
    rule.at = start_rule::kind::latest;
    break;
  case from::explicit_offsets:
    rule.at = start_rule::kind::offsets;
    break;
  case from::timestamp:
    rule.at = start_rule::kind::timestamps;
    break;
  }
  rule.values = starting.values;
  return rule;
}

model::scoring_options scoring_options_of(const config::pipeline_config& pipeline) {
  model::scoring_options options;
  options.features = pipeline.features;
  options.carry = pipeline.output.carry;
  options.prediction = pipeline.output.prediction;
  options.max_row_bytes = pipeline.max_row_bytes;
  options.max_nesting_depth = pipeline.max_nesting_depth;
  return options;
}

} // namespace

node_setup node_setup_of(const config::config& cfg, const node_ref& self, const std::string& address,
                         std::uint64_t seed) {
  node_setup setup;
  setup.self = self;
  setup.cluster = cfg.cluster.name;
  setup.fingerprint = cfg.fingerprint;
  setup.address = address;
  setup.roles = cfg.node.roles;
  for (auto& pipeline : cfg.pipelines)
    setup.pipelines.push_back({pipeline.name, pipeline.model, pipeline.model_alias, scoring_options_of(pipeline)});
  setup.heartbeat = cfg.cluster.heartbeat_interval_ms;
  setup.kafka_loss_timeout = cfg.cluster.kafka_loss_timeout_ms;
  setup.seed = seed;
  return setup;
}

coordinator_config coordinator_config_of(const config::config& cfg, const node_ref& self, const std::string& address,
                                         std::uint64_t seed) {
  coordinator_config c;
  c.self = self;
  c.address = address;
  c.core.cluster = cfg.cluster.name;
  c.core.cluster_id = fmt::format("{:016x}", seed);
  c.core.fingerprint = cfg.fingerprint;
  c.core.protocol = protocol_version;
  for (auto& pipeline : cfg.pipelines)
    c.core.pipelines.push_back(
        {pipeline.name, pipeline.subscribe, pipeline.model, pipeline.model_alias, pipeline.delivery == "exactly_once"});
  c.core.heartbeat = cfg.cluster.heartbeat_interval_ms;
  c.core.removal_timeout = cfg.cluster.removal_timeout_ms;
  c.timings.beat = cfg.cluster.lease_interval_ms;
  c.timings.timeout = cfg.cluster.lease_timeout_ms;
  c.seed = seed;
  return c;
}

clerk_config clerk_config_of(const config::config& cfg) {
  clerk_config c;
  for (auto& pipeline : cfg.pipelines)
    c.pipelines[pipeline.name] = {pipeline.group_id, start_rule_of(pipeline.starting),
                                  pipeline.delivery == "exactly_once", pipeline.fail_on_data_loss};
  return c;
}

lane_topics lane_topics_of(const config::config& cfg, const config::pipeline_config& pipeline) {
  return {pipeline.name,
          pipeline.group_id,
          pipeline.topic,
          pipeline.errors.dead_letter_topic,
          pipeline.delivery == "exactly_once" ? transactional_id(cfg.cluster.name, pipeline.name, cfg.node.name) : "",
          pipeline.subscribe};
}

ingest_config ingest_config_of(const config::config& cfg, const config::pipeline_config& pipeline) {
  ingest_config c;
  c.pipeline = pipeline.name;
  c.model = pipeline.model;
  c.node = cfg.node.name;
  c.headers = pipeline.output.headers;
  c.source_timestamp = pipeline.output.timestamp == config::output_config::timestamp_from::source;
  c.has_dead_letters = !pipeline.errors.dead_letter_topic.empty();
  c.context_headers = pipeline.errors.context_headers;
  c.tolerate_bad_rows = pipeline.errors.tolerance == config::errors_config::tolerance_kind::all;
  c.batch_rows_max = pipeline.max_batch_size;
  c.queue_delay_max = pipeline.max_queue_delay_us;
  c.row_bytes_max = pipeline.max_row_bytes;
  c.uncommitted_rows_max = pipeline.max_uncommitted_rows;
  c.dispatch.rows_max = pipeline.max_inflight_rows;
  c.dispatch.bytes_max = pipeline.max_inflight_bytes;
  c.commit_interval = pipeline.commit_interval_ms;
  c.fail_on_data_loss = pipeline.fail_on_data_loss;
  // A node is removed that long after its last heartbeat, which may have been sent an interval before it froze.
  c.removal_timeout = cfg.cluster.removal_timeout_ms - 2 * cfg.cluster.heartbeat_interval_ms;
  return c;
}

} // namespace troupe::cli
