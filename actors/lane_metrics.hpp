#pragma once
// Metrics of one lane (prometheus). All children with labels known beforehand are resolved once; histograms are fed a
// batch at a time. Called from the lane's actor only; the registry is read by the HTTP thread, which prometheus-cpp
// allows.
//
// Lanes of one pipeline that follow each other on a node (generations) share the children, so counters go on.
// Labels: pipeline, model, version, code, step, topic, partition; never one that rows or people can make up.

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "cluster/ids.hpp"
#include "model/rejection.hpp"

namespace troupe {

class lane_metrics {
public:
  /// Where a row's time went: waiting (read until a scorer started on it, way included), scoring, producing (until
  /// durable).
  enum class step : std::uint8_t { waiting, scoring, producing };

  /// Values of the moment, set every report.
  struct gauges {
    std::uint64_t credits = 0, rows_inflight = 0, bytes_inflight = 0, rows_uncommitted = 0, batches_queued = 0,
                  batches_inflight = 0;
  };

  lane_metrics(prometheus::Registry& registry, std::string pipeline, std::string model);

  void rows_read(std::uint64_t rows) { rows_read_->Increment(static_cast<double>(rows)); }
  void rows_predicted(model_version version, std::uint64_t rows);
  /// `dead_letter`: it went to the dead-letter topic; else it was only counted.
  void row_rejected(model::rejection code, bool dead_letter);
  void dead_letter_failed(std::uint64_t rows) { dead_letter_failures_->Increment(static_cast<double>(rows)); }
  /// `rows` rows took `seconds` for this step, all of one batch.
  void observe(step what, model_version version, double seconds, std::uint64_t rows);
  void batch_redispatched(std::uint64_t batches) { redispatched_->Increment(static_cast<double>(batches)); }
  void late_answers(std::uint64_t answers) { late_->Increment(static_cast<double>(answers)); }
  void stale_orders(std::uint64_t orders) { stale_->Increment(static_cast<double>(orders)); }
  void set(const gauges& now);
  /// Rows between the committed offset and the end of the log; forget() when the partition is released.
  void set_lag(const topic_partition& where, std::int64_t rows);
  void set_lag_max(std::int64_t rows);
  void forget(const topic_partition& where);
  /// The lane has ended: what it had in hand is gone, and nobody knows its lags until the next one reports.
  void lane_ended();

private:
  struct version_children {
    prometheus::Counter* predicted = nullptr;
    std::array<prometheus::Histogram*, 3> seconds{};
  };
  version_children& of(model_version version);

  std::string pipeline_, model_;
  prometheus::Family<prometheus::Counter>* predicted_;
  prometheus::Family<prometheus::Histogram>* seconds_;
  prometheus::Family<prometheus::Gauge>* lag_;
  prometheus::Family<prometheus::Gauge>* lag_max_of_;
  prometheus::Counter *rows_read_, *record_errors_, *records_skipped_, *dead_letters_, *dead_letter_failures_;
  prometheus::Counter *redispatched_, *late_, *stale_;
  prometheus::Gauge *credits_, *rows_inflight_, *bytes_inflight_, *rows_uncommitted_, *queued_, *inflight_;
  prometheus::Gauge* lag_max_ = nullptr; ///< null: not known
  std::array<prometheus::Counter*, model::rejection_count> rejected_{};
  std::map<model_version, version_children> versions_;
  std::map<topic_partition, prometheus::Gauge*> lags_;
};

} // namespace troupe
