#pragma once
// What the suites of this folder share: the broker that TROUPE_TEST_KAFKA names, topics of their own, and waiting.

#include <signal.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "kafka/control_ports.hpp"
#include "kafka/handle.hpp"

namespace troupe::kafka::real {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

/// The user's properties. Throws, and so fails the test, if no broker is named: these suites prove what nothing else
/// does.
inline kafka_properties properties() {
  const char* bootstrap = std::getenv("TROUPE_TEST_KAFKA");
  if (bootstrap == nullptr)
    throw std::runtime_error("set TROUPE_TEST_KAFKA to the address of a real Kafka, e.g. of ./dev kafka");
  return {{"bootstrap.servers", bootstrap}};
}

/// Process id of the broker, 0 if TROUPE_TEST_KAFKA_PID is not set.
inline pid_t broker_pid() {
  const char* pid = std::getenv("TROUPE_TEST_KAFKA_PID");
  return pid == nullptr ? 0 : std::atoi(pid);
}

/// Whether this run may freeze the broker; says so in the log if not.
inline bool can_freeze() {
  if (broker_pid() == 0) BOOST_TEST_MESSAGE("TROUPE_TEST_KAFKA_PID is not set: not freezing the broker");
  return broker_pid() != 0;
}

/// Stops the broker as a frozen machine would, until the end of the scope.
class frozen_broker {
public:
  frozen_broker() {
    ::kill(broker_pid(), SIGSTOP);
    for (const auto until = clock::now() + 10s;
         !stopped() && clock::now() < until;) // its threads stop one after the other
      std::this_thread::sleep_for(1ms);
  }
  ~frozen_broker() { thaw(); }
  frozen_broker(const frozen_broker&) = delete;
  void thaw() { ::kill(broker_pid(), SIGCONT); }

private:
  static bool stopped() {
    const auto tasks = std::filesystem::directory_iterator("/proc/" + std::to_string(broker_pid()) + "/task");
    return std::all_of(begin(tasks), end(tasks), [](const auto& task) {
      std::ifstream file(task.path() / "stat");
      const std::string text(std::istreambuf_iterator<char>(file), {});
      const auto name_end = text.rfind(") "); // the name may hold anything
      return name_end == text.npos || text.compare(name_end + 2, 1, "T") == 0;
    });
  }
};

/// A name that no other run has used.
inline std::string unique(const std::string& prefix) { return prefix + "-" + std::to_string(std::random_device()()); }

inline bool wait_for(const std::function<bool()>& condition, milliseconds limit = 20s) {
  const auto until = clock::now() + limit;
  while (!condition()) {
    if (clock::now() > until) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

/// Creates or deletes topics. Throws when that fails.
class admin {
public:
  admin()
      : client_(std::move(*open_client(role::producer, properties(), {})))
      , answers_(rd_kafka_queue_new(client_.get())) {}

  void create(const std::string& name, int partitions = 1,
              const std::vector<std::pair<std::string, std::string>>& config = {}) {
    std::array<char, 256> why{};
    auto* topic = rd_kafka_NewTopic_new(name.c_str(), partitions, 1, why.data(), why.size());
    for (const auto& [key, value] : config) rd_kafka_NewTopic_set_config(topic, key.c_str(), value.c_str());
    rd_kafka_CreateTopics(client_.get(), &topic, 1, nullptr, answers_.get());
    rd_kafka_NewTopic_destroy(topic);
    wait();
  }
  void remove(const std::string& name) {
    auto* topic = rd_kafka_DeleteTopic_new(name.c_str());
    rd_kafka_DeleteTopics(client_.get(), &topic, 1, nullptr, answers_.get());
    rd_kafka_DeleteTopic_destroy(topic);
    wait();
  }

private:
  void wait() {
    const event_ptr answer(rd_kafka_queue_poll(answers_.get(), 20'000));
    if (!answer || rd_kafka_event_error(answer.get()))
      throw std::runtime_error(answer ? rd_kafka_event_error_string(answer.get()) : "no answer about a topic");
    std::size_t count = 0;
    const rd_kafka_topic_result_t** topics = nullptr;
    if (const auto* created = rd_kafka_event_CreateTopics_result(answer.get()))
      topics = rd_kafka_CreateTopics_result_topics(created, &count);
    else if (const auto* deleted = rd_kafka_event_DeleteTopics_result(answer.get()))
      topics = rd_kafka_DeleteTopics_result_topics(deleted, &count);
    for (std::size_t i = 0; i < count; ++i)
      if (rd_kafka_topic_result_error(topics[i]))
        throw std::runtime_error(rd_kafka_topic_result_error_string(topics[i]));
  }

  handle_ptr client_;
  queue_ptr answers_;
};

/// A name for a cluster whose control, lease and models topics exist.
inline std::string cluster_with_topics() {
  auto name = unique("real");
  admin topics;
  topics.create(control_topic(name), 1, {{"cleanup.policy", "compact"}});
  topics.create(lease_topic(name));
  topics.create(models_topic(name));
  return name;
}

/// Polls `reader` until `condition` holds, collecting what it hands out.
inline bool read_until(log_reader& reader, std::vector<log_record>& records, const std::function<bool()>& condition,
                       milliseconds limit = 20s) {
  return wait_for(
      [&] {
        reader.poll(records);
        return condition();
      },
      limit);
}

/// "key=value" of each record, in order.
inline std::vector<std::string> texts(const std::vector<log_record>& records) {
  std::vector<std::string> all;
  for (const auto& record : records) all.push_back(record.key + "=" + record.value.value_or("(null)"));
  return all;
}

/// Runs `work` and tells in the test's log how long it took.
template <class Work> auto timed(const std::string& what, Work work) {
  const auto begun = clock::now();
  auto outcome = work();
  BOOST_TEST_MESSAGE(
      "  " << what << ": "
           << std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - begun).count() / 1000.0 << " ms");
  return outcome;
}

/// The value of a result, or a failed test with its message.
template <class T> T must(result<T> outcome) {
  BOOST_REQUIRE_MESSAGE(outcome.has_value(), outcome.error().message);
  return std::move(*outcome);
}
inline void must(result<void> outcome) { BOOST_REQUIRE_MESSAGE(outcome.has_value(), outcome.error().message); }

} // namespace troupe::kafka::real
