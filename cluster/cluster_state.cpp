#include "cluster/cluster_state.hpp"

#include <algorithm>
#include <charconv>

namespace troupe {
namespace {

/// "partition/p/t/3" -> {"p", "t", "3"}; none of the names contains a slash.
std::vector<std::string> parts_after(std::string_view key, std::string_view prefix) {
  std::vector<std::string> parts;
  if (!key.starts_with(prefix)) return parts;
  key.remove_prefix(prefix.size());
  for (;;) {
    const auto slash = key.find('/');
    parts.emplace_back(key.substr(0, slash));
    if (slash == std::string_view::npos) return parts;
    key.remove_prefix(slash + 1);
  }
}

template <class Number> bool read_number(const std::string& text, Number& number) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  return parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
}

template <class Record> std::optional<term_id> term_of(const Record& record) {
  if constexpr (requires { record.term; })
    return record.term;
  else
    return std::nullopt;
}

} // namespace

bool member::has_role(std::string_view role) const {
  return std::find(roles.begin(), roles.end(), role) != roles.end();
}

/// What each kind of record does to the state.
struct cluster_state::folder {
  cluster_state& state;
  control_offset at;
  std::vector<cluster_event>& events;

  void operator()(cluster_record&& r) {
    state.cluster_ = r;
    events.push_back(news::cluster_named{std::move(r)});
  }

  void operator()(claim_record&& r) {
    state.term_ = term_id{at.value};
    events.push_back(news::new_claim{state.term_, r.node, r.address});
    state.claim_ = std::move(r);
  }

  void remove(const node_ref& node, const std::string& reason) {
    state.members_.erase(node.name);
    state.gone_.insert(node);
    state.removed_[node.name] = {node, reason, at};
    events.push_back(news::member_removed{node, reason, at});
  }

  void operator()(member_record&& r) {
    const auto known = state.members_.find(r.node.name);
    const bool same = known != state.members_.end() && known->second.node == r.node;
    if (!r.joined) {
      if (same) {
        remove(r.node, r.reason);
      } else {
        state.gone_.insert(r.node);
        state.removed_[r.node.name] = {r.node, r.reason, at};
      }
      return;
    }
    if (known != state.members_.end() && !same) {
      const node_ref old = known->second.node;
      remove(old, "came back as " + to_string(r.node));
    }
    state.removed_.erase(r.node.name);
    member who{r.node, std::move(r.address), std::move(r.roles), r.scorers, same ? known->second.joined : at};
    state.members_[who.node.name] = who;
    events.push_back(news::member_joined{std::move(who)});
  }

  void operator()(partition_record&& r) {
    partition_key which{std::move(r.pipeline), std::move(r.where)};
    partition_state how{r.state, std::move(r.node), r.generation, r.offset, std::move(r.metadata), std::move(r.reason),
                        at};
    state.partitions_[which] = how;
    if (r.state == partition_record::state_kind::granted)
      events.push_back(news::granted{std::move(which), std::move(how)});
    else
      events.push_back(news::revoked{std::move(which), std::move(how)});
  }

  void operator()(model_record&& r) {
    state.models_[{r.name, r.version}] = {r, at};
    events.push_back(news::model_changed{std::move(r), at});
  }

  void operator()(alias_record&& r) {
    state.aliases_[{r.model, r.alias}] = {r.version, r.previous, r.decided.value < 0 ? at : r.decided, at};
    events.push_back(news::alias_changed{std::move(r.model), std::move(r.alias), r.version, r.previous, at});
  }

  void operator()(pipeline_record&& r) {
    pipeline_state how{r.running, std::move(r.reason), std::move(r.where), at};
    state.pipelines_[r.name] = how;
    events.push_back(news::pipeline_changed{std::move(r.name), std::move(how)});
  }

  void operator()(change_record&& r) { state.changes_[r.id] = {std::move(r.message), std::move(r.body), at}; }
};

std::vector<cluster_event> cluster_state::apply(const log_record& record) {
  std::vector<cluster_event> events;
  const control_offset at{record.offset};
  if (at < applied_) return events;
  applied_ = control_offset{record.offset + 1};
  if (!record.value) {
    forget(record.key);
    return events;
  }
  auto read = read_record(record.key, *record.value);
  if (!read) {
    ++ignored_.unreadable;
    last_error_ = read.error().message + " (offset " + std::to_string(record.offset) + ")";
    return events;
  }
  if (!*read) {
    ++ignored_.unknown;
    return events;
  }
  const auto term = std::visit([](const auto& r) { return term_of(r); }, **read);
  if (term && *term < term_) {
    ++ignored_.stale;
    return events;
  }
  std::visit(folder{*this, at, events}, std::move(**read));
  return events;
}

void cluster_state::forget(const std::string& key) {
  if (const auto change = parts_after(key, "change/"); change.size() == 1) {
    changes_.erase(change[0]);
  } else if (const auto partition = parts_after(key, "partition/"); partition.size() == 3) {
    partition_key which{partition[0], {partition[1], 0}};
    if (read_number(partition[2], which.where.partition)) partitions_.erase(which);
  } else if (const auto model = parts_after(key, "model/"); model.size() == 2) {
    model_version version;
    if (read_number(model[1], version.value)) models_.erase({model[0], version});
  } else if (const auto alias = parts_after(key, "alias/"); alias.size() == 2) {
    aliases_.erase({alias[0], alias[1]});
  } else if (const auto pipeline = parts_after(key, "pipeline/"); pipeline.size() == 1) {
    pipelines_.erase(pipeline[0]);
  } else if (const auto name = parts_after(key, "member/"); name.size() == 1 && !members_.contains(name[0])) {
    removed_.erase(name[0]);
  } else {
    ++ignored_.unknown;
  }
}

void cluster_state::advance_to(std::int64_t position) { applied_ = std::max(applied_, control_offset{position}); }

bool cluster_state::is_member(const node_ref& node) const {
  const auto* known = find_member(node.name);
  return known && known->node == node;
}

bool cluster_state::was_removed(const node_ref& node) const { return gone_.contains(node) && !is_member(node); }

const member* cluster_state::find_member(const std::string& name) const {
  const auto found = members_.find(name);
  return found == members_.end() ? nullptr : &found->second;
}

const model_state* cluster_state::find_model(const std::string& name, model_version version) const {
  const auto found = models_.find({name, version});
  return found == models_.end() ? nullptr : &found->second;
}

const alias_state* cluster_state::find_alias(const std::string& model, const std::string& alias) const {
  const auto found = aliases_.find({model, alias});
  return found == aliases_.end() ? nullptr : &found->second;
}

bool cluster_state::pipeline_running(const std::string& name) const {
  const auto found = pipelines_.find(name);
  return found == pipelines_.end() || found->second.running;
}

std::vector<const member*> cluster_state::members_by_age(std::string_view role) const {
  std::vector<const member*> members;
  for (const auto& [name, who] : members_)
    if (role.empty() || who.has_role(role)) members.push_back(&who);
  std::sort(members.begin(), members.end(), [](const member* a, const member* b) {
    return std::tie(a->joined, a->node) < std::tie(b->joined, b->node);
  });
  return members;
}

} // namespace troupe
