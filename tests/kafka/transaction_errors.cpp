// What a lane's transaction makes of each error of each request that it takes, once, three times, and late. The
// in-process broker injects them; it proves nothing about transactions, but these errors come from no real broker on
// demand. There are two good ends: the commit is done after all, or the producer is lost and its successor goes by the
// committed offset. What must not be is a third one: a hang, or a commit that is told and was refused.
#include <array>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "data_path.hpp"

using namespace troupe;
using namespace troupe::kafka;

namespace {

enum class timing { once, thrice, late };
enum class ending { committed, lost, none };

struct request_kind {
  const char* name;
  std::int16_t api;
  bool opens; ///< it is made while the transactions are opened, not in each of them
};
constexpr std::array requests{request_kind{"Produce", 0, false},          request_kind{"FindCoordinator", 10, true},
                              request_kind{"InitProducerId", 22, true},   request_kind{"AddPartitionsToTxn", 24, false},
                              request_kind{"AddOffsetsToTxn", 25, false}, request_kind{"EndTxn", 26, false},
                              request_kind{"TxnOffsetCommit", 28, false}};

/// Passing ones: the client asks again.
constexpr std::array passing{RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
                             RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_COORDINATOR};
/// Final ones: another producer has the id, the broker has forgotten this one, or it may not do this.
constexpr std::array final_ones{RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
                                RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING,
                                RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
                                RD_KAFKA_RESP_ERR_INVALID_TXN_STATE};

struct injected {
  request_kind request;
  rd_kafka_resp_err_t code;
  timing when;
  std::string text() const {
    constexpr std::array names{"once", "three times", "late"};
    return fmt::format("{} {} {}", request.name, rd_kafka_err2name(code), names[static_cast<std::size_t>(when)]);
  }
};

/// An in-process broker of one case's own.
class broker {
public:
  broker()
      : client_(rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), nullptr, 0))
      , mock_(rd_kafka_mock_cluster_new(client_, 1)) {
    rd_kafka_mock_topic_create(mock_, "out", 2, 1);
    rd_kafka_mock_topic_create(mock_, "in", 2, 1);
  }
  ~broker() {
    rd_kafka_mock_cluster_destroy(mock_);
    rd_kafka_destroy(client_);
  }
  [[nodiscard]] std::string bootstrap() const { return rd_kafka_mock_cluster_bootstraps(mock_); }
  void inject(const injected& what) {
    // Later than the limit of one call, so that it is made again.
    if (what.when == timing::late)
      rd_kafka_mock_broker_push_request_error_rtts(mock_, 1, what.request.api, 1, what.code, 1'500);
    else if (what.when == timing::thrice)
      rd_kafka_mock_push_request_errors(mock_, what.request.api, 3, what.code, what.code, what.code);
    else
      rd_kafka_mock_push_request_errors(mock_, what.request.api, 1, what.code);
  }

private:
  rd_kafka_t* client_;
  rd_kafka_mock_cluster_t* mock_;
};

class lane_end {
public:
  explicit lane_end(const std::string& bootstrap) {
    auto made = make_transactional_sink({{{"bootstrap.servers", bootstrap}}, "out", "", {2, 1'000'000}, {}}, "lane",
                                        "group", "in");
    sink_ = std::move(made->sink);
    transaction_ = std::move(made->transaction);
  }
  /// Of the first record that was given up.
  std::string why;
  /// Waits until the transactions are open. False: lost, or nothing happened.
  ending open() { return wait(transaction_event::kind::opened); }
  ending commit_rows() {
    std::vector<produce_record> records(3);
    for (auto& record : records) record.value = "a row";
    if (sink_->produce(records) != records.size()) return ending::none;
    std::size_t done = 0;
    bool good = true;
    std::vector<delivery> deliveries;
    if (!eventually([&] {
          deliveries.clear();
          sink_->poll(deliveries);
          for (const auto& one : deliveries) {
            done += one.count;
            good = good && one.ok;
            if (!one.ok && why.empty()) why = one.message;
          }
          return done == records.size();
        }))
      return ending::none;
    if (!good) return ending::lost; // the lane ends
    transaction_->commit({{{"in", 0}, 3, ""}}, 1);
    return wait(transaction_event::kind::committed);
  }

private:
  ending wait(transaction_event::kind good) {
    std::vector<transaction_event> events;
    if (!eventually([&] {
          transaction_->poll(events);
          return !events.empty();
        }))
      return ending::none;
    return events.front().what == good ? ending::committed : ending::lost;
  }
  std::unique_ptr<row_sink> sink_;
  std::unique_ptr<row_transaction> transaction_;
};

ending run(const injected& what) {
  broker kafka;
  if (what.request.opens) kafka.inject(what);
  lane_end lane(kafka.bootstrap());
  if (auto opened = lane.open(); opened != ending::committed) return opened;
  if (!what.request.opens) kafka.inject(what);
  return lane.commit_rows();
}

std::vector<injected> all_cases(std::span<const rd_kafka_resp_err_t> codes) {
  std::vector<injected> cases;
  for (const auto& request : requests)
    for (auto code : codes)
      for (auto when : {timing::once, timing::thrice, timing::late}) cases.push_back({request, code, when});
  return cases;
}

/// Most of a case is waiting, so several run at once. Returns the cases that did not end as they should.
std::vector<std::string> failures(const std::vector<injected>& cases,
                                  const std::function<bool(const injected&, ending)>& good) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::vector<std::string> bad;
  std::vector<std::thread> crew;
  for (int i = 0; i < 6; ++i)
    crew.emplace_back([&] {
      for (auto at = next++; at < cases.size(); at = next++) {
        auto how = run(cases[at]);
        if (good(cases[at], how)) continue;
        constexpr std::array names{"committed", "lost", "nothing happened"};
        std::lock_guard lock(mutex);
        bad.push_back(fmt::format("{}: {}", cases[at].text(), names[static_cast<std::size_t>(how)]));
      }
    });
  for (auto& one : crew) one.join();
  return bad;
}

void require_none(const std::vector<std::string>& bad) {
  for (const auto& one : bad) BOOST_ERROR(one);
}

} // namespace

BOOST_AUTO_TEST_SUITE(transaction_errors)

// A commit that was sent again is done, and its producer replaced all the same.
BOOST_AUTO_TEST_CASE(error_that_passes__any_request__the_commit_is_done) {
  require_none(failures(all_cases(passing), [](const injected& what, ending how) {
    const bool not_twice = what.request.api == 26 || what.request.api == 28;
    return how == (not_twice ? ending::lost : ending::committed);
  }));
}

// Before the transactions are open nothing is at stake: the client tries again where the error makes no sense there.
BOOST_AUTO_TEST_CASE(error_for_good__any_request__the_producer_is_lost) {
  require_none(failures(all_cases(final_ones), [](const injected& what, ending how) {
    return what.request.opens ? how != ending::none : how == ending::lost;
  }));
}

// Of the records the client says only that it has given them up.
BOOST_AUTO_TEST_CASE(output_that_may_not_be_written__rows_given_up__say_so) {
  broker kafka;
  lane_end lane(kafka.bootstrap());
  BOOST_REQUIRE(lane.open() == ending::committed);
  kafka.inject({{"AddPartitionsToTxn", 24, false}, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, timing::once});
  BOOST_REQUIRE(lane.commit_rows() == ending::lost);
  BOOST_TEST(lane.why.find("can't produce to out/") == 0u, lane.why);
  BOOST_TEST(lane.why.find("TOPIC_AUTHORIZATION_FAILED") != std::string::npos, lane.why);
}

// The client sends it again by itself, and the first copy may come to the broker after the next transaction has begun.
BOOST_AUTO_TEST_CASE(connection_breaks_under_a_commit__the_producer_is_not_used_again) {
  const injected broken{{"EndTxn", 26, false}, RD_KAFKA_RESP_ERR__TRANSPORT, timing::once};
  BOOST_TEST((run(broken) == ending::lost));
}

BOOST_AUTO_TEST_SUITE_END()
