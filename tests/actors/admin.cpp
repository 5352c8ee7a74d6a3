// The admin actor: what it takes of a model file, and in which order; how it repeats a change.
#include "actors/admin.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <fmt/format.h>

#include "tests/support/fixture.hpp"

using namespace troupe;
using namespace troupe::testing;
using namespace std::chrono_literals;

namespace {

/// What the node and the librarian around the admin actor say and saw.
struct surroundings {
  std::string why_not_fit;                  ///< of every model
  std::string why_no_model, why_not_stored; ///< of every file
  std::size_t nobody_coordinates = 0;       ///< so many changes find nobody
  change_reply answer{true, false, "registered", control_offset{42}, R"({"version":2})"};
  std::vector<change_request> changes;
  std::vector<fit_check> fits;
  std::vector<std::string> stored;
};
using surroundings_ptr = std::shared_ptr<surroundings>;

node_actor::behavior_type fake_node(node_actor::pointer, surroundings_ptr here) {
  return {
      [](const peer_hello& hello) { return hello; },
      [](const scorer_offer&) {},
      [](const heartbeat&) {},
      [](const change_request&) { return change_reply{}; },
      [](const admin_request&) { return admin_reply{}; },
      [](const lane_state&) {},
      [=](const forward_change& ask) {
        here->changes.push_back(ask.change);
        if (here->nobody_coordinates == 0) return here->answer;
        --here->nobody_coordinates;
        return change_reply{false, true, "nobody coordinates", {}, {}};
      },
      [](local_view_atom) { return std::string{R"({"node":"a"})"}; },
      [=](const fit_check& check) {
        here->fits.push_back(check);
        return here->why_not_fit;
      },
      [](leave_atom) {},
      [](wake_atom) {},
      [](tick_atom) {},
  };
}

librarian_actor::behavior_type fake_librarian(librarian_actor::pointer, surroundings_ptr here) {
  return {
      [=](const librarian_prove&) -> result<loaded_model_ptr> {
        if (!here->why_no_model.empty()) return fail(errc::invalid, here->why_no_model);
        return loaded_model_ptr{}; // nobody looks inside, since every push here names its features
      },
      [=](const librarian_put& put) -> result<blob_location> {
        if (!here->why_not_stored.empty()) return fail(errc::unavailable, here->why_not_stored);
        here->stored.emplace_back(put.content->begin(), put.content->end());
        return blob_location{7, 1, put.content->size(), std::string(64, 'a')};
      },
      [](const librarian_load&) -> result<loaded_model_ptr> { return loaded_model_ptr{}; },
  };
}

struct door : actor_fixture {
  surroundings_ptr here = std::make_shared<surroundings>();
  admin_config limits;
  admin_actor admin_;

  door() {
    limits.model_bytes_max = 100;
    limits.uploads_max = 2;
    admin_ = spawn(admin, limits, spawn(fake_node, here), spawn(fake_librarian, here));
  }
  ~door() { admin_ = nullptr; }

  /// The answer, once there is one.
  std::shared_ptr<std::optional<admin_reply>> ask(std::string verb, std::string body, const std::string& blob = "") {
    auto answer = std::make_shared<std::optional<admin_reply>>();
    admin_request request{std::move(verb), std::move(body), {blob.begin(), blob.end()}};
    spawn(
        [=](caf::event_based_actor* self, const admin_actor& asked) {
          self->request(asked, caf::infinite, request)
              .then([=](const admin_reply& reply) { *answer = reply; },
                    [=](caf::error& why) {
                      *answer = admin_reply{false, "no answer: " + self->system().render(why)};
                    });
        },
        admin_);
    run();
    return answer;
  }
  /// The sentence of a request that is refused at once; "" if it is not.
  std::string refusal(std::string verb, std::string body, const std::string& blob = "") {
    auto answer = ask(std::move(verb), std::move(body), blob);
    BOOST_REQUIRE(answer->has_value());
    return (*answer)->ok ? "" : (*answer)->body;
  }
  /// Id of a fresh upload.
  std::string begin(std::size_t bytes, const std::string& more = "") {
    auto answer =
        ask("model.begin", fmt::format(R"({{"name":"games","bytes":{},"features":["G1","G2"]{}}})", bytes, more));
    BOOST_REQUIRE(answer->has_value());
    auto body = (*answer)->body;
    BOOST_REQUIRE_MESSAGE((*answer)->ok && body.starts_with(R"({"upload":")"), body);
    return body.substr(11, body.size() - 13);
  }
  std::string chunk(const std::string& id, std::size_t at, const std::string& bytes) {
    return refusal("model.chunk", fmt::format(R"({{"upload":"{}","at":{}}})", id, at), bytes);
  }
  std::string commit(const std::string& id) { return refusal("model.commit", fmt::format(R"({{"upload":"{}"}})", id)); }
};

bool has(const std::string& text, const std::string& part) {
  BOOST_TEST_MESSAGE(text);
  return text.find(part) != std::string::npos;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(admin, door)

BOOST_AUTO_TEST_CASE(upload__in_chunks__is_proved_stored_and_registered) {
  auto id = begin(6, R"(,"alias":"challenger")");
  BOOST_TEST(chunk(id, 0, "abcd") == "");
  BOOST_TEST(chunk(id, 4, "ef") == "");
  auto done = ask("model.commit", fmt::format(R"({{"upload":"{}"}})", id));
  BOOST_REQUIRE(done->has_value());
  BOOST_TEST((*done)->body == R"({"message":"registered","offset":42,"result":{"version":2}})");
  BOOST_REQUIRE_EQUAL(here->stored.size(), 1u);
  BOOST_TEST(here->stored[0] == "abcdef");
  BOOST_REQUIRE_EQUAL(here->changes.size(), 1u);
  BOOST_TEST(here->changes[0].kind == "register_model");
  for (auto* part : {R"("name":"games")", R"("alias":"challenger")", R"("bytes":6)", R"("first_offset":7)",
                     R"("features":["G1","G2"])"})
    BOOST_TEST(has(here->changes[0].body, part), part);
}

BOOST_AUTO_TEST_CASE(begin__beyond_a_limit__is_refused_by_name) {
  auto begun = [&](const std::string& body) { return refusal("model.begin", body); };
  BOOST_TEST(has(begun(R"({"name":"games","bytes":101})"), "101 bytes is refused: it may have 1 to 100"));
  BOOST_TEST(has(begun(R"({"name":"games","bytes":0})"), "0 bytes"));
  BOOST_TEST(has(begun(R"({"name":"Games","bytes":1})"), "'Games' can't be a model's name"));
  BOOST_TEST(has(begun(R"({"name":"games","alias":"The Best","bytes":1})"), "'The Best' can't be an alias's name"));
  BOOST_TEST(has(begun("nonsense"), "not JSON at byte"));
  begin(1);
  begin(1);
  BOOST_TEST(has(begun(R"({"name":"games","bytes":1})"), "too many model files"));
}

BOOST_AUTO_TEST_CASE(chunk__out_of_order_or_too_long__is_refused) {
  auto id = begin(4);
  BOOST_TEST(has(chunk(id, 2, "cd"), "a part of the file is missing"));
  BOOST_TEST(chunk(id, 0, "ab") == "");
  BOOST_TEST(has(chunk(id, 0, "ab"), "a part of the file is missing")); // twice
  BOOST_TEST(has(chunk(id, 2, "cde"), "longer than was announced"));
  BOOST_TEST(chunk(id, 2, "cd") == "");
  BOOST_TEST(commit(id) == "");
}

BOOST_AUTO_TEST_CASE(commit__unknown_or_cut_or_done_before__is_refused) {
  BOOST_TEST(has(commit("nobody"), "not known"));
  BOOST_TEST(has(chunk("nobody", 0, "ab"), "not known"));
  auto cut = begin(4);
  BOOST_TEST(chunk(cut, 0, "ab") == "");
  BOOST_TEST(has(commit(cut), "shorter than was announced"));
  auto whole = begin(2);
  BOOST_TEST(chunk(whole, 0, "ab") == "");
  BOOST_TEST(commit(whole) == "");
  BOOST_TEST(has(commit(whole), "not known"));
  BOOST_TEST(here->stored.size() == 1u);
}

BOOST_AUTO_TEST_CASE(upload__idle_for_too_long__gives_its_place_to_another) {
  auto old = begin(4);
  advance(40s);
  auto busy = begin(4);
  BOOST_TEST(chunk(old, 0, "ab") == ""); // goes on: not idle
  advance(40s);
  BOOST_TEST(chunk(busy, 0, "ab") == "");
  advance(limits.upload_idle - 30s);
  auto fresh = begin(4); // there are two already, one of them forgotten
  BOOST_TEST(has(chunk(old, 2, "cd"), "not known"));
  BOOST_TEST(chunk(busy, 2, "cd") == "");
  BOOST_TEST(chunk(fresh, 0, "ab") == "");
}

BOOST_AUTO_TEST_CASE(model__no_model_or_no_fit_or_no_room__is_refused_and_never_registered) {
  auto pushed = [&] {
    auto id = begin(2);
    BOOST_TEST(chunk(id, 0, "ab") == "");
    return commit(id);
  };
  here->why_no_model = "this is a cake";
  BOOST_TEST(pushed() == "this is a cake");
  BOOST_TEST(here->fits.empty());
  here->why_no_model.clear();
  here->why_not_fit = "pipeline games: the model wants 3 features";
  BOOST_TEST(pushed() == here->why_not_fit);
  BOOST_REQUIRE_EQUAL(here->fits.size(), 1u);
  BOOST_TEST(here->fits[0].name == "games");
  BOOST_TEST((here->fits[0].features == std::vector<std::string>{"G1", "G2"}));
  BOOST_TEST(here->stored.empty());
  here->why_not_fit.clear();
  here->why_not_stored = "no broker";
  BOOST_TEST(pushed() == "no broker");
  BOOST_TEST(here->changes.empty());
}

BOOST_AUTO_TEST_CASE(change__nobody_takes_it__the_same_one_is_sent_again) {
  here->nobody_coordinates = 3;
  auto answer = ask("model.alias", R"({"name":"games","alias":"champion","version":1})");
  BOOST_TEST(!answer->has_value());
  advance(3 * limits.change_retry);
  BOOST_REQUIRE(answer->has_value());
  BOOST_TEST((*answer)->ok);
  BOOST_REQUIRE_EQUAL(here->changes.size(), 4u);
  for (auto& change : here->changes) {
    BOOST_TEST(change.change_id == here->changes[0].change_id);
    BOOST_TEST(change.kind == "set_alias");
  }
}

BOOST_AUTO_TEST_CASE(change__nobody_ever_takes_it_or_it_is_refused__the_person_hears_why) {
  here->nobody_coordinates = 1000;
  auto answer = ask("model.alias", "{}");
  advance(limits.change_limit + limits.change_retry);
  BOOST_REQUIRE(answer->has_value());
  BOOST_TEST((*answer)->body == "nobody coordinates");
  here->nobody_coordinates = 0;
  here->answer = {false, false, "there is no games@7", {}, {}};
  BOOST_TEST(refusal("model.alias", "{}") == "there is no games@7");
}

BOOST_AUTO_TEST_CASE(status__nobody_coordinates__says_so_beside_what_the_node_knows) {
  here->answer = {false, true, "nobody coordinates", {}, {}};
  auto answer = ask("status", "{}");
  BOOST_REQUIRE(answer->has_value());
  BOOST_TEST((*answer)->body == R"({"cluster":null,"problem":"nobody coordinates","node":{"node":"a"}})");
  BOOST_TEST(has(refusal("dance", "{}"), "'dance' is not something this version can do"));
}

BOOST_AUTO_TEST_SUITE_END()
