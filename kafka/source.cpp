#include "kafka/source.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>
#include <optional>
#include <unordered_map>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/assert.hpp"
#include "kafka/handle.hpp"
#include "kafka/waker.hpp"

namespace troupe::kafka {
namespace {

/// Longer than the client itself pauses before it asks again for what it may not read.
constexpr std::chrono::seconds denied_pause{2};

// Messages that one call takes out of the client's queue. What drain() may not hand out any more waits here.
constexpr std::size_t chunk_size = 512;

using clock = std::chrono::steady_clock;

/// Brokers that just started, or lag behind, say of a topic for a moment that it is not there. It is gone once that has
/// been said several times, over some seconds, and nothing came of the partition in between.
class absence {
public:
  /// It was said now. True: it is gone.
  bool told(clock::time_point now) {
    if (times_ == 0 || now - last_ > silence_max) times_ = 0, first_ = now;
    last_ = now;
    return ++times_ >= times_min && now - first_ >= lasting_min;
  }
  void over() { times_ = 0; }

private:
  static constexpr int times_min = 3;
  static constexpr std::chrono::seconds lasting_min{5};
  static constexpr std::chrono::seconds silence_max{15}; ///< the client looks again every second, or every ten
  int times_ = 0;
  clock::time_point first_{}, last_{};
};

struct partition_state {
  std::uint32_t slot = 0;
  topic_partition where;
  std::int64_t expected = 0; ///< the guard: nothing below it is handed out
  bool stopped = false;      ///< after a partition_error: handing out more could skip a row
  absence missing{};
  bool denied = false; ///< it may not be read, so far
};

/// Finds the state of a message's partition. The client gives one pointer for all messages of a topic, so a row costs a
/// comparison and an index. Pointers may be reused for another topic: forget() them whenever the assignment changes.
class partition_table {
public:
  partition_state* find(const rd_kafka_topic_t* topic, std::int32_t partition) {
    if (topic != last_topic_) remember(topic);
    const auto index = static_cast<std::size_t>(partition);
    return partition >= 0 && index < last_->size() ? (*last_)[index] : nullptr;
  }
  /// By how the client begins its sentences: "dsp [3]: topic does not exist".
  partition_state* find_by_text(std::string_view text) {
    for (auto& [slot, state] : by_slot_)
      if (text.starts_with(fmt::format("{} [{}]: ", state->where.topic, state->where.partition))) return state.get();
    return nullptr;
  }
  partition_state* find(std::uint32_t slot) {
    const auto found = by_slot_.find(slot);
    return found == by_slot_.end() ? nullptr : found->second.get();
  }
  void add(const partition_start& start) {
    auto state = std::make_unique<partition_state>();
    state->slot = start.slot;
    state->where = start.where;
    state->expected = start.offset;
    auto& partitions = by_topic_[start.where.topic];
    const auto index = static_cast<std::size_t>(start.where.partition);
    if (partitions.size() <= index) partitions.resize(index + 1, nullptr);
    partitions[index] = state.get();
    TROUPE_ASSERT(by_slot_.emplace(start.slot, std::move(state)).second);
    forget();
  }
  template <class Visit> void each(Visit visit) {
    for (auto& [slot, state] : by_slot_) visit(*state);
  }
  void remove(std::uint32_t slot) {
    const auto found = by_slot_.find(slot);
    TROUPE_ASSERT(found != by_slot_.end());
    const auto& where = found->second->where;
    by_topic_[where.topic][static_cast<std::size_t>(where.partition)] = nullptr;
    by_slot_.erase(found);
    forget();
  }

private:
  void forget() { last_topic_ = nullptr; }
  void remember(const rd_kafka_topic_t* topic) {
    last_topic_ = topic;
    const auto found = topic ? by_topic_.find(rd_kafka_topic_name(topic)) : by_topic_.end();
    last_ = found == by_topic_.end() ? &none_ : &found->second;
  }

  std::unordered_map<std::uint32_t, std::unique_ptr<partition_state>> by_slot_;
  std::unordered_map<std::string, std::vector<partition_state*>> by_topic_; // never shrinks: last_ points into it
  const rd_kafka_topic_t* last_topic_ = nullptr;
  std::vector<partition_state*>* last_ = nullptr;
  std::vector<partition_state*> none_;
};

// Shared with the client's threads, which can outlive the source by a little.
struct shared_state {
  waker wake;
  std::atomic<bool> reached{false}; ///< a broker has answered
  std::atomic<bool> down{false}, up_again{false};
  // Errors that the client puts among the rows as text only. Written while drain() takes rows out, on its thread.
  std::vector<std::pair<rd_kafka_resp_err_t, std::string>> told;

  // What was committed by a commit of which other partitions failed. The client's answer says of every partition that
  // it failed then; only its interceptors are told the truth.
  struct offset_of {
    topic_partition where;
    std::int64_t offset = -1;
    bool operator==(const offset_of&) const = default;
  };
  std::mutex mutex;
  std::vector<offset_of> committed_anyway;

  void note_commit(const rd_kafka_topic_partition_list_t& list) {
    const auto end = list.elems + list.cnt;
    const auto good = [](const rd_kafka_topic_partition_t& one) { return one.err == RD_KAFKA_RESP_ERR_NO_ERROR; };
    if (std::all_of(list.elems, end, good)) return; // all or nothing: the answer is right
    std::lock_guard lock(mutex);
    for (const auto* one = list.elems; one != end; ++one)
      if (good(*one)) committed_anyway.push_back({{one->topic, one->partition}, one->offset});
  }
};

/// What an error means for the partition that it is about.
enum class verdict {
  passing, ///< the client asks again, for the same offset
  missing, ///< so it does, but perhaps in vain
  denied,  ///< so it does, until somebody grants the right
  final,   ///< nothing more is to be had from here, or only by passing over rows
};

verdict judge(rd_kafka_resp_err_t code) {
  switch (code) {
  case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
  case RD_KAFKA_RESP_ERR_INVALID_MSG:
  case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
  case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
  case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
  case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
  case RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE:
    return verdict::final;
  default:
    break;
  }
  if (is_denial(code)) return verdict::denied;
  const auto kind = kind_of(code);
  if (kind == errc::not_found) return verdict::missing;
  if (kind == errc::unavailable || kind == errc::timeout) return verdict::passing;
  // A broker's own troubles leave the offset alone. The client's: after a batch that it can't decode it goes on behind.
  const bool is_clients_own = code > RD_KAFKA_RESP_ERR__BEGIN && code < RD_KAFKA_RESP_ERR__END;
  return is_clients_own ? verdict::final : verdict::passing;
}

class rd_source final : public row_source {
public:
  rd_source(handle_ptr client, const source_settings& settings, std::shared_ptr<shared_state> shared)
      : group_(settings.group_id)
      , to_learn_(settings.topics)
      , shared_(std::move(shared))
      , client_(std::move(client)) {
    rows_queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
    main_queue_.reset(rd_kafka_queue_get_main(client_.get()));
    commit_queue_.reset(rd_kafka_queue_new(client_.get()));
    for (auto* queue : {rows_queue_.get(), main_queue_.get(), commit_queue_.get()}) wake_on(queue, shared_->wake);
  }

  ~rd_source() override {
    for (auto* queue : {rows_queue_.get(), main_queue_.get(), commit_queue_.get()}) silence(queue);
    shared_->wake.set(nullptr);
    for (; next_ < filled_; ++next_) rd_kafka_message_destroy(chunk_[next_]);
  }

  void on_ready(wake_fn wake) override {
    shared_->wake.set(std::move(wake));
    shared_->wake.call(); // for what came before
  }

  void assign(std::span<const partition_start> starts) override;
  void unassign(std::span<const std::uint32_t> slots) override;
  std::size_t drain(std::size_t max_rows, std::size_t max_bytes, row_visitor& visitor) override;
  std::vector<header_view> headers() override;
  void commit(std::span<const partition_commit> commits, std::uint64_t token) override;
  void poll(std::vector<source_event>& events) override;
  std::int64_t end_offset(std::uint32_t slot) override;

private:
  bool refill();
  std::size_t hand_out(const rd_kafka_message_t& message, row_visitor& visitor, bool& handed);
  void on_error_message(const rd_kafka_message_t& message);
  void on_partition_trouble(partition_state& state, rd_kafka_resp_err_t code, const std::string& doing,
                            std::string_view text);
  void on_told_errors();
  void on_client_error(rd_kafka_event_t& event);
  void on_committed(rd_kafka_event_t& event);
  void add_refusal(source_event& to, const std::vector<std::uint32_t>& slots, const rd_kafka_topic_partition_t& which);
  void push_partition_error(partition_state& state, std::string message);
  void note_answer(partition_state& state);
  void ask_again();
  void learn_topics();
  void drop_waiting(std::uint32_t slot);

  const std::string group_;
  std::vector<std::string> to_learn_;
  std::shared_ptr<shared_state> shared_;
  handle_ptr client_; // destroyed after what is below
  std::vector<topic_ptr> topics_;
  queue_ptr rows_queue_, main_queue_, commit_queue_;
  partition_table table_;
  std::unordered_map<std::uint32_t, topic_partition>
      places_; ///< of every slot so far: what was taken away is still committed
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> committing_; ///< token -> slots
  std::array<rd_kafka_message_t*, chunk_size> chunk_{};
  std::size_t next_ = 0, filled_ = 0; // chunk_[next_, filled_) still have to be handed out
  const rd_kafka_message_t* current_ = nullptr;
  std::vector<source_event> events_;          // for the next poll()
  std::string last_trouble_;                  // what the client said last about a single broker
  std::optional<clock::time_point> next_ask_; // while a partition may not be read
};

void rd_source::assign(std::span<const partition_start> starts) {
  auto list = make_partition_list(starts.size());
  for (const auto& start : starts) {
    TROUPE_ASSERT(start.offset >= 0);
    table_.add(start);
    places_[start.slot] = start.where;
    rd_kafka_topic_partition_list_add(list.get(), start.where.topic.c_str(), start.where.partition)->offset =
        start.offset;
  }
  const error_ptr failure(rd_kafka_incremental_assign(client_.get(), list.get()));
  if (!failure) return;
  for (const auto& start : starts)
    push_partition_error(*table_.find(start.slot),
                         make_error(failure.get(), "can't read " + to_string(start.where)).message);
  shared_->wake.call();
}

void rd_source::unassign(std::span<const std::uint32_t> slots) {
  auto list = make_partition_list(slots.size());
  for (const auto slot : slots) {
    const auto* state = table_.find(slot);
    TROUPE_ASSERT(state != nullptr);
    drop_waiting(slot);
    rd_kafka_topic_partition_list_add(list.get(), state->where.topic.c_str(), state->where.partition);
    table_.remove(slot);
  }
  // A failure leaves the client reading what nobody gets: find() gives nothing for it any more.
  if (const error_ptr failure(rd_kafka_incremental_unassign(client_.get(), list.get())); failure)
    spdlog::warn("kafka: {}", make_error(failure.get(), "taking partitions away").message);
}

// The client discards what it still queues of a partition taken away; what is here already we discard ourselves, or it
// could be taken for rows of a later assignment.
void rd_source::drop_waiting(std::uint32_t slot) {
  auto kept = next_;
  for (auto i = next_; i < filled_; ++i) {
    const auto* state = table_.find(chunk_[i]->rkt, chunk_[i]->partition);
    if (state != nullptr && state->slot == slot)
      rd_kafka_message_destroy(chunk_[i]);
    else
      chunk_[kept++] = chunk_[i];
  }
  filled_ = kept;
  std::erase_if(events_, [&](const source_event& event) {
    return event.slot == slot &&
           (event.what == source_event::kind::end_of_partition || event.what == source_event::kind::partition_error ||
            event.what == source_event::kind::denied || event.what == source_event::kind::allowed);
  });
}

bool rd_source::refill() {
  next_ = filled_ = 0;
  const auto got = rd_kafka_consume_batch_queue(rows_queue_.get(), 0, chunk_.data(), chunk_.size());
  if (got > 0) filled_ = static_cast<std::size_t>(got);
  return filled_ > 0;
}

std::size_t rd_source::drain(std::size_t max_rows, std::size_t max_bytes, row_visitor& visitor) {
  std::size_t rows = 0, bytes = 0;
  while (rows < max_rows && bytes < max_bytes && (next_ < filled_ || refill())) {
    const message_ptr message(chunk_[next_++]);
    bool handed = false;
    bytes += hand_out(*message, visitor, handed);
    rows += handed;
  }
  on_told_errors();
  // Ends of partitions and errors came with the rows: whoever polls before draining needs to hear of them.
  if (!events_.empty()) shared_->wake.call();
  return rows;
}

std::size_t rd_source::hand_out(const rd_kafka_message_t& message, row_visitor& visitor, bool& handed) {
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    on_error_message(message);
    return 0;
  }
  auto* state = table_.find(message.rkt, message.partition);
  if (state == nullptr || state->stopped || message.offset < state->expected) return 0;
  state->expected = message.offset + 1;
  note_answer(*state);
  record_view view;
  view.slot = state->slot;
  view.offset = message.offset;
  view.timestamp_ms = rd_kafka_message_timestamp(&message, nullptr);
  if (message.key != nullptr) view.key.emplace(static_cast<const char*>(message.key), message.key_len);
  if (message.payload != nullptr) view.value.emplace(static_cast<const char*>(message.payload), message.len);
  rd_kafka_headers_t* parsed = nullptr; // costs nothing for a record without any
  view.has_headers = rd_kafka_message_headers(&message, &parsed) == RD_KAFKA_RESP_ERR_NO_ERROR;
  current_ = &message;
  visitor.row(view);
  current_ = nullptr;
  handed = true;
  return message.len;
}

void rd_source::on_error_message(const rd_kafka_message_t& message) {
  auto* state = message.rkt ? table_.find(message.rkt, message.partition) : nullptr;
  if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    if (state == nullptr || state->stopped) return;
    note_answer(*state);
    events_.push_back({source_event::kind::end_of_partition, state->slot, message.offset, 0, {}});
    return;
  }
  const char* text = rd_kafka_message_errstr(&message);
  const std::string_view why = text ? text : "";
  if (state != nullptr)
    on_partition_trouble(*state, message.err,
                         fmt::format("can't read on {} at offset {}", to_string(state->where), state->expected), why);
  else if (judge(message.err) == verdict::passing)
    last_trouble_ = printable(why);
  else if (message.rkt == nullptr)
    spdlog::warn("kafka: {}", make_error(message.err, "reading", why).message);
}

void rd_source::on_partition_trouble(partition_state& state, rd_kafka_resp_err_t code, const std::string& doing,
                                     std::string_view text) {
  if (state.stopped) return;
  const auto how = judge(code);
  if (how == verdict::final || (how == verdict::missing && state.missing.told(clock::now())))
    return push_partition_error(state, make_error(code, doing, text).message);
  if (how == verdict::denied) {
    next_ask_ = clock::now() + denied_pause;
    if (!std::exchange(state.denied, true))
      events_.push_back({source_event::kind::denied, state.slot, state.expected, 0, make_error(code, doing).message});
    return;
  }
  const auto trouble = printable(text);
  if (kind_of(code) == errc::internal && trouble != last_trouble_)
    spdlog::warn("kafka: {}; trying again", make_error(code, doing, text).message);
  last_trouble_ = trouble;
}

// A topic that does not exist, or lost a partition, is told this way, again with every refresh of the client's
// metadata.
void rd_source::on_told_errors() {
  for (const auto& [code, text] : std::exchange(shared_->told, {})) {
    auto* state = table_.find_by_text(text);
    if (state == nullptr)
      last_trouble_ = printable(text);
    else
      on_partition_trouble(*state, code, "can't read on " + to_string(state->where), text);
  }
}

void rd_source::push_partition_error(partition_state& state, std::string message) {
  state.stopped = true;
  events_.push_back({source_event::kind::partition_error, state.slot, state.expected, 0, std::move(message)});
}

void rd_source::note_answer(partition_state& state) {
  state.missing.over();
  if (std::exchange(state.denied, false))
    events_.push_back({source_event::kind::allowed, state.slot, state.expected, 0, {}});
}

// The client goes on asking by itself, but where nothing new has come it would not say that it gets an answer again.
// Starting over makes it tell of the end.
void rd_source::ask_again() {
  if (!next_ask_ || clock::now() < *next_ask_) return;
  next_ask_.reset();
  auto list = make_partition_list(0);
  table_.each([&](const partition_state& state) {
    if (!state.denied || state.stopped) return;
    rd_kafka_topic_partition_list_add(list.get(), state.where.topic.c_str(), state.where.partition)->offset =
        state.expected;
  });
  if (list->cnt == 0) return;
  next_ask_ = clock::now() + denied_pause;
  constexpr int without_waiting = 0;
  if (const error_ptr failure(rd_kafka_seek_partitions(client_.get(), list.get(), without_waiting)); failure)
    spdlog::warn("kafka: {}", make_error(failure.get(), "asking again for what may not be read").message);
}

// Else the client learns of a topic at the next round of a timer of 1 s after the first partition was assigned. It asks
// for a new handle's topic at once, if there is a broker to ask.
void rd_source::learn_topics() {
  if (to_learn_.empty() || !shared_->reached) return;
  for (const auto& name : std::exchange(to_learn_, {}))
    topics_.emplace_back(rd_kafka_topic_new(client_.get(), name.c_str(), nullptr));
}

std::vector<header_view> rd_source::headers() {
  TROUPE_ASSERT(current_ != nullptr);
  std::vector<header_view> out;
  rd_kafka_headers_t* parsed = nullptr;
  if (rd_kafka_message_headers(current_, &parsed) != RD_KAFKA_RESP_ERR_NO_ERROR) return out;
  out.reserve(rd_kafka_header_cnt(parsed));
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0; rd_kafka_header_get_all(parsed, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
    header_view header{name, std::nullopt};
    if (value != nullptr) header.value.emplace(static_cast<const char*>(value), size);
    out.push_back(header);
  }
  return out;
}

void rd_source::commit(std::span<const partition_commit> commits, std::uint64_t token) {
  auto list = make_partition_list(commits.size());
  for (const auto& commit : commits) {
    const auto place = places_.find(commit.slot);
    TROUPE_ASSERT(place != places_.end());
    add_commit(client_.get(), list.get(), place->second, commit.offset, commit.metadata);
  }
  auto& slots = committing_[token];
  for (const auto& commit : commits) slots.push_back(commit.slot);
  static_assert(sizeof(void*) >= sizeof(token));
  const auto code = rd_kafka_commit_queue(client_.get(), list.get(), commit_queue_.get(), nullptr,
                                          reinterpret_cast<void*>(static_cast<std::uintptr_t>(token)));
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  committing_.erase(token);
  events_.push_back(
      {source_event::kind::commit_failed, 0, -1, token, make_error(code, "can't commit offsets of " + group_).message});
  shared_->wake.call();
}

void rd_source::poll(std::vector<source_event>& events) {
  for (auto* queue : {main_queue_.get(), commit_queue_.get()})
    while (const event_ptr event{rd_kafka_queue_poll(queue, 0)}) {
      if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_ERROR)
        on_client_error(*event);
      else if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_OFFSET_COMMIT)
        on_committed(*event);
    }
  ask_again();
  learn_topics();
  if (shared_->up_again.exchange(false)) events_.push_back({source_event::kind::connected, 0, -1, 0, {}});
  std::move(events_.begin(), events_.end(), std::back_inserter(events));
  events_.clear();
}

void rd_source::on_client_error(rd_kafka_event_t& event) {
  const auto code = rd_kafka_event_error(&event);
  const std::string text = printable(rd_kafka_event_error_string(&event));
  if (rd_kafka_event_error_is_fatal(&event) != 0) {
    events_.push_back({source_event::kind::fatal, 0, -1, 0, make_error(code, "the consumer is lost", text).message});
  } else if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
    if (!shared_->down.exchange(true))
      events_.push_back({source_event::kind::disconnected, 0, -1, 0,
                         "no Kafka broker can be reached: " + (last_trouble_.empty() ? text : last_trouble_)});
  } else {
    last_trouble_ = text;
  }
}

void rd_source::on_committed(rd_kafka_event_t& event) {
  const auto token = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(rd_kafka_event_opaque(&event)));
  const auto code = rd_kafka_event_error(&event);
  source_event out{source_event::kind::committed, 0, -1, token, {}};
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) out.message = make_error(code, "can't commit offsets of " + group_).message;
  const auto* list = rd_kafka_event_topic_partition_list(&event);
  const auto slots = std::move(committing_[token]);
  committing_.erase(token);
  decltype(shared_->committed_anyway) good;
  {
    std::lock_guard lock(shared_->mutex);
    good.swap(shared_->committed_anyway);
  }
  for (int i = 0; list != nullptr && i < list->cnt; ++i)
    if (const auto& one = list->elems[i]; one.err != RD_KAFKA_RESP_ERR_NO_ERROR)
      if (std::find(good.begin(), good.end(), shared_state::offset_of{{one.topic, one.partition}, one.offset}) ==
          good.end())
        add_refusal(out, slots, one);
  if (out.refused.size() == slots.size() || (code != RD_KAFKA_RESP_ERR_NO_ERROR && out.refused.empty()))
    out.what = source_event::kind::commit_failed;
  events_.push_back(std::move(out));
}

void rd_source::add_refusal(source_event& to, const std::vector<std::uint32_t>& slots,
                            const rd_kafka_topic_partition_t& which) {
  const topic_partition where{which.topic, which.partition};
  for (const auto slot : slots)
    if (places_.at(slot) == where)
      to.refused.push_back(
          {slot,
           which.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
               which.err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
           make_error(which.err, fmt::format("can't commit the offset of {} to group {}", to_string(where), group_))
               .message});
}

std::int64_t rd_source::end_offset(std::uint32_t slot) {
  const auto* state = table_.find(slot);
  std::int64_t low = -1, high = -1;
  if (state == nullptr ||
      rd_kafka_get_watermark_offsets(client_.get(), state->where.topic.c_str(), state->where.partition, &low, &high) !=
          RD_KAFKA_RESP_ERR_NO_ERROR)
    return -1;
  return high >= 0 ? high : -1;
}

} // namespace

result<std::unique_ptr<row_source>> make_source(const source_settings& settings) {
  TROUPE_ASSERT(!settings.group_id.empty());
  // A full queue stops fetching for a whole second, so the count is out of the way and the bytes are the bound.
  kafka_properties properties{{"queued.min.messages", "5000000"},
                              {"queued.max.messages.kbytes", "65536"},
                              {"fetch.wait.max.ms", settings.embedded ? "10" : "100"},
                              {"fetch.max.bytes", "16777216"},
                              {"receive.message.max.bytes", "33554432"},
                              {"reconnect.backoff.max.ms", "2000"}};
  for (const auto& [name, value] : settings.properties) properties[name] = value;
  const kafka_properties fixed{{"group.id", settings.group_id},
                               {"enable.auto.commit", "false"},
                               {"enable.auto.offset.store", "false"},
                               {"auto.offset.reset", "error"},
                               {"check.crcs", "true"},
                               {"enable.partition.eof", "true"},
                               {"isolation.level", "read_committed"},
                               {"allow.auto.create.topics", "false"},
                               {"log.connection.close", "false"}};
  auto shared = std::make_shared<shared_state>();
  auto watch = std::make_shared<contact>();
  watch->answered = [shared] {
    if (!shared->reached.load(std::memory_order_relaxed) && !shared->reached.exchange(true)) shared->wake.call();
    if (shared->down.load(std::memory_order_relaxed) && shared->down.exchange(false)) {
      shared->up_again = true;
      shared->wake.call();
    }
  };
  watch->committed = [shared](const rd_kafka_topic_partition_list_t& list) { shared->note_commit(list); };
  const auto adjust = [&shared](rd_kafka_conf_t* conf) {
    rd_kafka_conf_set_opaque(conf, shared.get());
    rd_kafka_conf_set_error_cb(conf, [](rd_kafka_t*, int code, const char* text, void* opaque) {
      static_cast<shared_state*>(opaque)->told.emplace_back(static_cast<rd_kafka_resp_err_t>(code), text);
    });
  };
  auto client = open_client(role::consumer, properties, fixed, RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_OFFSET_COMMIT,
                            adjust, watch);
  if (!client) return tl::make_unexpected(client.error());
  client->get_deleter().limit = lane_close_limit;
  return std::make_unique<rd_source>(std::move(*client), settings, std::move(shared));
}

} // namespace troupe::kafka
