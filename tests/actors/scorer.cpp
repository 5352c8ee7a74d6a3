// The scorer actor: plans come and go, batches are answered to their sender.
#include "actors/scorer.hpp"

#include <fstream>
#include <iterator>

#include <boost/test/unit_test.hpp>

#include "tests/support/fixture.hpp"

using namespace troupe;
using namespace troupe::testing;

namespace {

/// Asks the scorer as a lane does, and keeps the answers.
using asker_actor = caf::typed_actor<caf::reacts_to<scored_batch>, caf::reacts_to<score_batch>>;
asker_actor::behavior_type asker(asker_actor::pointer self, scorer_actor to,
                                 std::shared_ptr<std::vector<scored_batch>> got) {
  return {[=](const scored_batch& answer) { got->push_back(answer); },
          [=](const score_batch& batch) { self->send(to, batch); }};
}

door_actor::behavior_type door(door_actor::pointer self, std::shared_ptr<std::vector<scorer_offer>> got) {
  return {[](const peer_hello& hello) { return hello; },
          [=](const scorer_offer& offer) {
            got->push_back(offer);
            BOOST_CHECK(self->current_sender() != nullptr);
          },
          [](const heartbeat&) {}, [](const change_request&) { return change_reply{}; },
          [](const admin_request&) { return admin_reply{}; }};
}

score_batch batch_of(std::uint64_t seq, std::uint32_t version, const std::vector<std::string>& rows) {
  auto block = std::make_shared<row_block>();
  for (const auto& row : rows) {
    block->bytes.insert(block->bytes.end(), row.begin(), row.end());
    block->ends.push_back(static_cast<std::uint32_t>(block->bytes.size()));
  }
  return {batch_seq{seq}, 3, "games", model_version{version}, {block}};
}

struct scorer_fixture : actor_fixture {
  std::shared_ptr<std::vector<scored_batch>> got = std::make_shared<std::vector<scored_batch>>();
  std::uint64_t ticks = 0;
  scorer_actor scorer_ = spawn(scorer, scorer_config{5, [this] { return ticks += 10; }, {}});
  asker_actor asker_ = spawn(asker, scorer_, got);
  ~scorer_fixture() {
    scorer_ = nullptr;
    asker_ = nullptr;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(scorer, scorer_fixture)

BOOST_AUTO_TEST_CASE(batch__version_unknown__not_ready_with_seq_and_attempt) {
  send(asker_, batch_of(7, 2, {"{}"}));
  run();
  BOOST_REQUIRE_EQUAL(got->size(), 1u);
  BOOST_CHECK(got->at(0).status == scored_batch::status_kind::not_ready);
  BOOST_CHECK_EQUAL(got->at(0).seq.value, 7u);
  BOOST_CHECK_EQUAL(got->at(0).attempt, 3u);
  BOOST_CHECK(!got->at(0).outcomes);
}

BOOST_AUTO_TEST_CASE(introduce__peer__gets_an_offer_from_the_scorer_itself) {
  auto offers = std::make_shared<std::vector<scorer_offer>>();
  auto peer = spawn(door, offers);
  send(scorer_, introduce{peer, {"a", incarnation_id{9}}});
  run();
  BOOST_REQUIRE_EQUAL(offers->size(), 1u);
  BOOST_CHECK_EQUAL(offers->at(0).index, 5u);
  BOOST_CHECK_EQUAL(offers->at(0).node.name, "a");
}

BOOST_AUTO_TEST_CASE(plan__used_then_dropped__scores_while_it_is_there) {
  std::ifstream file{TROUPE_SOURCE_DIR "/examples/games.onnx", std::ios::binary};
  std::vector<char> content{std::istreambuf_iterator<char>{file}, {}};
  auto model = model::load_onnx(content);
  BOOST_REQUIRE_MESSAGE(model.has_value(), (model ? "" : model.error().message));
  model::scoring_options options;
  options.features = {"G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8", "G9", "G10"};
  auto plan = model::scoring_plan::make(*model, options);
  BOOST_REQUIRE_MESSAGE(plan.has_value(), (plan ? "" : plan.error().message));
  send(scorer_, use_plan{"games", model_version{2}, *plan});
  auto row = R"({"G1":0,"G2":1,"G3":2,"G4":3,"G5":4,"G6":5,"G7":6,"G8":7,"G9":8,"G10":1,"User_ID":"u"})";
  send(asker_, batch_of(1, 2, {row, "not JSON", row}));
  run();
  send(scorer_, drop_plan{"games", model_version{2}});
  send(asker_, batch_of(2, 2, {row}));
  run();
  BOOST_REQUIRE_EQUAL(got->size(), 2u);
  const auto& first = got->at(0);
  BOOST_REQUIRE(first.outcomes);
  BOOST_REQUIRE_EQUAL(first.outcomes->codes.size(), 3u);
  BOOST_CHECK_EQUAL(first.outcomes->codes[0], 0);
  BOOST_CHECK(first.outcomes->codes[1] == static_cast<char>(model::rejection::invalid_json));
  BOOST_CHECK_EQUAL(first.outcomes->codes[2], 0);
  BOOST_CHECK_EQUAL(first.scoring_ns, 10u);
  std::string text{first.outcomes->bytes.data(), first.outcomes->ends[0]};
  BOOST_CHECK_EQUAL(text.substr(0, 24), R"({"User_ID":"u","pred":0.)");
  BOOST_CHECK(got->at(1).status == scored_batch::status_kind::not_ready);
}

BOOST_AUTO_TEST_SUITE_END()
