#include "kafka/simple_client.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include <fmt/format.h>

#include "kafka/deadline.hpp"
#include "kafka/handle.hpp"
#include "kafka/sink.hpp"
#include "kafka/source.hpp"
#include "kafka/topics.hpp"

namespace troupe::kafka {
namespace {

// Turns the wakes of a port into waiting.
class doorbell {
public:
  wake_fn ring() {
    return [this] {
      std::lock_guard lock(mutex_);
      rung_ = true;
      changed_.notify_one();
    };
  }
  void wait(milliseconds most) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, most, [this] { return rung_; });
    rung_ = false;
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
};

} // namespace

struct simple_producer::impl {
  doorbell bell; // outlives the sink, which rings it
  std::unique_ptr<row_sink> sink;
  std::int32_t partitions = 0;
  failure_fn on_failure;
  std::uint64_t sent = 0, delivered = 0, failed = 0;
  std::vector<delivery> deliveries;

  void collect() {
    deliveries.clear();
    sink->poll(deliveries);
    for (const auto& one : deliveries) {
      (one.ok ? delivered : failed) += one.count;
      if (!one.ok && on_failure) on_failure(one.token, one.message);
    }
  }
};

simple_producer::simple_producer(std::unique_ptr<impl> own)
    : impl_(std::move(own)) {}
simple_producer::~simple_producer() = default;

result<std::unique_ptr<simple_producer>> simple_producer::open(const kafka_properties& properties,
                                                               const std::string& topic, milliseconds limit,
                                                               failure_fn on_failure) {
  auto admin = topic_admin::open(properties);
  if (!admin) return tl::make_unexpected(admin.error());
  auto limits = (*admin)->limits(topic, limit);
  if (!limits) return tl::make_unexpected(limits.error());
  auto sink = make_sink({properties, topic, "", *limits, {}});
  if (!sink) return tl::make_unexpected(sink.error());
  auto own = std::make_unique<impl>();
  own->sink = std::move(*sink);
  own->partitions = limits->partitions;
  own->on_failure = std::move(on_failure);
  own->sink->on_ready(own->bell.ring());
  return std::unique_ptr<simple_producer>(new simple_producer(std::move(own)));
}

std::int32_t simple_producer::partitions() const { return impl_->partitions; }

result<void> simple_producer::send(std::optional<std::string_view> key, std::string_view value, std::int32_t partition,
                                   milliseconds limit, std::span<const header_view> headers) {
  if (partition >= impl_->partitions)
    return fail(errc::invalid, fmt::format("the topic has no partition {}; it has {}", partition, impl_->partitions));
  produce_record record;
  record.key = key;
  record.value = value;
  record.partition = partition;
  record.headers = headers;
  record.token = impl_->sent;
  const deadline until(limit);
  while (impl_->sink->produce({&record, 1}) == 0) {
    if (until.passed())
      return fail(errc::timeout,
                  "the queue of unsent records stayed full: Kafka does not take them; check that the brokers run");
    impl_->bell.wait(until.left());
    impl_->collect();
  }
  // Deliveries are collected now and then only, so that a fast producer need not take a lock for each record.
  if (++impl_->sent % 1024 == 0) impl_->collect();
  return {};
}

simple_producer::outcome simple_producer::progress() {
  impl_->collect();
  return {impl_->delivered, impl_->failed, impl_->sent - impl_->delivered - impl_->failed};
}

simple_producer::outcome simple_producer::finish(milliseconds limit) {
  const deadline until(limit);
  auto now = progress();
  while (now.unknown > 0 && !until.passed()) {
    impl_->bell.wait(until.left());
    now = progress();
  }
  return now;
}

namespace {

// Where to read from, and where the log ended when we began, by slot.
struct reading_plan {
  std::vector<partition_start> starts;
  std::vector<std::int64_t> ends;
};

result<reading_plan> plan_reading(const consume_request& request, const topic_description& topic) {
  reading_plan plan;
  for (const auto& one : topic.partitions) {
    if (request.partition && *request.partition != one.partition) continue;
    if (one.high < 0)
      return fail(errc::unavailable, fmt::format("the leader of {}/{} does not answer; see `troupe topics describe {}`",
                                                 topic.name, one.partition, topic.name));
    auto offset = request.from == consume_request::start::beginning ? one.low
                  : request.from == consume_request::start::end     ? one.high
                                                                    : request.offset;
    if (offset < one.low || offset > one.high)
      return fail(errc::invalid, fmt::format("{}/{} holds offsets {} to {}; {} is not among them", topic.name,
                                             one.partition, one.low, one.high, offset));
    plan.starts.push_back({static_cast<std::uint32_t>(plan.starts.size()), {topic.name, one.partition}, offset});
    plan.ends.push_back(one.high);
  }
  if (plan.starts.empty())
    return fail(errc::not_found, fmt::format("topic \"{}\" has no partition {}; it has {}", topic.name,
                                             request.partition.value_or(0), topic.partitions.size()));
  return plan;
}

class printer final : public row_visitor {
public:
  printer(row_source& source, const reading_plan& plan, bool follow,
          const std::function<bool(const consumed_record&)>& each)
      : source_(source)
      , plan_(plan)
      , follow_(follow)
      , each_(each) {
    for (std::size_t slot = 0; slot < plan.starts.size(); ++slot)
      at_end.push_back(plan.starts[slot].offset >= plan.ends[slot]);
  }
  void row(const record_view& record) override {
    const auto end = plan_.ends[record.slot];
    if (record.offset + 1 >= end) at_end[record.slot] = true;
    if (!wanted || (!follow_ && record.offset >= end)) return;
    consumed_record out{
        plan_.starts[record.slot].where, record.offset, record.timestamp_ms, record.key, record.value, {}};
    if (record.has_headers) out.headers = source_.headers();
    wanted = each_(out);
    ++count;
  }
  bool finished() const {
    return !wanted || (!follow_ && std::all_of(at_end.begin(), at_end.end(), [](bool end) { return end; }));
  }

  bool wanted = true;
  std::uint64_t count = 0;
  std::vector<bool> at_end; ///< by slot: what was the end at the beginning has been reached

private:
  row_source& source_;
  const reading_plan& plan_;
  const bool follow_;
  const std::function<bool(const consumed_record&)>& each_;
};

} // namespace

result<std::uint64_t> consume(const kafka_properties& properties, const consume_request& request,
                              milliseconds open_limit, const std::function<bool(const consumed_record&)>& each,
                              const std::function<bool()>& stop,
                              const std::function<void(const std::string&)>& notice) {
  const deadline until(open_limit);
  auto admin = topic_admin::open(properties);
  if (!admin) return tl::make_unexpected(admin.error());
  auto topic = (*admin)->describe(request.topic, until.left());
  if (!topic) return tl::make_unexpected(topic.error());
  auto embedded = (*admin)->embedded(until.left());
  if (!embedded) return tl::make_unexpected(embedded.error());
  auto plan = plan_reading(request, *topic);
  if (!plan) return tl::make_unexpected(plan.error());
  doorbell bell;
  // The group's name is never used: nothing is committed.
  auto source = make_source({properties, "troupe-consume", *embedded});
  if (!source) return tl::make_unexpected(source.error());
  (*source)->on_ready(bell.ring());
  (*source)->assign(plan->starts);

  printer visitor(**source, *plan, request.follow, each);
  std::vector<source_event> events;
  while (!visitor.finished() && !(stop && stop())) {
    const auto room = request.max == 0 ? 1000 : std::min<std::uint64_t>(1000, request.max - visitor.count);
    const auto rows = room == 0 ? 0 : (*source)->drain(room, 16 << 20, visitor);
    if (request.max != 0 && visitor.count >= request.max) break;
    events.clear();
    (*source)->poll(events);
    for (const auto& event : events) {
      using kind = source_event::kind;
      if (event.what == kind::partition_error || event.what == kind::denied || event.what == kind::fatal)
        return fail(errc::unavailable, event.message);
      if (event.what == kind::end_of_partition && event.offset >= plan->ends[event.slot])
        visitor.at_end[event.slot] = true;
      if (notice && event.what == kind::disconnected) notice(event.message + "; trying again");
      if (notice && event.what == kind::connected) notice("connected to Kafka again");
    }
    if (rows == 0 && !visitor.finished()) bell.wait(milliseconds(100));
  }
  return visitor.count;
}

} // namespace troupe::kafka
