#include "actors/lane_metrics.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;

/// Upper bounds in seconds: from tens of microseconds (a row of a small model) to seconds (a heavy batch).
const std::vector<double>& bounds() {
  static const std::vector<double> values{0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                          0.05,    0.1,    0.25,    0.5,    1,     2.5,    5,     10};
  return values;
}

prometheus::Counter* counter(prometheus::Registry& registry, const char* name, const char* help,
                             const prometheus::Labels& labels) {
  return &BuildCounter().Name(name).Help(help).Register(registry).Add(labels);
}

prometheus::Gauge* gauge(prometheus::Registry& registry, const char* name, const char* help,
                         const prometheus::Labels& labels) {
  return &BuildGauge().Name(name).Help(help).Register(registry).Add(labels);
}

const char* name_of(lane_metrics::step what) {
  switch (what) {
  case lane_metrics::step::waiting:
    return "waiting";
  case lane_metrics::step::scoring:
    return "scoring";
  case lane_metrics::step::producing:
    return "producing";
  }
  return "";
}

} // namespace

lane_metrics::lane_metrics(prometheus::Registry& registry, std::string pipeline, std::string model)
    : pipeline_(std::move(pipeline))
    , model_(std::move(model)) {
  prometheus::Labels labels{{"pipeline", pipeline_}};
  predicted_ =
      &BuildCounter().Name("troupe_rows_predicted_total").Help("Rows whose prediction was produced").Register(registry);
  seconds_ =
      &BuildHistogram().Name("troupe_row_seconds").Help("Time of a row by step, of whole batches").Register(registry);
  lag_ = &BuildGauge()
              .Name("consumer_lag")
              .Help("Rows between the committed offset and the end of the log")
              .Register(registry);
  rows_read_ = counter(registry, "troupe_rows_read_total", "Rows read from the source topics", labels);
  auto& rejected = BuildCounter()
                       .Name("troupe_rows_rejected_total")
                       .Help("Rows that could not be predicted, by reason")
                       .Register(registry);
  for (std::size_t code = 1; code < rejected_.size(); ++code)
    rejected_[code] =
        &rejected.Add({{"pipeline", pipeline_}, {"code", std::string{to_string(static_cast<model::rejection>(code))}}});
  record_errors_ = counter(registry, "total_record_errors", "Rows that could not be predicted", labels);
  records_skipped_ = counter(registry, "total_records_skipped",
                             "Rows passed over: rejected, and there is no dead-letter topic", labels);
  dead_letters_ =
      counter(registry, "deadletterqueue_produce_requests", "Rows produced to the dead-letter topic", labels);
  dead_letter_failures_ =
      counter(registry, "deadletterqueue_produce_failures", "Rows that the dead-letter topic did not take", labels);
  redispatched_ =
      counter(registry, "troupe_batches_redispatched_total", "Batches sent to another scorer again", labels);
  late_ =
      counter(registry, "troupe_late_answers_total", "Answers dropped because the batch was dispatched again", labels);
  stale_ = counter(registry, "troupe_stale_orders_total",
                   "Grants and revocations passed over because a newer one was known", labels);
  credits_ = gauge(registry, "troupe_scorer_credits", "Batches that scorers would take now", labels);
  rows_inflight_ = gauge(registry, "troupe_rows_inflight", "Rows read and not yet produced", labels);
  bytes_inflight_ = gauge(registry, "troupe_bytes_inflight", "Bytes of the rows in flight", labels);
  rows_uncommitted_ = gauge(registry, "troupe_rows_uncommitted", "Rows read and not yet committed", labels);
  queued_ = gauge(registry, "troupe_batches_queued", "Batches that wait for a scorer", labels);
  inflight_ = gauge(registry, "troupe_batches_inflight", "Batches read and not yet produced", labels);
  lag_max_of_ = &BuildGauge().Name("records_lag_max").Help("Largest lag of the partitions held").Register(registry);
}

lane_metrics::version_children& lane_metrics::of(model_version version) {
  auto [at, added] = versions_.try_emplace(version);
  if (!added) return at->second;
  prometheus::Labels labels{{"pipeline", pipeline_}, {"model", model_}, {"version", std::to_string(version.value)}};
  at->second.predicted = &predicted_->Add(labels);
  for (auto what : {step::waiting, step::scoring, step::producing}) {
    labels["step"] = name_of(what);
    at->second.seconds[static_cast<std::size_t>(what)] = &seconds_->Add(labels, bounds());
  }
  return at->second;
}

void lane_metrics::rows_predicted(model_version version, std::uint64_t rows) {
  if (rows > 0) of(version).predicted->Increment(static_cast<double>(rows));
}

void lane_metrics::row_rejected(model::rejection code, bool dead_letter) {
  rejected_[static_cast<std::size_t>(code)]->Increment();
  record_errors_->Increment();
  (dead_letter ? dead_letters_ : records_skipped_)->Increment();
}

void lane_metrics::observe(step what, model_version version, double seconds, std::uint64_t rows) {
  if (rows == 0) return;
  thread_local std::vector<double> increments;
  increments.assign(bounds().size() + 1, 0);
  auto bucket = std::lower_bound(bounds().begin(), bounds().end(), seconds) - bounds().begin();
  increments[static_cast<std::size_t>(bucket)] = static_cast<double>(rows);
  of(version).seconds[static_cast<std::size_t>(what)]->ObserveMultiple(increments, seconds * static_cast<double>(rows));
}

void lane_metrics::set(const gauges& now) {
  credits_->Set(static_cast<double>(now.credits));
  rows_inflight_->Set(static_cast<double>(now.rows_inflight));
  bytes_inflight_->Set(static_cast<double>(now.bytes_inflight));
  rows_uncommitted_->Set(static_cast<double>(now.rows_uncommitted));
  queued_->Set(static_cast<double>(now.batches_queued));
  inflight_->Set(static_cast<double>(now.batches_inflight));
}

void lane_metrics::set_lag(const topic_partition& where, std::int64_t rows) {
  auto& lag = lags_[where];
  if (!lag)
    lag = &lag_->Add({{"pipeline", pipeline_}, {"topic", where.topic}, {"partition", std::to_string(where.partition)}});
  lag->Set(static_cast<double>(rows));
}

void lane_metrics::set_lag_max(std::int64_t rows) {
  if (!lag_max_) lag_max_ = &lag_max_of_->Add({{"pipeline", pipeline_}});
  lag_max_->Set(static_cast<double>(rows));
}

void lane_metrics::lane_ended() {
  set({});
  for (auto& [where, lag] : lags_) lag_->Remove(lag);
  lags_.clear();
  if (lag_max_) lag_max_of_->Remove(std::exchange(lag_max_, nullptr));
}

void lane_metrics::forget(const topic_partition& where) {
  auto at = lags_.find(where);
  if (at == lags_.end()) return;
  lag_->Remove(at->second);
  lags_.erase(at);
}

} // namespace troupe
