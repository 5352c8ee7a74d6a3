// What the tests of the ingest actor share: CAF's test scheduler, Kafka in memory, and scorers that answer when the
// test says so. A case derives from lane_fixture through its suite; every commit is checked against what is durable
// (I2).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <fmt/format.h>

#include "actors/ingest.hpp"
#include "tests/support/fake_ports.hpp"
#include "tests/support/fixture.hpp"

namespace troupe::testing {

/// A scorer that predicts `<value>@<version>`; a row `bad:<number>:<feature>` is rejected with that code.
struct scorer_desk {
  struct waiting {
    score_batch batch;
    ingest_actor from;
  };
  bool automatic = true; ///< answers at once
  bool ready = true;     ///< has every model version but those in `gone`; else answers not_ready
  std::set<std::uint32_t> gone;
  std::deque<waiting> batches;
  std::uint64_t seen = 0, rows_seen = 0;

  static scored_batch score(const score_batch& batch) {
    auto outcomes = std::make_shared<model::outcome_block>();
    std::uint32_t begin = 0;
    for (auto end : batch.rows->ends) {
      std::string value{batch.rows->bytes.data() + begin, end - begin};
      begin = end;
      std::string text = value + "@" + std::to_string(batch.version.value);
      char code = 0;
      if (value.starts_with("bad:")) {
        auto colon = value.find(':', 4);
        code = static_cast<char>(std::stoi(value.substr(4, colon - 4)));
        text = value.substr(colon + 1) + std::string(1, '\0') + "a sentence";
      }
      outcomes->bytes.insert(outcomes->bytes.end(), text.begin(), text.end());
      outcomes->ends.push_back(static_cast<std::uint32_t>(outcomes->bytes.size()));
      outcomes->codes.push_back(code);
    }
    scored_batch reply;
    reply.seq = batch.seq;
    reply.attempt = batch.attempt;
    reply.outcomes.block = std::move(outcomes);
    return reply;
  }
  scored_batch answer_to(const score_batch& batch) const {
    if (ready && !gone.contains(batch.version.value)) return score(batch);
    scored_batch reply;
    reply.status = scored_batch::status_kind::not_ready;
    reply.seq = batch.seq;
    reply.attempt = batch.attempt;
    return reply;
  }
  /// Answers the batch at this place of the queue.
  void answer(std::size_t place = 0) {
    auto one = std::move(batches.at(place));
    batches.erase(batches.begin() + static_cast<std::ptrdiff_t>(place));
    caf::anon_send(one.from, answer_to(one.batch));
  }
};

inline scorer_actor::behavior_type fake_scorer(scorer_actor::pointer self, std::shared_ptr<scorer_desk> desk) {
  return {
      [=](const score_batch& batch) -> caf::result<scored_batch> {
        ++desk->seen;
        desk->rows_seen += batch.rows->ends.size();
        if (desk->automatic) return desk->answer_to(batch);
        desk->batches.push_back({batch, caf::actor_cast<ingest_actor>(self->current_sender())});
        auto promise = self->make_response_promise<scored_batch>(); // takes the sender along
        return promise;                                             // never used: the test answers
      },
      [](const use_plan&) {},
      [](const drop_plan&) {},
      [](const introduce&) {},
  };
}

inline lane_owner_actor::behavior_type fake_owner(lane_owner_actor::pointer,
                                                  std::shared_ptr<std::vector<lane_state>> told) {
  return {[=](const lane_state& state) { told->push_back(state); }};
}

struct lane_fixture : actor_fixture {
  fake_kafka kafka;
  std::shared_ptr<fake_lane> lane;
  std::shared_ptr<std::vector<lane_state>> told = std::make_shared<std::vector<lane_state>>();
  std::vector<std::shared_ptr<scorer_desk>> desks;
  ingest_actor ingest_;
  ingest_config icfg;
  std::int64_t first_offset = 0; ///< rows before it were somebody else's
  bool down = false;
  std::string reason;
  std::shared_ptr<bool> here = std::make_shared<bool>(true); ///< expired once the members of this fixture are

  lane_fixture() {
    kafka.create("dsp", 4);
    kafka.create("preds", 4);
    kafka.create("dsp.dlq", 4);
    icfg.pipeline = "games";
    icfg.model = "games";
    icfg.node = "a";
    icfg.headers = {"troupe.model", "troupe.source"};
    icfg.batch_rows_max = 10;
  }
  ~lane_fixture() { ingest_ = nullptr; }

  void start(bool dead_letters = true, const std::string& transactional_id = "") {
    icfg.has_dead_letters = dead_letters;
    auto [ports, hand] = kafka.open({"games", "group", "preds", dead_letters ? "dsp.dlq" : "", transactional_id});
    lane = hand;
    lane->on_commit = [this](const fake_lane& at, const std::vector<partition_commit>& offsets) {
      for (const auto& offset : offsets) check_durable(at.assigned.at(offset.slot).where, offset.offset);
    };
    auto owner = spawn(fake_owner, told);
    ingest_ = spawn(ingest, icfg, owner, std::move(ports));
    actor_cast_watch();
    send(ingest_, lane_version{model_version{1}});
  }
  void actor_cast_watch() {
    // The lane may end only when the base fixture goes, and this one's members are gone by then.
    caf::actor_cast<caf::abstract_actor*>(ingest_)->attach_functor(
        [this, alive = std::weak_ptr<bool>{here}](const caf::error& why) {
          if (alive.expired()) return;
          down = true;
          reason = sys.render(why);
        });
  }
  scorer_key key_of(std::uint32_t index) { return {{"n" + std::to_string(index), incarnation_id{1}}, index}; }
  scorer_desk& add_scorer(bool local = true, bool automatic = true) {
    auto desk = desks.emplace_back(std::make_shared<scorer_desk>());
    desk->automatic = automatic;
    send(ingest_, scorer_up{key_of(static_cast<std::uint32_t>(desks.size() - 1)), spawn(fake_scorer, desk), local});
    return *desk;
  }
  void grant(std::int32_t partition, std::int64_t offset = 0, std::int64_t epoch = 1, std::string metadata = "") {
    send(ingest_, lane_grant{{"dsp", partition}, offset, std::move(metadata), control_offset{epoch}});
  }
  void append(std::int32_t partition, int rows, const std::string& prefix = "r") {
    for (int i = 0; i < rows; ++i) {
      auto next = kafka.log("dsp", partition).end;
      fake_record record;
      record.key = fmt::format("k{}", partition);
      record.value = fmt::format("{}{}", prefix, next);
      record.timestamp_ms = 1000 + next;
      kafka.append("dsp", partition, record);
    }
  }
  std::int64_t committed(std::int32_t partition) {
    auto offset = kafka.committed("group", {"dsp", partition});
    return offset ? *offset->offset : -1;
  }
  std::string metadata(std::int32_t partition) { return kafka.committed("group", {"dsp", partition}).value().metadata; }
  const lane_state& last() { return told->back(); }

  /// Sources ("dsp/0/17") that have a durable outcome.
  std::set<std::string> durable_sources() {
    std::set<std::string> found;
    for (const auto& record : kafka.all("preds")) found.insert(record.header("troupe.source").value());
    for (const auto& record : kafka.all("dsp.dlq"))
      found.insert(fmt::format("{}/{}/{}", *record.header("__connect.errors.topic"),
                               *record.header("__connect.errors.partition"),
                               *record.header("__connect.errors.offset")));
    return found;
  }
  /// I2. Returns the first row before `end` without a durable outcome.
  std::string undurable(const topic_partition& where, std::int64_t end) {
    auto durable = durable_sources();
    for (const auto& record : kafka.log(where.topic, where.partition).records) {
      auto source = fmt::format("{}/{}/{}", where.topic, where.partition, record.offset);
      if (record.offset >= first_offset && record.offset < end && !durable.contains(source)) return source;
    }
    return "";
  }
  void check_durable(const topic_partition& where, std::int64_t end) {
    if (!icfg.has_dead_letters) return;
    auto row = undurable(where, end);
    if (!row.empty()) BOOST_ERROR("committed " << end << " of " << to_string(where) << " ahead of " << row);
  }
  /// Offsets of the predictions of a source partition, in the order they stand in the output partitions.
  std::vector<std::int64_t> predicted(std::int32_t partition) {
    std::vector<std::int64_t> offsets;
    auto head = fmt::format("dsp/{}/", partition);
    for (const auto& record : kafka.all("preds")) {
      auto source = record.header("troupe.source").value();
      if (source.starts_with(head)) offsets.push_back(std::stoll(source.substr(head.size())));
    }
    return offsets;
  }
  static std::vector<std::int64_t> range(std::int64_t from, std::int64_t to) {
    std::vector<std::int64_t> all;
    for (auto i = from; i < to; ++i) all.push_back(i);
    return all;
  }
};

} // namespace troupe::testing

/// Compares a vector of offsets with from, from + 1, ... to - 1.
#define CHECK_RANGE(actual, from, to)                                                                                  \
  do {                                                                                                                 \
    auto actual_ = (actual);                                                                                           \
    auto wanted_ = ::troupe::testing::lane_fixture::range(from, to);                                                   \
    BOOST_CHECK_EQUAL_COLLECTIONS(actual_.begin(), actual_.end(), wanted_.begin(), wanted_.end());                     \
  } while (false)
