#include "cluster/control_records.hpp"

#include <limits>

#include "cluster/json_text.hpp"

namespace troupe {
namespace {

constexpr auto int64_max = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t uint32_max = std::numeric_limits<std::uint32_t>::max();
constexpr std::int64_t int32_max = std::numeric_limits<std::int32_t>::max();

std::string partition_key_text(const std::string& pipeline, const topic_partition& where) {
  return "partition/" + pipeline + "/" + where.topic + "/" + std::to_string(where.partition);
}

struct key_writer {
  std::string operator()(const cluster_record&) const { return "cluster"; }
  std::string operator()(const claim_record&) const { return "claim"; }
  std::string operator()(const member_record& r) const { return "member/" + r.node.name; }
  std::string operator()(const partition_record& r) const { return partition_key_text(r.pipeline, r.where); }
  std::string operator()(const model_record& r) const {
    return "model/" + r.name + "/" + std::to_string(r.version.value);
  }
  std::string operator()(const alias_record& r) const { return "alias/" + r.model + "/" + r.alias; }
  std::string operator()(const pipeline_record& r) const { return "pipeline/" + r.name; }
  std::string operator()(const change_record& r) const { return "change/" + r.id; }
};

struct value_writer {
  json::object_writer out;

  void node(const node_ref& node) { out.text("node", node.name).text("incarnation", to_string(node.incarnation)); }

  std::string operator()(const cluster_record& r) {
    return out.text("cluster_id", r.cluster_id)
        .text("fingerprint", r.fingerprint)
        .number("protocol", r.protocol)
        .number("term", r.term.value)
        .done();
  }
  std::string operator()(const claim_record& r) {
    node(r.node);
    return out.text("address", r.address).done();
  }
  std::string operator()(const member_record& r) {
    node(r.node);
    out.text("address", r.address).texts("roles", r.roles).number("scorers", r.scorers);
    return out.text("state", r.joined ? "joined" : "removed")
        .text("reason", r.reason)
        .number("term", r.term.value)
        .done();
  }
  std::string operator()(const partition_record& r) {
    out.text("pipeline", r.pipeline).text("topic", r.where.topic).number("partition", r.where.partition);
    out.text("state", to_string(r.state));
    node(r.node);
    out.number("generation", r.generation.value).number("offset", r.offset).text("metadata", r.metadata);
    return out.text("reason", r.reason).number("term", r.term.value).done();
  }
  std::string operator()(const model_record& r) {
    out.text("name", r.name).number("version", r.version.value).text("sha256", r.where.sha256);
    out.number("bytes", static_cast<std::int64_t>(r.where.bytes)).number("first_offset", r.where.first_offset);
    out.number("chunks", r.where.chunks).texts("features", r.features).text("state", to_string(r.state));
    out.text("message", r.message).text("activate", r.activate).number("created_ms", r.created_ms);
    return out.number("term", r.term.value).done();
  }
  std::string operator()(const alias_record& r) {
    out.text("model", r.model).text("alias", r.alias).number("version", r.version.value);
    out.number("previous", r.previous.value).number("decided", r.decided.value);
    return out.number("term", r.term.value).done();
  }
  std::string operator()(const pipeline_record& r) {
    out.text("name", r.name).text("state", r.running ? "running" : "stopped").text("reason", r.reason);
    return out.text("where", r.where).number("term", r.term.value).done();
  }
  std::string operator()(const change_record& r) {
    return out.text("id", r.id).text("message", r.message).text("body", r.body).number("term", r.term.value).done();
  }
};

node_ref read_node(json::object_reader& in) { return {in.text("node"), incarnation_id{in.hex("incarnation")}}; }
term_id read_term(json::object_reader& in) { return term_id{in.number("term", 0, int64_max)}; }

/// Index of the field's text among the choices; complains if it is none of them.
template <std::size_t n>
std::size_t read_choice(json::object_reader& in, const char* name, const char* const (&choices)[n]) {
  const auto text = in.text(name);
  std::string known;
  for (std::size_t i = 0; i < n; ++i) {
    if (text == choices[i]) return i;
    known += std::string(i ? " or '" : "'") + choices[i] + "'";
  }
  in.complain(std::string("field '") + name + "' is '" + text + "', expected " + known);
  return 0;
}

control_record read_cluster(json::object_reader& in) {
  cluster_record r{in.text("cluster_id"), in.text("fingerprint"), 0, {}};
  r.protocol = static_cast<std::uint32_t>(in.number("protocol", 0, uint32_max));
  r.term = read_term(in);
  return r;
}

control_record read_claim(json::object_reader& in) {
  auto node = read_node(in);
  return claim_record{std::move(node), in.text("address")};
}

control_record read_member(json::object_reader& in) {
  member_record r;
  r.node = read_node(in);
  r.address = in.text("address");
  r.roles = in.texts("roles");
  r.scorers = static_cast<std::uint32_t>(in.number("scorers", 0, uint32_max));
  r.joined = read_choice(in, "state", {"joined", "removed"}) == 0;
  r.reason = in.text("reason", false);
  r.term = read_term(in);
  return r;
}

control_record read_partition(json::object_reader& in) {
  partition_record r;
  r.pipeline = in.text("pipeline");
  r.where.topic = in.text("topic");
  r.where.partition = static_cast<std::int32_t>(in.number("partition", 0, int32_max));
  r.state = static_cast<partition_record::state_kind>(read_choice(in, "state", {"granted", "revoked"}));
  r.node = read_node(in);
  r.generation = generation_id{static_cast<std::uint32_t>(in.number("generation", 0, uint32_max))};
  r.offset = in.number("offset", 0, int64_max);
  r.metadata = in.text("metadata", false);
  r.reason = in.text("reason", false);
  r.term = read_term(in);
  return r;
}

control_record read_model(json::object_reader& in) {
  model_record r;
  r.name = in.text("name");
  r.version = model_version{static_cast<std::uint32_t>(in.number("version", 1, uint32_max))};
  r.where.sha256 = in.text("sha256");
  r.where.bytes = static_cast<std::uint64_t>(in.number("bytes", 0, int64_max));
  r.where.first_offset = in.number("first_offset", 0, int64_max);
  r.where.chunks = static_cast<std::uint32_t>(in.number("chunks", 0, uint32_max));
  r.features = in.texts("features", false);
  r.state = static_cast<model_record::state_kind>(read_choice(in, "state", {"staged", "ready", "failed"}));
  r.message = in.text("message", false);
  r.activate = in.text("activate", false);
  r.created_ms = in.number("created_ms", 0, int64_max, false);
  r.term = read_term(in);
  return r;
}

control_record read_alias(json::object_reader& in) {
  alias_record r;
  r.model = in.text("model");
  r.alias = in.text("alias");
  r.version = model_version{static_cast<std::uint32_t>(in.number("version", 1, uint32_max))};
  r.previous = model_version{static_cast<std::uint32_t>(in.number("previous", 0, uint32_max, false))};
  r.decided = control_offset{in.number("decided", -1, int64_max, false, -1)};
  r.term = read_term(in);
  return r;
}

control_record read_pipeline(json::object_reader& in) {
  pipeline_record r;
  r.name = in.text("name");
  r.running = read_choice(in, "state", {"running", "stopped"}) == 0;
  r.reason = in.text("reason", false);
  r.where = in.text("where", false);
  r.term = read_term(in);
  return r;
}

control_record read_change(json::object_reader& in) {
  change_record r;
  r.id = in.text("id");
  r.message = in.text("message", false);
  r.body = in.text("body", false);
  r.term = read_term(in);
  return r;
}

using read_function = control_record (*)(json::object_reader&);
struct kind {
  std::string_view prefix;
  bool whole;
  read_function read;
};
constexpr kind kinds[] = {
    {"cluster", true, read_cluster},       {"claim", true, read_claim},     {"member/", false, read_member},
    {"partition/", false, read_partition}, {"model/", false, read_model},   {"alias/", false, read_alias},
    {"pipeline/", false, read_pipeline},   {"change/", false, read_change},
};

} // namespace

std::string key_of(const control_record& record) { return std::visit(key_writer{}, record); }

log_write to_log(const control_record& record) { return {key_of(record), std::visit(value_writer{}, record)}; }

log_write tombstone(std::string key) { return {std::move(key), std::nullopt}; }

result<std::optional<control_record>> read_record(std::string_view key, std::string_view value) {
  for (const auto& kind : kinds) {
    if (kind.whole ? key != kind.prefix : !key.starts_with(kind.prefix)) continue;
    json::object_reader in("control record '" + json::clean(key) + "'", value);
    auto record = kind.read(in);
    if (!in.failed() && key_of(record) != key) in.complain("its fields name '" + key_of(record) + "'");
    if (in.failed()) return fail(errc::invalid, in.error());
    return std::optional<control_record>(std::move(record));
  }
  return std::optional<control_record>{};
}

std::string to_json(const lease_record& lease) {
  json::object_writer out;
  out.number("term", lease.term.value).text("node", lease.node.name);
  return out.text("incarnation", to_string(lease.node.incarnation))
      .flag("resigned", lease.resigned)
      .flag("claiming", lease.claiming)
      .done();
}

result<lease_record> read_lease(std::string_view value) {
  json::object_reader in("lease record", value);
  lease_record lease;
  lease.term = term_id{in.number("term", -1, int64_max)}; // -1: a candidate that has seen no claim yet
  lease.node = read_node(in);
  lease.resigned = in.flag("resigned", false);
  lease.claiming = in.flag("claiming", false);
  if (in.failed()) return fail(errc::invalid, in.error());
  return lease;
}

bool is_name(std::string_view text) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (text.empty() || text.size() > 64 || !plain(text.front())) return false;
  for (const char c : text)
    if (!plain(c) && c != '_' && c != '.' && c != '-') return false;
  return true;
}

const char* to_string(partition_record::state_kind state) {
  return state == partition_record::state_kind::granted ? "granted" : "revoked";
}

const char* to_string(model_record::state_kind state) {
  switch (state) {
  case model_record::state_kind::staged:
    return "staged";
  case model_record::state_kind::ready:
    return "ready";
  case model_record::state_kind::failed:
    return "failed";
  }
  return "?";
}

std::string to_string(incarnation_id incarnation) {
  std::string digits(16, '0');
  for (std::size_t i = 0; i < 16; ++i) digits[15 - i] = "0123456789abcdef"[(incarnation.value >> (4 * i)) & 15];
  return digits;
}

std::string to_string(const node_ref& node) { return node.name + "#" + to_string(node.incarnation).substr(12); }

} // namespace troupe
