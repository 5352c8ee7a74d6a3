// The node actor on logs in memory: which scorers it believes, how it opens lanes, when it gives up.

#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>

#include "actors/node.hpp"
#include "model/loaded_model.hpp"
#include "tests/cluster/core_fixture.hpp"
#include "tests/model/onnx_maker.hpp"
#include "tests/support/fixture.hpp"

namespace {

using namespace troupe;
using namespace std::chrono_literals;

struct log_desk {
  test::memory_log log;
  std::optional<error> lost;
};

class desk_reader final : public log_reader {
public:
  explicit desk_reader(std::shared_ptr<log_desk> desk)
      : desk_(std::move(desk)) {}
  void on_ready(wake_fn) override {} // it is looked at every tick
  void poll(std::vector<log_record>& records) override {
    auto& all = desk_->log.records;
    records.insert(records.end(), all.begin() + static_cast<std::ptrdiff_t>(read_), all.end());
    read_ = all.size();
  }
  bool caught_up() const override { return read_ == desk_->log.records.size(); }
  std::int64_t position() const override { return caught_up() ? desk_->log.end : desk_->log.records[read_].offset; }
  milliseconds since_last_contact() const override { return 0ms; }
  std::optional<error> lost() const override { return desk_->lost; }

private:
  std::shared_ptr<log_desk> desk_;
  std::size_t read_ = 0;
};

librarian_actor::behavior_type fake_librarian(librarian_actor::pointer, loaded_model_ptr model) {
  return {
      [](const librarian_prove&) -> result<loaded_model_ptr> { return fail(errc::internal, "not asked"); },
      [](const librarian_put&) -> result<blob_location> { return fail(errc::internal, "not asked"); },
      [=](const librarian_load&) -> result<loaded_model_ptr> { return model; },
  };
}

/// The node `b` as the others see it.
struct other_node {
  node_ref self{"b", incarnation_id{2}};
  caf::actor scorer;
  bool scorer_is_faster = false;
  door_actor door;
};

door_actor::behavior_type fake_door(door_actor::pointer door, std::shared_ptr<other_node> b) {
  return {
      [=](const peer_hello& hello) {
        if (b->scorer_is_faster)
          caf::send_as(b->scorer, caf::actor_cast<door_actor>(door->current_sender()), scorer_offer{b->self, 0});
        auto answer = hello;
        answer.node = b->self;
        return answer;
      },
      [](const scorer_offer&) {},
      [](const heartbeat&) {},
      [](const change_request&) { return change_reply{}; },
      [](const admin_request&) { return admin_reply{}; },
  };
}

/// Finds `b` as soon as there is a door.
dialer_actor::behavior_type fake_dialer(dialer_actor::pointer, std::shared_ptr<other_node> b) {
  return {
      [=](const dial&) {
        return dialed{b->door, false, "nobody there"};
      },
      [](const probe&) { return probe_answer::silent; },
  };
}

/// Stands for a scorer or a lane: notes the scorers that it is told of.
caf::behavior dummy(caf::event_based_actor* self, std::shared_ptr<std::vector<std::string>> told) {
  self->set_default_handler(caf::drop);
  return {
      [](const lane_version&) {},
      [=](const scorer_up& up) { told->push_back("+" + up.key.node.name); },
      [=](const scorer_down& down) { told->push_back("-" + down.key.node.name); },
  };
}

/// Node `a`, a member with the model loaded once it has lived for a tick; `b` coordinates and is not there.
struct node_fixture : testing::actor_fixture {
  std::shared_ptr<log_desk> control = std::make_shared<log_desk>(), lease = std::make_shared<log_desk>();
  std::shared_ptr<other_node> b = std::make_shared<other_node>();
  std::shared_ptr<std::vector<std::string>> told = std::make_shared<std::vector<std::string>>();
  std::vector<std::string> opened;
  node_setup setup;
  node_actor door;
  std::string ended;
  bool hangs = false; ///< what opens lanes is lost for good
  std::shared_ptr<bool> here = std::make_shared<bool>(true);

  node_fixture() {
    setup.self = {"a", incarnation_id{1}};
    setup.address = "a:4800";
    setup.roles = {"ingest", "coordinator"};
    write(cluster_record{"c0ffee", "f1", protocol_version});
    write(claim_record{b->self, "b:4800"});
    write(member_record{setup.self, setup.address, setup.roles, 0, true, "", term_id{2}});
    write(model_record{
        "games", model_version{1}, {0, 1, 1, "sha"}, {}, model_record::state_kind::ready, "", "", 0, term_id{2}});
    write(alias_record{"games", "champion", model_version{1}, {}, control_offset{-1}, term_id{2}});
    b->scorer = spawn(dummy, told);
  }
  ~node_fixture() {
    b->scorer = nullptr;
    b->door = nullptr;
    door = nullptr;
  }
  void write(const control_record& record) { control->log.append(record); }
  void start(std::size_t pipelines = 1) {
    for (std::size_t i = 0; i < pipelines; ++i)
      setup.pipelines.push_back({"p" + std::to_string(i), "games", "champion", {}});
    auto bytes = model::testing::regressor().SerializeAsString();
    auto model = model::load_onnx(std::vector<char>(bytes.begin(), bytes.end()));
    BOOST_REQUIRE(model);
    auto parts = std::make_shared<node_parts>();
    parts->control = std::make_unique<desk_reader>(control);
    parts->lease = std::make_unique<desk_reader>(lease);
    parts->librarian = spawn(fake_librarian, *model);
    parts->dialer = spawn(fake_dialer, b);
    parts->spawn_lane = [this](const std::string& pipeline, generation_id, lane_owner_actor) -> result<ingest_actor> {
      if (hangs) return fail(errc::internal, "9 threads hang");
      opened.push_back(pipeline);
      return caf::actor_cast<ingest_actor>(spawn(dummy, told));
    };
    parts->spawn_admin = [](node_actor) { return admin_actor{}; };
    door = spawn(node, setup, parts);
    caf::actor_cast<caf::abstract_actor*>(door)->attach_functor(
        [this, alive = std::weak_ptr<bool>{here}](const caf::error& why) {
          if (!alive.expired()) ended = sys.render(why);
        });
    run();
  }
  void connect_b() {
    b->door = spawn(fake_door, b);
    advance(2s);
  }
  void offer(const caf::actor& scorer, const node_ref& as) {
    caf::send_as(scorer, door, scorer_offer{as, 0});
    advance(10ms);
  }
  std::string heard() {
    std::string all;
    for (auto& one : *told) all += one;
    return all;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(node, node_fixture)

BOOST_AUTO_TEST_CASE(lanes__of_many_pipelines__opened_one_a_tick) {
  start(5);
  std::size_t most = 0;
  for (std::size_t before = opened.size(), ticks = 0; ticks < 10; ++ticks, before = opened.size()) {
    advance(50ms);
    most = std::max(most, opened.size() - before);
  }
  BOOST_TEST(most == 1u);
  BOOST_TEST(opened.size() == 5u);
}

BOOST_AUTO_TEST_CASE(lanes__can_never_be_opened_again__the_node_ends) {
  hangs = true;
  start();
  advance(1s);
  BOOST_TEST(ended.find("9 threads hang") != std::string::npos, ended);
}

BOOST_AUTO_TEST_CASE(lease_topic__is_lost__the_node_ends) {
  start();
  advance(1s);
  BOOST_TEST(ended.empty());
  lease->lost = error{errc::not_found, "topic \"lease\" does not exist (any more)"};
  advance(100ms);
  BOOST_TEST(ended.find("does not exist (any more)") != std::string::npos, ended);
}

BOOST_AUTO_TEST_CASE(control_topic__is_lost__the_node_ends_and_opens_no_lane_on_its_way_out) {
  start(3);
  BOOST_REQUIRE(opened.size() == 1u);
  control->lost = error{errc::conflict, "shorter than before"};
  advance(100ms);
  BOOST_TEST(ended.find("shorter than before") != std::string::npos, ended);
  BOOST_TEST(opened.size() == 1u);
}

BOOST_AUTO_TEST_CASE(offer__of_a_connected_node__its_scorer_is_used) {
  start();
  connect_b();
  offer(b->scorer, b->self);
  BOOST_TEST(heard() == "+b");
}

BOOST_AUTO_TEST_CASE(offer__of_a_stranger__ignored) {
  start();
  offer(b->scorer, b->self); // not connected yet
  connect_b();
  offer(b->scorer, {"c", incarnation_id{3}});
  offer(b->scorer, {"b", incarnation_id{1}}); // its last life
  BOOST_TEST(heard() == "");
}

BOOST_AUTO_TEST_CASE(offer__comes_before_the_answer_to_the_hello__its_scorer_is_used) {
  start();
  b->scorer_is_faster = true;
  connect_b();
  BOOST_TEST(heard() == "+b");
}

BOOST_AUTO_TEST_CASE(offer__again__lanes_hear_of_it_again) {
  start();
  connect_b();
  offer(b->scorer, b->self);
  offer(b->scorer, b->self);
  BOOST_TEST(heard() == "+b+b");
}

BOOST_AUTO_TEST_CASE(door__is_lost__its_scorers_are_gone) {
  start();
  connect_b();
  offer(b->scorer, b->self);
  caf::anon_send_exit(b->door, caf::exit_reason::kill);
  run();
  BOOST_TEST(heard() == "+b-b");
}

BOOST_AUTO_TEST_SUITE_END()
