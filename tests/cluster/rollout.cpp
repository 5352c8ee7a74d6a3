#include "cluster/rollout.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/cluster/core_fixture.hpp"

using namespace troupe;
using namespace troupe::test;
using kind = model_record::state_kind;
using loaded = model_report::state_kind;

namespace {

struct fixture {
  memory_log log;
  cluster_state state;
  std::map<node_ref, node_report> reports;

  fixture() {
    for (const auto* name : {"a", "b"}) join(name, {"ingest", "scorer"});
    join("c", {"coordinator"}); // loads nothing, so nobody waits for it
  }
  void write(const control_record& record) {
    log.append(record);
    state.apply(log.records.back());
  }
  void join(const std::string& name, std::vector<std::string> roles) {
    write(member_record{ref(name), "x", std::move(roles), 1, true, "", term_id{0}});
  }
  void stage(std::uint32_t version, kind how = kind::staged, const std::string& activate = "champion") {
    write(model_record{"games",
                       model_version{version},
                       {0, 1, 1, std::string(64, char('a' + version))},
                       {},
                       how,
                       "",
                       activate,
                       0,
                       term_id{0}});
  }
  void alias(std::uint32_t version, std::uint32_t previous) {
    write(alias_record{"games", "champion", model_version{version}, model_version{previous}, control_offset{-1},
                       term_id{0}});
  }
  void report(const std::string& name, std::uint32_t version, loaded how, const std::string& message = "") {
    auto& r = reports.try_emplace(ref(name), report_of(ref(name), 1, state.applied())).first->second;
    r.applied = state.applied();
    std::erase_if(r.models, [&](auto& m) { return m.version.value == version; });
    r.models.push_back({"games", model_version{version}, how, message});
  }
  report_lookup lookup() {
    return [this](const node_ref& who) {
      const auto it = reports.find(who);
      return it == reports.end() ? nullptr : &it->second;
    };
  }
  /// Advances until nothing is due; what was written, in words.
  std::string advance() {
    std::string out;
    for (int i = 0; i < 10; ++i) {
      const auto records = advance_rollouts(state, lookup(), term_id{0});
      if (records.empty()) return out;
      for (const auto& record : records) {
        if (const auto* m = std::get_if<model_record>(&record))
          out += std::to_string(m->version.value) + " " + to_string(m->state) + "; ";
        if (const auto* al = std::get_if<alias_record>(&record))
          out += al->alias + "=" + std::to_string(al->version.value) + " before " + std::to_string(al->previous.value) +
                 "; ";
        write(record);
      }
    }
    return out + "endless";
  }
  std::string wanted() {
    std::string out;
    for (const auto& [name, version] : wanted_models(state)) out += std::to_string(version.value) + " ";
    return out;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(rollout, fixture)

BOOST_AUTO_TEST_CASE(machine__every_state_and_event) {
  using e = rollout_event;
  BOOST_TEST((next(kind::staged, e::all_ready) == kind::ready));
  BOOST_TEST((next(kind::staged, e::one_failed) == kind::failed));
  BOOST_TEST((next(kind::staged, e::staged_again) == kind::staged));
  BOOST_TEST((next(kind::ready, e::all_ready) == kind::ready));
  BOOST_TEST((next(kind::ready, e::one_failed) == kind::ready));
  BOOST_TEST((next(kind::ready, e::staged_again) == kind::staged));
  BOOST_TEST((next(kind::failed, e::all_ready) == kind::failed));
  BOOST_TEST((next(kind::failed, e::one_failed) == kind::failed));
  BOOST_TEST((next(kind::failed, e::staged_again) == kind::staged));
}

BOOST_AUTO_TEST_CASE(staged__waits_for_every_scorer_and_ingest_node__then_is_champion) {
  stage(1);
  BOOST_TEST(advance() == "");
  report("a", 1, loaded::ready);
  report("b", 1, loaded::loading);
  BOOST_TEST(advance() == "");
  report("b", 1, loaded::ready);
  BOOST_TEST(advance() == "1 ready; champion=1 before 0; ");
  BOOST_TEST(advance() == "");
}

BOOST_AUTO_TEST_CASE(staged__second_version__champion_moves_and_remembers) {
  stage(1, kind::ready);
  alias(1, 0);
  stage(2);
  for (const auto* name : {"a", "b"}) report(name, 2, loaded::ready);
  BOOST_TEST(advance() == "2 ready; champion=2 before 1; ");
}

BOOST_AUTO_TEST_CASE(staged__one_node_fails__failed_with_node_and_reason__champion_stays) {
  stage(1, kind::ready);
  alias(1, 0);
  stage(2);
  report("a", 2, loaded::ready);
  report("b", 2, loaded::failed, "out of memory");
  BOOST_TEST(advance() == "2 failed; ");
  BOOST_TEST(state.find_model("games", model_version{2})->record.message == "node b can't load it: out of memory");
  BOOST_TEST((state.find_alias("games", "champion")->version == model_version{1}));
  BOOST_TEST(wanted() == "1 ");
}

BOOST_AUTO_TEST_CASE(staged_again__a_failure_from_before_does_not_count) {
  stage(1);
  report("a", 1, loaded::ready);
  report("b", 1, loaded::failed, "disk full");
  advance();
  stage(1);
  BOOST_TEST(advance() == ""); // b has not applied the new staging yet
  report("b", 1, loaded::ready);
  BOOST_TEST(advance() == "1 ready; champion=1 before 0; ");
}

BOOST_AUTO_TEST_CASE(staged_without_activation__becomes_ready_only) {
  stage(1, kind::staged, "");
  for (const auto* name : {"a", "b"}) report(name, 1, loaded::ready);
  BOOST_TEST(advance() == "1 ready; ");
}

BOOST_AUTO_TEST_CASE(two_staged__ready_together__the_last_asked_for_wins) {
  stage(1);
  stage(2);
  for (const auto* name : {"a", "b"}) report(name, 1, loaded::ready), report(name, 2, loaded::ready);
  BOOST_TEST(advance() == "1 ready; 2 ready; champion=2 before 0; ");
}

BOOST_AUTO_TEST_CASE(two_staged__ready_in_turn__the_later_one_is_activated_last) {
  stage(1);
  stage(2);
  for (const auto* name : {"a", "b"}) report(name, 1, loaded::ready);
  BOOST_TEST(advance() == "1 ready; champion=1 before 0; ");
  for (const auto* name : {"a", "b"}) report(name, 2, loaded::ready);
  BOOST_TEST(advance() == "2 ready; champion=2 before 1; ");
}

BOOST_AUTO_TEST_CASE(two_staged__the_later_one_first__the_older_one_does_not_take_over) {
  stage(1);
  stage(2);
  for (const auto* name : {"a", "b"}) report(name, 2, loaded::ready);
  BOOST_TEST(advance() == "2 ready; champion=2 before 0; ");
  for (const auto* name : {"a", "b"}) report(name, 1, loaded::ready);
  BOOST_TEST(advance() == "1 ready; ");
}

BOOST_AUTO_TEST_CASE(alias_moved_by_hand_after_staging__the_hand_wins) {
  stage(1, kind::ready);
  stage(2, kind::ready);
  alias(2, 1);
  stage(3);
  alias(1, 2);
  for (const auto* name : {"a", "b"}) report(name, 3, loaded::ready);
  BOOST_TEST(advance() == "3 ready; ");
}

BOOST_AUTO_TEST_CASE(member_that_has_not_reported__is_waited_for__until_removed) {
  stage(1);
  report("a", 1, loaded::ready);
  BOOST_TEST(advance() == "");
  write(member_record{ref("b"), "x", {}, 0, false, "dead", term_id{0}});
  BOOST_TEST(advance() == "1 ready; champion=1 before 0; ");
}

BOOST_AUTO_TEST_CASE(wanted__staged_champion_and_previous) {
  stage(1, kind::ready);
  stage(2, kind::ready);
  stage(3, kind::ready);
  stage(4, kind::failed);
  stage(5);
  alias(3, 2);
  BOOST_TEST(wanted() == "2 3 5 ");
}

BOOST_AUTO_TEST_SUITE_END()
