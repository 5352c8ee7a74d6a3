// Where partitions start: the committed offset, or what startingOffsets says, made durable before anybody uses it.

#include <functional>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "actors/clerk.hpp"

namespace {

using namespace troupe;

/// Three partitions of 100 rows, of which 10 to 99 are still there.
struct memory_offsets final : offset_store {
  std::map<topic_partition, committed_offset> known;
  std::pair<std::int64_t, std::int64_t> left{10, 100};
  bool commits_fail = false;
  std::size_t commits = 0;

  result<std::vector<committed_offset>> committed(const std::string&, std::span<const topic_partition> where,
                                                  milliseconds) override {
    std::vector<committed_offset> found;
    for (auto& one : where)
      found.push_back(known.contains(one) ? known.at(one) : committed_offset{one, std::nullopt, {}});
    return found;
  }
  result<void> commit(const std::string&, std::span<const committed_offset> offsets, milliseconds) override {
    if (commits_fail) return fail(errc::unavailable, "no broker");
    ++commits;
    for (auto& entry : offsets) known[entry.where] = entry;
    return {};
  }
  result<std::vector<std::pair<std::int64_t, std::int64_t>>> bounds(std::span<const topic_partition> where,
                                                                    milliseconds) override {
    return std::vector<std::pair<std::int64_t, std::int64_t>>(where.size(), left);
  }
  result<std::vector<std::int64_t>> at_timestamps(std::span<const std::pair<topic_partition, std::int64_t>> where,
                                                  milliseconds) override {
    std::vector<std::int64_t> found;
    for (auto& [one, time] : where) found.push_back(time / 1000);
    return found;
  }
};

/// Notes what it shuts out, and what was committed for dsp/0 at that moment.
struct memory_fencer final : lane_fencer {
  std::vector<std::string> ids;
  bool fails = false;
  std::function<void()> on_fence;
  result<void> fence(const std::string& id, milliseconds) override {
    if (fails) return fail(errc::timeout, "no coordinator");
    ids.push_back(id);
    if (on_fence) on_fence();
    return {};
  }
};

/// Takes offsets only, into the store, until somebody newer rules.
struct memory_writer final : control_writer {
  memory_offsets& store;
  bool fenced = false;
  explicit memory_writer(memory_offsets& to)
      : store(to) {}
  result<void> open(milliseconds) override { return {}; }
  result<std::int64_t> append(std::span<const log_write>, milliseconds) override { return 0; }
  result<void> commit_offsets(const std::string&, std::span<const committed_offset> offsets, milliseconds) override {
    if (fenced) return fail(errc::fenced, "somebody newer rules");
    for (auto& entry : offsets) store.known[entry.where] = entry;
    return {};
  }
};

struct fixture {
  clerk_ports ports;
  memory_writer* writer = nullptr;
  memory_fencer* fencer = nullptr;
  memory_offsets* offsets = nullptr;
  clerk_pipeline pipeline{"troupe.games", {}};
  std::vector<action::start_query> query{{{"dsp", 0}, false}, {{"dsp", 1}, false}};

  fixture() {
    auto store = std::make_unique<memory_offsets>();
    offsets = store.get();
    ports.offsets = std::move(store);
    auto pen = std::make_unique<memory_writer>(*offsets);
    writer = pen.get();
    ports.writer = std::move(pen);
    auto own = std::make_unique<memory_fencer>();
    fencer = own.get();
    ports.fencer = std::move(own);
  }
  std::string starts() {
    auto found = resolve_starts(pipeline, query, ports, milliseconds{1000});
    if (!found) return found.error().message;
    std::map<topic_partition, std::int64_t> sorted;
    for (auto& start : *found) sorted[start.where] = start.offset;
    std::string text;
    for (auto& [where, offset] : sorted) text += to_string(where) + "@" + std::to_string(offset) + " ";
    return text;
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(clerk)

BOOST_FIXTURE_TEST_CASE(nothing_committed__starts_where_the_rule_says, fixture) {
  pipeline.starting.at = start_rule::kind::latest;
  BOOST_TEST(starts() == "dsp/0@100 dsp/1@100 ");
  offsets->known.clear();
  pipeline.starting.at = start_rule::kind::earliest;
  BOOST_TEST(starts() == "dsp/0@10 dsp/1@10 ");
  offsets->known.clear();
  pipeline.starting = {start_rule::kind::offsets, {{"dsp", {{0, 42}, {1, -2}}}}};
  BOOST_TEST(starts() == "dsp/0@42 dsp/1@10 ");
  offsets->known.clear();
  pipeline.starting = {start_rule::kind::timestamps, {{"dsp", {{0, 50'000}, {1, 60'000}}}}};
  BOOST_TEST(starts() == "dsp/0@50 dsp/1@60 ");
}

BOOST_FIXTURE_TEST_CASE(start_was_resolved__it_is_committed_and_stays, fixture) {
  BOOST_TEST(starts() == "dsp/0@100 dsp/1@100 ");
  BOOST_TEST(offsets->commits == 1u);
  pipeline.starting.at = start_rule::kind::earliest;
  BOOST_TEST(starts() == "dsp/0@100 dsp/1@100 ");
  BOOST_TEST(offsets->commits == 1u);
}

BOOST_FIXTURE_TEST_CASE(start_can_not_be_committed__there_is_no_start, fixture) {
  offsets->commits_fail = true;
  BOOST_TEST(starts() == "no broker");
}

BOOST_FIXTURE_TEST_CASE(exactly_once__start_is_committed_by_the_newest_coordinator_only, fixture) {
  pipeline.exactly_once = true;
  BOOST_TEST(starts() == "dsp/0@100 dsp/1@100 ");
  BOOST_TEST(offsets->commits == 0u);
  offsets->known.clear();
  writer->fenced = true;
  BOOST_TEST(starts() == "somebody newer rules");
  BOOST_TEST(offsets->known.empty());
}

BOOST_FIXTURE_TEST_CASE(committed_offset__wins_over_the_rule, fixture) {
  offsets->known[{"dsp", 1}] = {{"dsp", 1}, 77, "{}"};
  BOOST_TEST(starts() == "dsp/0@100 dsp/1@77 ");
}

// Asked to go on after a loss: nothing that is still there is scored twice, unless it is another log.
BOOST_FIXTURE_TEST_CASE(committed_offset_is_gone__goes_on_at_the_nearest_one_left, fixture) {
  pipeline.fail_on_data_loss = false;
  offsets->known[{"dsp", 0}] = {{"dsp", 0}, 5, "{}"};   // deleted before it was read
  offsets->known[{"dsp", 1}] = {{"dsp", 1}, 140, "{}"}; // the log lost its end
  BOOST_TEST(starts() == "dsp/0@10 dsp/1@100 ");
  offsets->left = {0, 100};
  BOOST_TEST(starts() == "dsp/0@5 dsp/1@100 ");
  offsets->left = {0, 20}; // the topic was made anew
  BOOST_TEST(starts() == "dsp/0@5 dsp/1@0 ");
  pipeline.fail_on_data_loss = true;
  BOOST_TEST(starts() == "dsp/0@5 dsp/1@140 ");
}

// None of the rows of a partition that was added to a topic in use may be skipped.
BOOST_FIXTURE_TEST_CASE(partition_added_later__starts_at_its_first_row, fixture) {
  query[1].added_later = true;
  BOOST_TEST(starts() == "dsp/0@100 dsp/1@10 ");
}

BOOST_FIXTURE_TEST_CASE(explicit_offsets__without_a_partition__it_starts_at_the_latest, fixture) {
  pipeline.starting = {start_rule::kind::offsets, {{"dsp", {{0, 42}}}}};
  BOOST_TEST(starts() == "dsp/0@42 dsp/1@100 ");
  offsets->known.clear();
  pipeline.starting = {start_rule::kind::timestamps, {{"dsp", {{0, 50'000}}}}};
  BOOST_TEST(starts() == "dsp/0@50 dsp/1@100 ");
  offsets->known.clear();
  pipeline.starting = {start_rule::kind::offsets, {{"other", {{0, 42}}}}};
  BOOST_TEST(starts() == "dsp/0@100 dsp/1@100 ");
}

BOOST_FIXTURE_TEST_CASE(lane_to_be_fenced__is_fenced_once_and_before_any_offset_is_read, fixture) {
  query = {{{"dsp", 0}, false, "lane-b"}, {{"dsp", 1}, false, "lane-b"}};
  offsets->known[{"dsp", 0}] = {{"dsp", 0}, 20, {}};
  offsets->known[{"dsp", 1}] = {{"dsp", 1}, 30, {}};
  fencer->on_fence = [&] { offsets->known[{"dsp", 0}].offset = 25; }; // its last transaction was committed just before
  BOOST_TEST(starts() == "dsp/0@25 dsp/1@30 ");
  BOOST_TEST(fencer->ids == std::vector<std::string>{"lane-b"});
}

BOOST_FIXTURE_TEST_CASE(lane_can_not_be_fenced__partitions_of_others_start, fixture) {
  query = {{{"dsp", 0}, false, "lane-b"}, {{"dsp", 1}, false}};
  offsets->known[{"dsp", 0}] = {{"dsp", 0}, 20, {}};
  offsets->known[{"dsp", 1}] = {{"dsp", 1}, 30, {}};
  fencer->fails = true;
  BOOST_TEST(starts() == "dsp/1@30 ");
}

BOOST_FIXTURE_TEST_CASE(lane_can_not_be_fenced__no_start_is_told, fixture) {
  query = {{{"dsp", 0}, false, "lane-b"}};
  offsets->known[{"dsp", 0}] = {{"dsp", 0}, 20, {}};
  fencer->fails = true;
  BOOST_TEST(starts() == "no coordinator");
}

BOOST_AUTO_TEST_SUITE_END()
