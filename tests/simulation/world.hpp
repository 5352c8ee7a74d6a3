#pragma once
// The simulated machine room: one thread, one fake clock, one random number generator. Everything that happens is
// either a message of an actor on CAF's test scheduler or an event that was planned here; which of the runnable actors
// goes next is drawn. So a seed is a history, and the same seed the same history, down to the last message.
//
// A `process` is one life of a node. Dead: its actors are killed and its events never happen. Frozen (SIGSTOP): its
// actors get no turn and its events wait, while time goes on and its mailboxes fill.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <caf/actor_cast.hpp>
#include <caf/send.hpp>
#include <fmt/format.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include "actors/interfaces.hpp"
#include "tests/simulation/coverage.hpp"
#include "tests/support/fixture.hpp"

namespace troupe::sim {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using sim_time = std::chrono::steady_clock::time_point;
using sim_duration = std::chrono::steady_clock::duration;

struct process {
  std::size_t node = 0; ///< index of the node whose life this is
  node_ref self;
  std::string address;
  bool alive = true, frozen = false;
  std::uint64_t freezes = 0;                 ///< how often it was frozen
  std::uint64_t dies_after = 0;              ///< messages until it is killed; 0: not planned
  std::vector<std::function<void()>> thawed; ///< events that came while it was frozen
  std::vector<caf::strong_actor_ptr> actors;
  node_actor door;
  coordinator_actor coordinator;
  std::vector<scorer_actor> scorers;
};
using process_ptr = std::shared_ptr<process>;

/// Canaries: what is broken on purpose, to see that it is caught.
enum class canary {
  none,
  lost_row,        ///< the sink says "durable" of a record that it dropped
  repeated_rows,   ///< the sink writes everything three times
  swapped_rows,    ///< the sink swaps neighbours of a partition
  early_commit,    ///< the source commits what it hands out
  old_version,     ///< some predictions claim version 1 for ever
  wrong_value,     ///< a prediction is not the model's
  no_fencing,      ///< whoever has opened the control writer once can write for ever
  kept_partition,  ///< a revoked partition goes on being read
  deaf_node,       ///< one node's control reader stops for good
  waiting_lanes,   ///< lanes read nothing while nobody coordinates
  greedy_source,   ///< the source hands out more rows than it was asked for
  blocking_scorer, ///< a node's own actor waits for its scorers
  // of exactly_once
  unfenced_lanes,     ///< the coordinator's fence does nothing
  late_fence,         ///< the committed offset is read before the fence, whatever is pending
  outside_offsets,    ///< offsets are committed before the transaction, and outside of it
  split_transactions, ///< a transaction is committed in the middle of a batch
  kept_generation,    ///< a fenced producer is replaced by a new one, and the lane goes on with its old partitions
  opened_unfenced,    ///< a lane that opens shuts out nobody
  reused_producer,    ///< a commit is sent twice, and the second one comes late
  hung_transaction,   ///< a transaction that nobody ends, and no broker times out
};

class world {
public:
  explicit world(std::uint64_t seed, canary broken = canary::none)
      : random(seed)
      , broken_on_purpose(broken)
      , seed_(seed) {
    static_cast<void>(sys.next_actor_id());
    auto logger = std::make_shared<spdlog::logger>("simulation", std::make_shared<log_sink>(*this));
    logger->set_level(spdlog::level::info);
    spdlog::set_default_logger(logger);
  }
  world(const world&) = delete;
  ~world() {
    end_everything();
    auto silent = std::make_shared<spdlog::logger>("silent");
    silent->set_level(spdlog::level::off);
    spdlog::set_default_logger(silent);
  }

  testing::test_config cfg;
  caf::actor_system sys{cfg};
  caf::scheduler::test_coordinator& sched = dynamic_cast<caf::scheduler::test_coordinator&>(sys.scheduler());
  std::mt19937_64 random;
  canary broken_on_purpose;

  // ---- chance
  std::uint64_t pick(std::uint64_t n) { return random() % n; }
  bool chance(unsigned percent) { return pick(100) < percent; }
  sim_duration between(sim_duration least, sim_duration most) {
    auto span =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(most - least).count()) + 1;
    return least + std::chrono::microseconds(pick(span));
  }

  // ---- time
  [[nodiscard]] sim_time now() { return sched.clock().now(); }
  [[nodiscard]] std::int64_t ms() { return std::chrono::duration_cast<milliseconds>(now() - start_).count(); }
  void after(sim_duration delay, std::function<void()> what) {
    events_.emplace(std::pair{now() + delay, next_event_++}, std::move(what));
  }
  /// Something that a process does: never once it is dead, later if it is frozen.
  void after(const process_ptr& who, sim_duration delay, std::function<void()> what) {
    after(delay, [who, what = std::move(what)]() mutable {
      if (!who->alive) return;
      if (who->frozen)
        who->thawed.push_back(std::move(what));
      else
        what();
    });
  }
  /// Until the clock shows `end`, or something is wrong.
  void run_until(sim_time end) {
    while (wrongs_.empty()) {
      settle();
      auto next = end;
      if (!events_.empty()) next = std::min(next, events_.begin()->first.first);
      auto& timers = sched.clock().schedule();
      if (!timers.empty()) next = std::min(next, timers.begin()->first);
      if (next >= end && now() >= end) return;
      sched.advance_time(std::max(sim_duration{0}, next - now()));
      while (!events_.empty() && events_.begin()->first.first <= now()) {
        auto event = events_.extract(events_.begin());
        event.mapped()();
      }
    }
  }
  void run_for(sim_duration span) { run_until(now() + span); }

  // ---- actors
  /// Every spawned actor is told here: whose it is, and how long each of its messages takes (blocking or slow actors).
  template <class Handle>
  Handle adopt(const process_ptr& whose, Handle handle, std::function<sim_duration()> pace = {}) {
    auto keep = caf::actor_cast<caf::strong_actor_ptr>(handle);
    auto* job = dynamic_cast<caf::resumable*>(caf::actor_cast<caf::abstract_actor*>(handle));
    actors_[job] = {keep, whose, std::move(pace), {}};
    if (whose) whose->actors.push_back(keep);
    return handle;
  }
  void freeze(const process_ptr& who) {
    who->frozen = true;
    ++who->freezes;
  }
  void thaw(const process_ptr& who) {
    who->frozen = false;
    auto waiting = std::exchange(who->thawed, {});
    auto delay = sim_duration{0};
    for (auto& event : waiting) after(who, delay += between(0ms, 2ms), std::move(event));
  }
  /// The end of the world: before anything that actors or events refer to goes away.
  void end_everything() {
    events_.clear();
    for (auto& [job, known] : actors_) caf::anon_send_exit(known.keep, caf::exit_reason::kill);
    while (sched.try_run_once()) {
    }
    sched.clock().cancel_all();
    while (sched.try_run_once()) {
    }
    events_.clear();
    actors_.clear();
  }
  /// Ends all actors of a process at once, whatever they are doing.
  void end_actors(const process_ptr& who) {
    who->alive = who->frozen = false;
    who->thawed.clear();
    for (auto& actor : who->actors) caf::anon_send_exit(actor, caf::exit_reason::kill);
    who->actors.clear(); // which know the process
    who->door = nullptr;
    who->coordinator = nullptr;
    who->scorers.clear();
  }
  std::function<void(const process_ptr&)> kill; ///< set by the cluster; for `dies_after`

  // ---- coverage
  void reached(const std::string& name) { coverage_.reached(name); }
  [[nodiscard]] const sim::coverage& reached() const { return coverage_; }

  // ---- history
  void note(const std::string& what) {
    mix(what.data(), what.size());
    auto line = fmt::format("{:>7} {:<4} {}", ms(), running_ ? running_->self.name : "", what);
    if (print) fmt::print("{}\n", line);
    history_.push_back(std::move(line));
    if (history_.size() > history_max) history_.pop_front();
  }
  void wrong(const std::string& what) {
    if (wrongs_.size() < 20) wrongs_.push_back(what);
    note("WRONG: " + what);
  }
  [[nodiscard]] const std::vector<std::string>& wrongs() const { return wrongs_; }
  [[nodiscard]] std::uint64_t trace() const { return trace_; }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  [[nodiscard]] std::string history() const {
    std::string text;
    for (auto& line : history_) text += line + "\n";
    return text;
  }
  bool print = false;
  std::size_t history_max = 300;

private:
  struct known_actor {
    caf::strong_actor_ptr keep; // so that no other actor gets its address
    process_ptr whose;
    std::function<sim_duration()> pace;
    std::optional<sim_time> free_at;
  };

  class log_sink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
  public:
    explicit log_sink(world& w)
        : world_(w) {}

  private:
    void sink_it_(const spdlog::details::log_msg& msg) override {
      world_.note(std::string{msg.payload.data(), msg.payload.size()});
    }
    void flush_() override {}
    world& world_;
  };

  bool may_run(caf::resumable* job) {
    auto known = actors_.find(job);
    if (known == actors_.end()) return true;
    auto& actor = known->second;
    if (!actor.whose) return true;
    if (!actor.whose->alive) return true; // to die
    if (actor.whose->frozen) return false;
    if (!actor.pace) return true;
    if (!actor.free_at) {
      actor.free_at = now() + actor.pace();
      if (*actor.free_at > now()) after(*actor.free_at - now(), [] {});
    }
    return *actor.free_at <= now();
  }

  /// Runs messages, each time of a random runnable actor, until nobody has one that may run now.
  void settle() {
    std::vector<std::size_t> ready;
    for (std::uint64_t at_once = 0; wrongs_.empty(); ++at_once) {
      ready.clear();
      for (std::size_t i = 0; i < sched.jobs.size(); ++i)
        if (may_run(sched.jobs[i])) ready.push_back(i);
      if (ready.empty()) return;
      if (at_once > 1'000'000) return wrong("actors send messages without end, no time passes");
      auto chosen = sched.jobs.begin() + static_cast<std::ptrdiff_t>(ready[pick(ready.size())]);
      std::rotate(sched.jobs.begin(), chosen, chosen + 1);
      step(*sched.jobs.front());
    }
  }
  void step(caf::resumable& job) {
    ++steps_;
    auto known = actors_.find(&job);
    if (known != actors_.end()) {
      known->second.free_at.reset();
      running_ = known->second.whose;
      auto id = known->second.keep->id();
      mix(&id, sizeof id);
    }
    auto whose = running_;
    sched.try_run_once();
    running_ = nullptr;
    if (whose && whose->alive && whose->dies_after > 0 && --whose->dies_after == 0) kill(whose);
  }
  void mix(const void* bytes, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i)
      trace_ = (trace_ ^ static_cast<const unsigned char*>(bytes)[i]) * 1099511628211ull;
    auto t = static_cast<std::uint64_t>((now() - start_).count());
    trace_ = (trace_ ^ t) * 1099511628211ull;
  }

  std::uint64_t seed_;
  std::map<std::pair<sim_time, std::uint64_t>, std::function<void()>> events_;
  std::uint64_t next_event_ = 0, steps_ = 0, trace_ = 14695981039346656037ull;
  std::unordered_map<caf::resumable*, known_actor> actors_;
  process_ptr running_;
  sim_time start_ = sched.clock().now();
  std::deque<std::string> history_;
  std::vector<std::string> wrongs_;
  sim::coverage coverage_;
};

} // namespace troupe::sim
