#pragma once
// A ruling coordinator core with everything around it made by hand.

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "cluster/coordinator_core.hpp"
#include "tests/cluster/core_fixture.hpp"

namespace troupe::test {

using part = partition_record::state_kind;

inline const node_ref a = ref("a", 1), b = ref("b", 2);

/// A ruling core on node a, a log that takes what it appends, and reports made by hand.
struct coordinator_fixture {
  memory_log log;
  steady_time now = at(0ms);
  core_config config;
  std::unique_ptr<coordinator_core> core;
  std::vector<coordinator_action> actions; // of the last run(), appends excluded
  std::vector<std::string> purposes;       // of the appends of the last run()
  std::uint64_t sequence = 0;
  std::int64_t start_offset = 100;

  coordinator_fixture() {
    config.cluster = "games";
    config.cluster_id = "c0ffee";
    config.fingerprint = "f1";
    config.pipelines = {{"games", {"dsp"}, "games"}};
    begin(a);
  }
  void feed() {
    for (const auto& record : log.records) core->apply(record, now);
    core->advance_to(log.end);
  }
  void begin(const node_ref& self) {
    core = std::make_unique<coordinator_core>(config, self);
    const auto term = log.append(control_record{claim_record{self, self.name + ":4800"}});
    feed();
    core->begin_term(term_id{term}, now);
  }
  /// Steps until nothing is left to do; appends and answers to fetches are carried out.
  void run(std::map<std::string, std::int32_t> topics = {{"dsp", 4}}) {
    actions.clear();
    purposes.clear();
    for (int i = 0; i < 50; ++i) {
      bool busy = false;
      for (auto& any : core->step(now)) {
        if (auto* w = std::get_if<action::append>(&any)) {
          purposes.push_back(w->purpose);
          core->appended(log.append(w->records), now);
          feed();
          busy = true;
        } else if (auto* f = std::get_if<action::fetch_starts>(&any)) {
          std::vector<partition_start_found> found;
          for (const auto& query : f->where) found.push_back({query.where, start_offset, "{}"});
          core->starts(f->pipeline, found, now);
          busy = true;
          actions.push_back(any);
        } else if (std::get_if<action::query_topics>(&any)) {
          core->topics(topics, now);
          busy = true;
        } else {
          actions.push_back(any);
          busy = busy || std::get_if<action::answer>(&any);
        }
      }
      if (!busy) return;
    }
    BOOST_FAIL("the core never comes to rest");
  }
  node_report report(const node_ref& who, std::uint32_t generation = 1,
                     const std::vector<topic_partition>& holding = {}) {
    auto out = report_of(who, ++sequence, core->state().applied());
    if (generation > 0) out.lanes.push_back(lane("games", generation, holding));
    return out;
  }
  /// Reports exactly what was granted to it.
  node_report obedient(const node_ref& who, std::uint32_t generation = 1) {
    std::vector<topic_partition> holding;
    for (const auto& [which, how] : core->state().partitions())
      if (how.node == who && how.state == part::granted && how.generation.value == generation)
        holding.push_back(which.where);
    return report(who, generation, holding);
  }
  void join(const node_ref& who) {
    core->heard(report(who), now);
    run();
    core->heard(obedient(who), now);
  }
  /// "0a 1a 2- 3b": owner of each partition, '-' revoked, '.' none.
  std::string owners() {
    std::string out;
    for (const auto& [which, how] : core->state().partitions())
      out += std::to_string(which.where.partition) + (how.state == part::granted ? how.node.name : "-") + " ";
    return out;
  }
  template <class Action> std::vector<Action> all() {
    std::vector<Action> out;
    for (auto& any : actions)
      if (auto* one = std::get_if<Action>(&any)) out.push_back(*one);
    return out;
  }
  change_answer ask(const std::string& kind, const std::string& body, const std::string& id = "1") {
    core->submit({id, kind, body}, now, 1700000000000);
    run();
    for (auto& reply : all<action::answer>())
      if (reply.change_id == id) return reply.reply;
    BOOST_FAIL("no answer");
    return {};
  }
  static std::string model(char content, const std::string& more = "") {
    return R"({"name":"games","bytes":7,"first_offset":0,"chunks":1,"sha256":")" + std::string(64, content) + "\"" +
           more + "}";
  }
};

} // namespace troupe::test
