// The simulated broker goes through the script that a real one goes through (tests/kafka_real/transactions.cpp).
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "tests/simulation/transaction_script.hpp"
#include "tests/simulation/transactions.hpp"

namespace {

using namespace troupe;
using namespace troupe::sim;

struct simulated {
  testing::fake_kafka store;
  transactions kafka{store};
  std::map<std::string, producer_session> producers;
  transactions::time_point now{};
  topic_partition place{"t", 0};

  simulated() { store.create("t", 1); }

  static std::string text(transactions::answer answer) {
    using kind = transactions::answer;
    return answer == kind::ok ? "ok" : answer == kind::fenced ? "fenced" : "invalid";
  }
  std::string of_producer(const std::string& name, const std::string& verb, const std::string& word) {
    auto& session = producers[name];
    if (verb == "init") session = kafka.init(name == "C" ? "other" : "one");
    if (verb == "init" || verb == "begin") return "ok"; // a transaction begins with its first request
    if (verb == "produce") return text(kafka.produce(session, place, {{}, word}, now));
    if (verb == "commit") return text(kafka.commit(session));
    if (verb == "abort") return text(kafka.abort(session));
    committed_offset offset{place, std::stoll(word), {}};
    return text(kafka.add_offsets(session, "g", {&offset, 1}, now));
  }
  std::string committed() {
    if (kafka.is_unstable("g", place)) return "unstable";
    auto found = store.committed("g", place);
    return found ? std::to_string(*found->offset) : "none";
  }
  std::string read() {
    std::string text;
    for (auto* record : kafka.read_committed(place, 0)) text += (text.empty() ? "" : " ") + record->value.value_or("");
    return text;
  }
  std::string operator()(const std::string& step) {
    std::istringstream words{step};
    std::string first, second, third;
    words >> first >> second >> third;
    if (first == "read") return read();
    if (first == "committed") return committed();
    if (first == "end") return std::to_string(store.log("t", 0).end);
    if (first == "commit_outside") {
      store.groups["g"][place] = {place, std::stoll(second), {}};
      return "ok";
    }
    if (first != "wait") return of_producer(first, second, third);
    now += kafka.timeout;
    kafka.expire(now);
    return "ok";
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(transactions)

BOOST_AUTO_TEST_CASE(script__simulated_broker__answers_as_the_table_says) {
  for (auto& one : transaction_script()) {
    simulated broker;
    for (auto& step : one.steps)
      BOOST_CHECK_MESSAGE(broker(step.what) == step.answer, one.name + ": " + step.what + " should be " + step.answer);
  }
}

BOOST_AUTO_TEST_SUITE_END()
