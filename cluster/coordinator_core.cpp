#include "cluster/coordinator_core.hpp"

#include <algorithm>

#include "cluster/change_requests.hpp"
#include "cluster/coordinator_batch.hpp"

namespace troupe {

coordinator_core::coordinator_core(core_config config, node_ref self)
    : config_(std::move(config))
    , self_(std::move(self))
    , nodes_(config_.removal_timeout) {}

std::vector<cluster_event> coordinator_core::apply(const log_record& record, steady_time now) {
  auto events = state_.apply(record);
  if (!term_) return events;
  for (const auto& event : events)
    if (const auto* joined = std::get_if<news::member_joined>(&event)) nodes_.watch(joined->who.node, now);
  return events;
}

void coordinator_core::advance_to(std::int64_t position) { state_.advance_to(position); }

void coordinator_core::begin_term(term_id term, steady_time now) {
  end_term();
  term_ = term;
  nodes_.begin_term(now);
  last_step_ = now;
  for (const auto& [name, who] : state_.members()) nodes_.watch(who.node, now);
  topics_next_ = now;
}

void coordinator_core::end_term() {
  term_.reset();
  refusals_.clear();
  in_flight_.reset();
  append_after_ = {};
  waiting_.clear();
  owed_.clear();
  topics_known_ = topics_asked_ = false;
  starts_.clear();
  starts_asked_.clear();
  resolved_early_.clear();
  starts_next_.clear();
  starts_error_.clear();
  probed_.clear();
  troubles_.clear();
}

void coordinator_core::heard(const node_report& report, steady_time now) {
  if (!nodes_.heard(report, now)) {
    ++stale_reports_;
    return;
  }
  for (const auto& lane : report.lanes)
    if (!lane.problem.empty()) troubles_[{report.node.name, lane.pipeline}] = {lane.generation, lane.problem, now};
}

void coordinator_core::refused(const node_ref& node, steady_time now) { nodes_.refused(node, now); }

void coordinator_core::topics(const std::map<std::string, std::int32_t>& partition_counts, steady_time now) {
  topic_sizes_ = partition_counts;
  topics_known_ = true;
  topics_asked_ = false;
  topics_error_.clear();
  bool missing = false;
  for (const auto& pipeline : config_.pipelines)
    for (const auto& topic : pipeline.topics) missing = missing || !topic_sizes_.contains(topic);
  topics_next_ = now + (missing ? config_.topics_refresh / 10 : config_.topics_refresh);
}

void coordinator_core::topics_failed(const std::string& why, steady_time now) {
  topics_asked_ = false;
  topics_error_ = why;
  topics_next_ = now + config_.retry;
}

void coordinator_core::starts(const std::string& pipeline, const std::vector<partition_start_found>& found,
                              steady_time now) {
  // An answer to a question of an earlier term may be older than what happened since.
  if (starts_asked_.erase(pipeline) == 0) return;
  starts_error_.erase(pipeline);
  starts_next_[pipeline] = now;
  for (const auto& start : found) {
    const partition_key which{pipeline, start.where};
    const auto* known = partition(which);
    starts_[which] = {start, known ? known->at : control_offset{-1}};
  }
}

void coordinator_core::starts_failed(const std::string& pipeline, const std::string& why, steady_time now) {
  if (starts_asked_.erase(pipeline) == 0) return;
  std::erase_if(resolved_early_, [&](const partition_key& which) { return which.pipeline == pipeline; });
  starts_error_[pipeline] = why;
  starts_next_[pipeline] = now + config_.retry;
}

void coordinator_core::appended(const result<std::int64_t>& first_offset, steady_time now) {
  if (!term_ || !in_flight_ || in_flight_->last_offset) return;
  if (first_offset) {
    auto& pending = *in_flight_;
    pending.last_offset = *first_offset + static_cast<std::int64_t>(pending.records) - 1;
    if (!pending.request) return;
    pending.reply.offset = control_offset{*first_offset + static_cast<std::int64_t>(pending.reply_index)};
    owed_.push_back(action::answer{pending.request->request.id, std::move(pending.reply)});
    return;
  }
  if (first_offset.error().code == errc::unavailable) {
    if (in_flight_->request) waiting_.push_front(std::move(*in_flight_->request));
    in_flight_.reset();
    append_after_ = now + config_.retry;
    return;
  }
  // Fenced, or nobody knows whether it happened: only a new claim gives certainty.
  const auto why = "the control topic could not be written: " + first_offset.error().message;
  end_term();
  owed_.push_back(action::step_down{why});
}

void coordinator_core::submit(change request, steady_time, std::int64_t wall_clock_ms) {
  const auto same = [&](const waiting_change& other) { return other.request.id == request.id; };
  if (std::any_of(waiting_.begin(), waiting_.end(), same)) return;
  // Once it is durable (and answered) a second asker gets the answer from the log.
  if (in_flight_ && !in_flight_->last_offset && in_flight_->request && same(*in_flight_->request)) return;
  if (!term_ || waiting_.size() >= config_.changes_waiting_max) {
    const auto why =
        term_ ? "too many changes wait for the coordinator; try again" : "this node is not the coordinator";
    owed_.push_back(action::answer{request.id, {false, why, {}, {}}});
    return;
  }
  waiting_.push_back({std::move(request), wall_clock_ms});
}

const node_report* coordinator_core::report_of(const node_ref& node) const { return nodes_.latest(node); }

report_lookup coordinator_core::reports() const {
  return [this](const node_ref& node) { return report_of(node); };
}

bool coordinator_core::append_pending() {
  if (!in_flight_) return false;
  if (!in_flight_->last_offset || state_.applied().value <= *in_flight_->last_offset) return true;
  in_flight_.reset();
  return false;
}

std::optional<action::step_down> coordinator_core::must_step_down() const {
  const auto& claim = state_.coordinator();
  if (!claim || state_.term() != *term_ || claim->node != self_)
    return action::step_down{"node " + (claim ? claim->node.name : std::string("?")) + " has claimed the coordination"};
  if (!foreign_log()) return std::nullopt;
  for (const auto& [name, who] : state_.members()) {
    const auto* report = report_of(who.node);
    if (!report || report->fingerprint == config_.fingerprint) continue;
    return action::step_down{"the cluster runs with config fingerprint " + state_.cluster()->fingerprint + " (node " +
                                 name + " does), this node's is " + config_.fingerprint +
                                 ": give it the same cluster and pipelines sections, or stop all nodes to change them",
                             true};
  }
  return std::nullopt;
}

void coordinator_core::ask_topics(actions& out, steady_time now) {
  if (topics_asked_ || now < topics_next_) return;
  std::set<std::string> names;
  for (const auto& pipeline : config_.pipelines) names.insert(pipeline.topics.begin(), pipeline.topics.end());
  if (names.empty()) return;
  topics_asked_ = true;
  out.push_back(action::query_topics{{names.begin(), names.end()}});
}

void coordinator_core::probe_silent(actions& out, steady_time now) {
  const auto ask = [&](const member& who) {
    if (who.node == self_ || nodes_.dead(who.node, now)) return;
    if (const auto last = probed_.find(who.node); last != probed_.end() && now - last->second < config_.retry) return;
    probed_[who.node] = now;
    out.push_back(action::probe{who.node, who.address});
  };
  for (const auto& [name, who] : state_.members())
    if (const auto silent = nodes_.silence(who.node, now); silent && *silent > 2 * config_.heartbeat) ask(who);
  // Somebody wants a name that is taken: is the one who has it still there?
  for (const auto& [node, entry] : nodes_.all())
    if (const auto* holder = state_.find_member(node.name); holder && holder->node != node && entry.report)
      ask(*holder);
}

void coordinator_core::decide_changes(batch& out, actions& answers) {
  while (!waiting_.empty()) {
    const auto& waiting = waiting_.front();
    const auto& id = waiting.request.id;
    change_outcome outcome;
    if (const auto known = state_.changes().find(id); known != state_.changes().end()) {
      const auto& [message, body, at] = known->second;
      outcome.answer = {true, message, at, body};
    } else if (id.empty() || id.size() > 128 || id.find('/') != std::string::npos) {
      outcome.answer = {false, "a change needs an id of 1 to 128 characters, without '/'", {}, {}};
    } else {
      outcome = decide_change(waiting.request, state_, reports(), self_, config_, *term_, waiting.wall_clock_ms);
    }
    if (outcome.records.empty()) {
      answers.push_back(action::answer{id, std::move(outcome.answer)});
      waiting_.pop_front();
      continue;
    }
    const auto taken = [&](const control_record& record) { return out.has(record); };
    if (std::any_of(outcome.records.begin(), outcome.records.end(), taken)) return;
    for (const auto& record : outcome.records) out.add(record);
    out.reply_index = out.records.size();
    out.add(control_record{change_record{id, outcome.answer.message, outcome.answer.body, *term_}});
    out.reply = std::move(outcome.answer);
    out.because(waiting.request.kind + " (" + out.reply.message + ")");
    out.request = std::move(waiting_.front());
    waiting_.pop_front();
    std::vector<std::pair<control_offset, std::string>> kept;
    for (const auto& [known, change] : state_.changes()) kept.emplace_back(change.at, known);
    std::sort(kept.begin(), kept.end());
    for (std::size_t i = 0; i + config_.changes_kept <= kept.size(); ++i)
      out.add(tombstone("change/" + kept[i].second));
    return;
  }
}

std::vector<coordinator_action> coordinator_core::step(steady_time now) {
  auto out = std::exchange(owed_, {});
  if (!term_) return out;
  const auto gap = now - std::exchange(last_step_, now).value_or(now);
  if (gap > config_.removal_timeout / 2) nodes_.stood_still(gap, now);
  if (auto down = must_step_down()) {
    end_term();
    out.push_back(std::move(*down));
    return out;
  }
  ask_topics(out, now);
  probe_silent(out, now);
  forget_silent(now);
  if (append_pending() || now < append_after_) return out;
  batch next;
  decide_cluster(next);
  decide_members(next, now);
  if (!foreign_log()) {
    decide_pipelines(next);
    for (const auto& record : advance_rollouts(state_, reports(), *term_)) {
      next.add(record);
      if (const auto* model = std::get_if<model_record>(&record))
        next.because(model->name + "@" + std::to_string(model->version.value) + " is " + to_string(model->state));
    }
    decide_partitions(next, out, now);
    decide_changes(next, out);
  }
  if (next.records.empty()) return out;
  in_flight_ =
      in_flight{next.records.size(), std::nullopt, std::move(next.request), std::move(next.reply), next.reply_index};
  out.push_back(action::append{std::move(next.records), std::move(next.purpose)});
  return out;
}

} // namespace troupe
