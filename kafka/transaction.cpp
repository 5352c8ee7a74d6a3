#include "kafka/transaction.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/transaction_timeout.hpp"
#include "kafka/control_ports.hpp"
#include "kafka/deadline.hpp"
#include "kafka/waker.hpp"

namespace troupe::kafka {
namespace {

/// Of one call; it is made again until it is done or the port is closed.
constexpr milliseconds call_limit{1000};
constexpr milliseconds call_pause{20}; ///< before it is made again
/// Of the call that adds offsets: one that has run out of time has failed, and the transaction with it.
constexpr milliseconds offsets_limit = transaction_timeout;
/// Threads of closed ports that may still be inside of a call. More of them hang for good.
constexpr int left_behind_max = 8;
std::atomic<int> left_behind{0};

/// What the port and its thread share; lives until both have let go.
struct shared_state {
  shared_state(shared_handle c, const transaction_settings& s)
      : client(std::move(c))
      , settings(s)
      , group(rd_kafka_consumer_group_metadata_new(s.group_id.c_str())) {}

  const shared_handle client;
  const transaction_settings settings;
  const group_metadata_ptr group;
  waker wake;

  struct job {
    std::vector<transaction_offset> offsets;
    std::uint64_t token = 0;
  };
  std::mutex mutex;
  std::condition_variable changed;
  // Under the mutex.
  bool closed = false, ended = false; ///< the port; the thread
  std::optional<job> todo;
  std::vector<transaction_event> events;
  std::optional<deadline> commit_by; ///< while a commit is under way

  void tell(transaction_event event) {
    {
      std::lock_guard lock(mutex);
      commit_by.reset();
      events.push_back(std::move(event));
    }
    wake.call();
  }
};

partition_list_ptr make_list(rd_kafka_t* client, std::span<const transaction_offset> offsets) {
  auto list = make_partition_list(offsets.size());
  for (const auto& one : offsets) add_commit(client, list.get(), one.where, one.offset, one.metadata);
  return list;
}

/// The thread: opens, then commits what it is given, one after the other.
class committer {
public:
  explicit committer(std::shared_ptr<shared_state> shared)
      : shared_(std::move(shared)) {}

  void run() {
    if (!open()) return;
    if (shared_->settings.watch->end_requests > 1) return tell_sent_again();
    shared_->tell({transaction_event::kind::opened, 0, {}});
    while (auto job = next()) {
      const auto& sent = *shared_->settings.watch;
      const int ends_before = sent.end_requests, offsets_before = sent.offset_requests;
      if (!commit(*job)) return;
      if (sent.end_requests - ends_before > 1 || sent.offset_requests - offsets_before > 1) return tell_sent_again();
      shared_->tell({transaction_event::kind::committed, job->token, {}});
    }
  }

private:
  rd_kafka_t* client() { return shared_->client.get(); }

  bool closed_within(milliseconds pause) {
    std::unique_lock lock(shared_->mutex);
    return shared_->changed.wait_for(lock, pause, [&] { return shared_->closed; });
  }

  void tell_sent_again() {
    shared_->tell({transaction_event::kind::lost, 0,
                   fmt::format("a request of {} had to be sent again; the producer is replaced, since the first one "
                               "may still be on its way",
                               shared_->settings.transactional_id)});
  }

  std::optional<shared_state::job> next() {
    std::unique_lock lock(shared_->mutex);
    shared_->changed.wait(lock, [&] { return shared_->closed || shared_->todo; });
    if (shared_->closed) return std::nullopt;
    return std::exchange(shared_->todo, std::nullopt);
  }

  /// Makes the call until it is done. False: it never will be, and that has been told; or the port was closed.
  template <class Call> bool until_done(const std::string& doing, Call call) {
    for (;;) {
      const error_ptr failure(call());
      if (!failure) return true;
      if (closed_within(call_pause)) return false;
      if (rd_kafka_error_is_retriable(failure.get()) != 0) continue;
      shared_->tell(
          {transaction_event::kind::lost, 0,
           make_error(failure.get(), fmt::format("{} of {}", doing, shared_->settings.transactional_id)).message});
      return false;
    }
  }

  bool open() {
    return until_done("can't open the transactions",
                      [&] { return rd_kafka_init_transactions(client(), static_cast<int>(call_limit.count())); }) &&
           find_group() && begin();
  }

  bool begin() {
    return until_done("can't begin a transaction", [&] { return rd_kafka_begin_transaction(client()); });
  }

  // The first offsets of a client take a second to find their coordinator. These are never committed, so it does not
  // matter whose they are, nor whether they may be written.
  bool find_group() {
    if (!begin()) return false;
    const transaction_offset any{{shared_->settings.some_topic, 0}, 0, ""};
    const auto list = make_list(client(), {&any, 1});
    const error_ptr ignored(rd_kafka_send_offsets_to_transaction(client(), list.get(), shared_->group.get(),
                                                                 static_cast<int>(call_limit.count())));
    return until_done("can't abort the first transaction",
                      [&] { return rd_kafka_abort_transaction(client(), static_cast<int>(call_limit.count())); });
  }

  bool commit(const shared_state::job& job) {
    if (!job.offsets.empty()) {
      const auto list = make_list(client(), job.offsets);
      if (!until_done(fmt::format("can't add the offsets of group {} to a transaction", shared_->settings.group_id),
                      [&] {
                        return rd_kafka_send_offsets_to_transaction(client(), list.get(), shared_->group.get(),
                                                                    static_cast<int>(offsets_limit.count()));
                      }))
        return false;
    }
    return until_done("can't commit a transaction",
                      [&] { return rd_kafka_commit_transaction(client(), static_cast<int>(call_limit.count())); }) &&
           begin();
  }

  std::shared_ptr<shared_state> shared_;
};

class rd_transaction final : public row_transaction {
public:
  explicit rd_transaction(std::shared_ptr<shared_state> shared)
      : shared_(std::move(shared)) {
    std::thread([shared = shared_] {
      committer(shared).run();
      std::lock_guard lock(shared->mutex);
      shared->ended = true;
      if (shared->closed) --left_behind;
    }).detach();
  }

  ~rd_transaction() override {
    shared_->wake.set(nullptr);
    std::lock_guard lock(shared_->mutex);
    shared_->closed = true;
    if (!shared_->ended) ++left_behind;
    shared_->changed.notify_all();
  }

  void on_ready(wake_fn wake) override {
    shared_->wake.set(std::move(wake));
    shared_->wake.call(); // for what came before
  }

  void commit(std::vector<transaction_offset> offsets, std::uint64_t token) override {
    std::lock_guard lock(shared_->mutex);
    TROUPE_ASSERT(!shared_->todo && !shared_->commit_by);
    shared_->todo = {std::move(offsets), token};
    shared_->commit_by.emplace(transaction_timeout);
    shared_->changed.notify_all();
  }

  void poll(std::vector<transaction_event>& events) override {
    std::lock_guard lock(shared_->mutex);
    std::move(shared_->events.begin(), shared_->events.end(), std::back_inserter(events));
    shared_->events.clear();
    if (!shared_->commit_by || !shared_->commit_by->passed()) return;
    shared_->commit_by.reset();
    events.push_back({transaction_event::kind::lost, 0,
                      fmt::format("a commit of {} is not over after {} ms, and the broker has given up on it by now",
                                  shared_->settings.transactional_id, transaction_timeout.count())});
  }

private:
  std::shared_ptr<shared_state> shared_;
};

class rd_fencer final : public lane_fencer {
public:
  explicit rd_fencer(kafka_properties user)
      : user_(std::move(user)) {}

  result<void> fence(const std::string& transactional_id, milliseconds limit) override {
    const deadline until(limit);
    auto client = open_client(role::producer, user_, transactional_properties(transactional_id));
    if (!client) return tl::make_unexpected(client.error());
    client->get_deleter().limit = lane_close_limit;
    for (;;) {
      const error_ptr failure(rd_kafka_init_transactions(client->get(), std::max(1, until.left_ms())));
      if (!failure) return {};
      if (rd_kafka_error_is_retriable(failure.get()) != 0 && !until.passed()) {
        std::this_thread::sleep_for(call_pause);
        continue;
      }
      return tl::make_unexpected(make_error(failure.get(), fmt::format("can't shut out {}", transactional_id)));
    }
  }

private:
  const kafka_properties user_;
};

} // namespace

kafka_properties transactional_properties(const std::string& transactional_id) {
  const auto timeout = std::to_string(transaction_timeout.count());
  // librdkafka takes no longer timeout of a request with that, and that is what it takes by default.
  const auto request = std::to_string((transaction_timeout - milliseconds(100)).count());
  return {{"transactional.id", transactional_id}, {"enable.idempotence", "true"},  {"acks", "all"},
          {"transaction.timeout.ms", timeout},    {"message.timeout.ms", timeout}, {"socket.timeout.ms", request}};
}

result<std::unique_ptr<row_transaction>> make_transaction(shared_handle client, const transaction_settings& settings) {
  if (left_behind > left_behind_max)
    return fail(errc::internal, fmt::format("{} threads hang in calls of librdkafka about transactions that are long "
                                            "over; restart this node",
                                            left_behind.load()));
  try {
    return std::make_unique<rd_transaction>(std::make_shared<shared_state>(std::move(client), settings));
  } catch (const std::system_error& why) {
    return fail(errc::unavailable,
                fmt::format("no thread for the transactions of {}: {}", settings.transactional_id, why.what()));
  }
}

std::unique_ptr<lane_fencer> make_lane_fencer(const kafka_properties& user) {
  return std::make_unique<rd_fencer>(user);
}

} // namespace troupe::kafka
