// A real broker goes through the script that the simulated one goes through (tests/simulation/transactions.cpp).
#include <map>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "kafka/control_ports.hpp"
#include "kafka/handle.hpp"
#include "tests/kafka_real/real_kafka.hpp"
#include "tests/simulation/transaction_script.hpp"

using namespace troupe;
using namespace troupe::kafka;
using namespace troupe::kafka::real;

namespace {

class real_broker {
public:
  /// `ending`: this case waits for the broker to give up on a transaction.
  explicit real_broker(bool ending)
      : timeout_ms_(ending ? "2000" : "60000") {
    admin().create(topic_);
  }

  std::string operator()(const std::string& step, const std::string& expected) {
    std::istringstream words{step};
    std::string first, second, third;
    words >> first >> second >> third;
    if (first == "read") return until(expected, [&] { return read(); });
    if (first == "committed") return committed(expected == "unstable" ? 1s : 20s);
    if (first == "end") return until(expected, [&] { return end(); });
    if (first == "commit_outside") {
      must(store_->commit(group_, std::vector<committed_offset>{{place_, std::stoll(second), ""}}, 20s));
      return "ok";
    }
    if (first != "wait") return of_producer(first, second, third);
    // Its sweep comes every ten seconds.
    return wait_for([&] { return committed(1s) != "unstable"; }, 40s) ? "ok" : "still open";
  }

private:
  static std::string text(rd_kafka_error_t* outcome) {
    const error_ptr failure(outcome);
    if (!failure) return "ok";
    if (rd_kafka_error_code(failure.get()) == RD_KAFKA_RESP_ERR__FENCED) return "fenced";
    return rd_kafka_error_string(failure.get());
  }

  std::string of_producer(const std::string& name, const std::string& verb, const std::string& word) {
    auto& client = producers_[name];
    if (verb == "init") {
      auto& id = name == "C" ? other_id_ : id_;
      client = must(open_client(role::producer, properties(),
                                {{"transactional.id", id}, {"transaction.timeout.ms", timeout_ms_}}));
      return text(rd_kafka_init_transactions(client.get(), 20'000));
    }
    if (verb == "begin") return text(rd_kafka_begin_transaction(client.get()));
    if (verb == "commit") return text(rd_kafka_commit_transaction(client.get(), 20'000));
    if (verb == "abort") return text(rd_kafka_abort_transaction(client.get(), 20'000));
    return verb == "produce" ? produce(client.get(), word) : send_offset(client.get(), std::stoll(word));
  }
  std::string produce(rd_kafka_t* client, const std::string& value) {
    rd_kafka_producev(client, RD_KAFKA_V_TOPIC(topic_.c_str()), RD_KAFKA_V_PARTITION(0),
                      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                      RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()), RD_KAFKA_V_END);
    const auto flushed = rd_kafka_flush(client, 20'000);
    std::array<char, 256> why{};
    const auto fatal = rd_kafka_fatal_error(client, why.data(), why.size());
    if (fatal == RD_KAFKA_RESP_ERR__FENCED) return "fenced";
    if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR) return why.data();
    return flushed == RD_KAFKA_RESP_ERR_NO_ERROR ? "ok" : describe(flushed);
  }
  std::string send_offset(rd_kafka_t* client, std::int64_t offset) {
    const group_metadata_ptr group(rd_kafka_consumer_group_metadata_new(group_.c_str()));
    const auto list = make_partition_list(1);
    rd_kafka_topic_partition_list_add(list.get(), topic_.c_str(), 0)->offset = offset;
    return text(rd_kafka_send_offsets_to_transaction(client, list.get(), group.get(), 20'000));
  }

  std::string committed(milliseconds limit) {
    const auto found = store_->committed(group_, {&place_, 1}, limit);
    if (!found) return found.error().code == errc::timeout ? "unstable" : found.error().message;
    return found->at(0).offset ? std::to_string(*found->at(0).offset) : "none";
  }
  /// Until the consumer is at the end, which is before an open transaction.
  std::string read() {
    const auto client = must(open_client(role::consumer, properties(),
                                         {{"group.id", group_},
                                          {"isolation.level", "read_committed"},
                                          {"enable.partition.eof", "true"},
                                          {"enable.auto.commit", "false"}}));
    const auto start = make_partition_list(1);
    rd_kafka_topic_partition_list_add(start.get(), topic_.c_str(), 0)->offset = 0;
    rd_kafka_assign(client.get(), start.get());
    std::string text;
    for (const auto until = clock::now() + 20s; clock::now() < until;) {
      const message_ptr message(rd_kafka_consumer_poll(client.get(), 1000));
      if (!message) continue;
      if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) return text;
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) return describe(message->err);
      text += (text.empty() ? "" : " ") + std::string(static_cast<const char*>(message->payload), message->len);
    }
    return "no end";
  }
  std::string end() {
    std::int64_t low = 0, high = 0;
    const auto client = must(open_client(role::consumer, properties(), {{"group.id", group_}}));
    const auto code = rd_kafka_query_watermark_offsets(client.get(), topic_.c_str(), 0, &low, &high, 20'000);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? std::to_string(high) : describe(code);
  }
  /// A commit is answered before its markers are in the logs.
  static std::string until(const std::string& expected, const std::function<std::string()>& ask) {
    std::string answer;
    wait_for([&] { return (answer = ask()) == expected; }, 10s);
    return answer;
  }

  const std::string timeout_ms_, topic_ = unique("script"), group_ = unique("script"), id_ = unique("one"),
                                 other_id_ = unique("other");
  const topic_partition place_{topic_, 0};
  const std::unique_ptr<offset_store> store_ = must(make_offset_store(properties()));
  std::map<std::string, handle_ptr> producers_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(transactions)

BOOST_AUTO_TEST_CASE(script__real_broker__answers_as_the_table_says) {
  for (const auto& one : sim::transaction_script()) {
    const bool ending =
        std::any_of(one.steps.begin(), one.steps.end(), [](const auto& step) { return step.what == "wait"; });
    real_broker broker{ending};
    timed(one.name, [&] {
      for (const auto& step : one.steps) {
        const auto answer = broker(step.what, step.answer);
        BOOST_CHECK_MESSAGE(answer == step.answer,
                            one.name + ": " + step.what + " should be '" + step.answer + "', is '" + answer + "'");
      }
      return 0;
    });
  }
}

BOOST_AUTO_TEST_SUITE_END()
