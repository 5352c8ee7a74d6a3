// The admin actor: what strangers may send it.

#include <boost/test/unit_test.hpp>
#include <caf/scoped_actor.hpp>

#include "actors/admin.hpp"
#include "tests/support/fixture.hpp"

namespace {

using namespace troupe;

struct admin_fixture : testing::actor_fixture {
  admin_actor door = spawn(admin, admin_config{}, node_actor{}, librarian_actor{});

  admin_reply ask(const std::string& verb, const std::string& body) {
    caf::scoped_actor self{sys};
    auto pending = self->request(door, std::chrono::seconds{1}, admin_request{verb, body, {}});
    run();
    admin_reply answer;
    pending.receive([&](const admin_reply& reply) { answer = reply; },
                    [&](caf::error& why) { BOOST_ERROR("no answer: " + sys.render(why)); });
    return answer;
  }
};

/// RapidJSON 1.1.0 reads one as a number beyond its tables, which is a SIGSEGV.
const std::string deadly = R"([0.00000000000000001e-2147483639])";

} // namespace

BOOST_FIXTURE_TEST_SUITE(admin_requests, admin_fixture)

BOOST_AUTO_TEST_CASE(request__number_that_kills_rapidjson__is_answered) {
  for (auto* verb : {"model.begin", "model.chunk", "model.commit"}) BOOST_TEST(!ask(verb, deadly).ok);
  BOOST_TEST(ask("model.begin", R"({"name":"games","bytes":4,"extra":)" + deadly + "}").ok);
  BOOST_TEST(!ask("model.begin", R"({"name":"games","bytes":0.00000000000000001e-2147483639})").ok);
}

BOOST_AUTO_TEST_CASE(request__not_what_is_asked_for__says_what_is_wrong) {
  BOOST_TEST(ask("model.begin", "[").body.starts_with("the request: not JSON at byte 1"));
  BOOST_TEST(ask("model.begin", R"({"name":"games"})").body == "the request: field 'bytes' is missing");
  BOOST_TEST(ask("model.begin", R"({"name":"games","bytes":-1})").body.starts_with("the request: field 'bytes'"));
  BOOST_TEST(ask("model.begin", R"({"name":"games","bytes":4,"features":[{}]})").body ==
             "the request: field 'features' is not an array of strings");
  BOOST_TEST(ask("model.chunk", R"({"upload":"x"})").body == "the request: field 'at' is missing");
  BOOST_TEST(ask("model.commit", "{}").body == "the request: field 'upload' is missing");
}

BOOST_AUTO_TEST_SUITE_END()
