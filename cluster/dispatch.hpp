#pragma once
// Who scores which batch of a lane, and in which order the answers leave. Used by the ingest actor; pure: no clock
// (times are arguments), no CAF, no log. Scorers are known by a number that the caller gives each of them once and
// never again.
//
// The life of a batch: add() -> queued -> next() -> in flight -> complete() -> done -> front() and pop() in read order.
// What brings it back into the queue, with attempt + 1: scorer_down(), not_ready(), expire().
//
// Bounds: a scorer has at most its window of batches in flight (local_window, remote_window). can_read() is false at
// rows_max or bytes_max read and not popped, and while no scorer has credit: the caller then stops reading. A batch is
// taken even if it goes past the bounds, since its rows were read already, and so is an answer; so they are exceeded by
// at most one batch and the outcomes of what is in flight.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "cluster/freeze_guard.hpp"
#include "cluster/ids.hpp"

namespace troupe {

using scorer_number = std::uint32_t;

struct dispatch_limits {
  std::uint32_t local_window = 2;      ///< batches in flight at a scorer of this process
  std::uint32_t remote_window = 4;     ///< ... of another node: the wire takes a while
  std::uint64_t rows_max = 100'000;    ///< rows added and not popped
  std::uint64_t bytes_max = 64u << 20; ///< their bytes, and those of their outcomes
  /// A larger batch stays in this process at its first try, if there is a scorer: what comes behind it on the wire
  /// would have to wait
  std::uint64_t remote_bytes_max = 1u << 20;
  /// How long a scorer that is not ready, or does not answer, gets nothing
  std::chrono::milliseconds bench{50};
  std::chrono::milliseconds answer_limit{30'000}; ///< a batch without an answer for so long goes to another scorer
};

class dispatcher {
public:
  struct order {
    batch_seq seq;
    std::uint32_t attempt = 0;
    scorer_number scorer = 0;
    bool local = false;
  };
  struct counters {
    std::uint64_t redispatched = 0, late = 0;
  };

  explicit dispatcher(dispatch_limits limits)
      : limits_(limits) {}

  /// REQUIRES: `scorer` was never used before.
  void scorer_up(scorer_number scorer, bool local);
  /// Its batches are queued again. An unknown one is ignored.
  void scorer_down(scorer_number scorer);

  /// True if a batch that is read now could be sent at once, and the bounds allow reading.
  [[nodiscard]] bool can_read(mono_time now) const;
  /// True if some scorer would take a batch now.
  [[nodiscard]] bool has_credit(mono_time now) const { return pick(now) != nullptr; }
  /// Batches that scorers would take now, over all scorers.
  [[nodiscard]] std::uint64_t credits(mono_time now) const;

  /// Takes the next batch of the lane; the first one is number 0.
  batch_seq add(std::uint32_t rows, std::uint64_t bytes);
  /// The oldest queued batch and the scorer to send it to; nothing if there is none, or no credit (for a batch that has
  /// to stay here: at a local one). The batch is then in flight.
  std::optional<order> next(mono_time now);

  /// An answer with so many bytes of outcomes came, which stay until the batch is popped. False: it is late (an older
  /// attempt, or a batch that is gone) and has to be dropped; it is counted.
  bool complete(batch_seq seq, std::uint32_t attempt, std::uint64_t outcome_bytes = 0);
  /// The scorer has not got the model version: it is benched, the batch queued again. False: late.
  bool not_ready(batch_seq seq, std::uint32_t attempt, mono_time now);
  /// The oldest batch that is still to be scored and was first answered with not_ready at `since` or before.
  [[nodiscard]] std::optional<batch_seq> refused(mono_time since) const;
  /// The batch is to be scored anew, whatever became of it so far: an answer to it that is under way is late.
  /// REQUIRES: it is not popped.
  void again(batch_seq seq);
  /// Queues batches again that got no answer for too long. Returns how many.
  std::size_t expire(mono_time now);

  /// The oldest batch, if it is done. pop() forgets it. REQUIRES of pop(): front() has a value.
  [[nodiscard]] std::optional<batch_seq> front() const;
  void pop();
  /// Forgets all batches (the lane starts over at earlier offsets); numbers go on, answers to them are late.
  void clear();

  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t batches() const { return batches_.size(); }
  [[nodiscard]] std::size_t queued() const { return queue_.size(); }
  [[nodiscard]] const dispatch_limits& limits() const { return limits_; }
  [[nodiscard]] const counters& count() const { return count_; }

private:
  struct scorer_info {
    bool local = false;
    std::uint32_t inflight = 0;
    std::uint64_t sent = 0; ///< batches ever: evens out ties
    mono_time benched_until{};
  };
  struct batch_info {
    enum class state_kind : std::uint8_t { queued, inflight, done } state = state_kind::queued;
    std::uint32_t attempt = 0;
    scorer_number scorer = 0;
    std::uint32_t rows = 0;
    std::uint64_t bytes = 0, outcome_bytes = 0;
    mono_time sent_at{};
    std::optional<mono_time> refused_at; ///< first not_ready
  };

  using scorer_map = std::map<scorer_number, scorer_info>;
  [[nodiscard]] const scorer_map::value_type* pick(mono_time now, bool local_only = false) const;
  [[nodiscard]] bool stays_here(const batch_info& batch) const;
  [[nodiscard]] std::uint32_t room(const scorer_info& scorer, mono_time now) const;
  batch_info* inflight_batch(batch_seq seq, std::uint32_t attempt);
  void give_back_credit(scorer_number scorer);
  void queue_again(std::uint64_t seq, batch_info& batch);
  bool put_back(batch_seq seq, batch_info* batch, mono_time now);

  dispatch_limits limits_;
  scorer_map scorers_;
  std::deque<batch_info> batches_; ///< batches_[i] is number first_ + i
  std::uint64_t first_ = 0;
  std::set<std::uint64_t> queue_;
  std::uint64_t rows_ = 0, bytes_ = 0;
  counters count_;
};

} // namespace troupe
