#include "cluster/change_requests.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/cluster/coordinator_fixture.hpp"

using namespace troupe;
using namespace troupe::test;

BOOST_FIXTURE_TEST_SUITE(change_requests, coordinator_fixture)

BOOST_AUTO_TEST_CASE(register_model__versions_follow__same_content_is_the_same) {
  join(a);
  auto reply = ask("register_model", model('a'), "1");
  BOOST_TEST(reply.ok);
  BOOST_TEST(reply.body == R"({"name":"games","version":1,"state":"staged"})");
  BOOST_TEST((reply.offset == core->state().changes().at("1").at));
  BOOST_TEST(ask("register_model", model('b'), "2").body.find("\"version\":2") != std::string::npos);
  BOOST_TEST(ask("register_model", model('a'), "3").body.find("\"version\":1") != std::string::npos);
  const auto taken = ask("register_model", model('c', R"(,"version":2)"), "4");
  BOOST_TEST(!taken.ok);
  BOOST_TEST(taken.message.find("exists with other content") != std::string::npos);
  BOOST_TEST(!ask("register_model", model('d', R"(,"version":9)"), "5").ok);
  BOOST_TEST(core->state().models().size() == 2u);
}

BOOST_AUTO_TEST_CASE(register_model__for_an_alias__that_one_moves_and_no_other) {
  join(a);
  const auto ready = [&](std::vector<std::uint32_t> versions) {
    auto r = obedient(a);
    for (auto v : versions) r.models.push_back({"games", model_version{v}, model_report::state_kind::ready, ""});
    core->heard(r, now);
    run();
  };
  ask("register_model", model('a'), "1");
  ready({1});
  ask("register_model", model('b', R"(,"alias":"challenger")"), "2");
  BOOST_TEST(core->state().find_model("games", model_version{2})->record.activate == "challenger");
  ready({1, 2});
  BOOST_TEST(core->state().find_alias("games", "champion")->version.value == 1u);
  BOOST_TEST(core->state().find_alias("games", "challenger")->version.value == 2u);
  ask("register_model", model('c', R"(,"activate":false)"), "3");
  ready({1, 2, 3});
  BOOST_TEST(core->state().find_alias("games", "champion")->version.value == 1u);
  BOOST_TEST(!ask("register_model", model('d', R"(,"alias":"Champion!")"), "4").ok);
  // One that is still on its way to an alias is not taken away from it.
  ask("register_model", model('d'), "5");
  BOOST_TEST(!ask("register_model", model('d', R"(,"alias":"challenger")"), "6").ok);
  BOOST_TEST(core->state().find_model("games", model_version{4})->record.activate == "champion");
}

BOOST_AUTO_TEST_CASE(register_model__known_content_other_features__is_refused_with_both_lists) {
  join(a);
  ask("register_model", model('a', R"(,"features":["G1","G2"])"), "1");
  const auto other = ask("register_model", model('a', R"(,"features":["G2","G1"])"), "2");
  BOOST_TEST(!other.ok);
  for (const auto* part : {"games@1", "G1,G2", "G2,G1", "pipelines[].features"})
    BOOST_TEST(other.message.find(part) != std::string::npos, part << " in: " << other.message);
  BOOST_TEST(ask("register_model", model('a', R"(,"features":["G1","G2"])"), "3").ok);
  BOOST_TEST(ask("register_model", model('a'), "4").ok); // no opinion
  BOOST_TEST(
      (core->state().find_model("games", model_version{1})->record.features == std::vector<std::string>{"G1", "G2"}));
}

BOOST_AUTO_TEST_CASE(change__same_id_again__same_answer_no_second_effect) {
  join(a);
  const auto first = ask("register_model", model('a'), "x");
  const auto end = log.end;
  const auto again = ask("register_model", model('a'), "x");
  BOOST_TEST(again.body == first.body);
  BOOST_TEST((again.offset == first.offset));
  BOOST_TEST(log.end == end);
  begin(a); // and from the next coordinator
  BOOST_TEST(ask("register_model", model('a'), "x").body == first.body);
}

BOOST_AUTO_TEST_CASE(changes__old_results_are_forgotten) {
  config.changes_kept = 3;
  begin(a);
  for (int i = 0; i < 6; ++i) BOOST_TEST(ask("register_model", model(char('a' + i)), std::to_string(i)).ok);
  BOOST_TEST(core->state().changes().size() == 3u);
  BOOST_TEST(core->state().changes().contains("5"));
}

BOOST_AUTO_TEST_CASE(model__ready_everywhere__goes_live__and_back) {
  join(a);
  const auto ready = [&](std::vector<std::uint32_t> versions) {
    auto r = obedient(a);
    for (auto v : versions) r.models.push_back({"games", model_version{v}, model_report::state_kind::ready, ""});
    core->heard(r, now);
    run();
  };
  ask("register_model", model('a'), "1");
  ready({1});
  ask("register_model", model('b'), "2");
  ready({1, 2});
  const auto champion = [&] { return core->state().find_alias("games", "champion")->version.value; };
  BOOST_TEST(champion() == 2u);
  BOOST_TEST(ask("set_alias", R"({"name":"games","alias":"champion","version":0})", "3").body ==
             R"({"name":"games","alias":"champion","version":1,"previous":2})");
  BOOST_TEST(champion() == 1u);
  BOOST_TEST(ask("set_alias", R"({"name":"games","alias":"champion","version":1})", "4").ok); // is so already
  BOOST_TEST(!ask("set_alias", R"({"name":"games","alias":"champion","version":7})", "5").ok);
  BOOST_TEST(!ask("set_alias", R"({"name":"games","alias":"Champion!","version":1})", "6").ok);
  BOOST_TEST(!ask("set_alias", R"({"name":"games","alias":"other","version":0})", "7").ok);
  // A version that was unloaded is loaded first, then the alias moves.
  ready({1});
  BOOST_TEST(ask("set_alias", R"({"name":"games","alias":"champion","version":2})", "8").message.find("being loaded") !=
             std::string::npos);
  BOOST_TEST(champion() == 1u);
  ready({1, 2});
  BOOST_TEST(champion() == 2u);
}

BOOST_AUTO_TEST_CASE(change__bad_input__is_refused_by_name) {
  join(a);
  const auto why = [&](const std::string& kind, const std::string& body) {
    static int id = 0;
    const auto reply = ask(kind, body, "bad" + std::to_string(++id));
    BOOST_TEST(!reply.ok);
    return reply.message;
  };
  BOOST_TEST(why("dance", "{}").find("unknown kind of change 'dance'") != std::string::npos);
  BOOST_TEST(why("register_model", "{").find("not JSON") != std::string::npos);
  BOOST_TEST(why("register_model", "{}") == "change: field 'name' is missing");
  BOOST_TEST(why("register_model", R"({"name":"../x","bytes":1,"first_offset":0,"chunks":1,"sha256":"x"})")
                 .find("not allowed") != std::string::npos);
  BOOST_TEST(
      why("register_model", R"({"name":"x","bytes":1,"first_offset":0,"chunks":1,"sha256":"x"})").find("sha256") !=
      std::string::npos);
  BOOST_TEST(why("resume_pipeline", R"({"name":"nope"})").find("no pipeline 'nope'") != std::string::npos);
  BOOST_TEST(why("remove_node", R"({"name":"nope"})").find("no node 'nope'") != std::string::npos);
  BOOST_TEST(why("remove_node", R"({"name":"a"})").find("coordinator") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(remove_node__is_removed_by_an_operator) {
  join(a);
  join(b);
  BOOST_TEST(ask("remove_node", R"({"name":"b"})").ok);
  BOOST_TEST(core->state().removed().at("b").reason == "removed by an operator");
}

BOOST_AUTO_TEST_CASE(change_on_a_node_that_does_not_coordinate__is_refused) {
  core->end_term();
  core->submit({"1", "remove_node", "{}"}, now, 0);
  const auto out = core->step(now);
  BOOST_REQUIRE_EQUAL(out.size(), 1u);
  BOOST_TEST(!std::get<action::answer>(out[0]).reply.ok);
}

BOOST_AUTO_TEST_SUITE_END()
