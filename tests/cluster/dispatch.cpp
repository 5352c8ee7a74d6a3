#include "cluster/dispatch.hpp"

#include <random>
#include <set>

#include <boost/test/unit_test.hpp>

using namespace troupe;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(dispatch)

namespace {

const mono_time start{1000s};

dispatcher with_scorers(int local, int remote, dispatch_limits limits = {}) {
  dispatcher d{limits};
  scorer_number number = 0;
  for (int i = 0; i < local; ++i) d.scorer_up(number++, true);
  for (int i = 0; i < remote; ++i) d.scorer_up(number++, false);
  return d;
}

} // namespace

BOOST_AUTO_TEST_CASE(next__no_scorer__waits) {
  dispatcher d{{}};
  d.add(10, 100);
  BOOST_CHECK(!d.next(start));
  BOOST_CHECK(!d.can_read(start));
  d.scorer_up(0, true);
  BOOST_CHECK(d.next(start).has_value());
}

BOOST_AUTO_TEST_CASE(next__local_and_remote__local_first_then_remote_then_nothing) {
  auto d = with_scorers(2, 1);
  std::vector<scorer_number> order;
  for (int i = 0; i < 20; ++i) d.add(1, 1);
  while (auto to = d.next(start)) order.push_back(to->scorer);
  std::vector<scorer_number> wanted{0, 1, 0, 1, 2, 2, 2, 2};
  BOOST_CHECK_EQUAL_COLLECTIONS(order.begin(), order.end(), wanted.begin(), wanted.end());
  BOOST_CHECK_EQUAL(d.queued(), 12u);
  BOOST_CHECK_EQUAL(d.credits(start), 0u);
}

BOOST_AUTO_TEST_CASE(next__large_batch__waits_for_a_local_scorer_at_its_first_try) {
  dispatch_limits limits;
  limits.remote_bytes_max = 1000;
  auto d = with_scorers(1, 1, limits);
  d.add(1, 1000);
  d.add(1, 1000);
  d.add(1, 1001);
  BOOST_CHECK_EQUAL(d.next(start)->scorer, 0u);
  BOOST_CHECK_EQUAL(d.next(start)->scorer, 0u);
  BOOST_CHECK(!d.next(start)); // the remote one has credit
  BOOST_CHECK(!d.can_read(start));
  BOOST_CHECK(d.complete(batch_seq{0}, 0));
  auto large = d.next(start);
  BOOST_REQUIRE(large.has_value());
  BOOST_CHECK(large->local);
  // The local one does not answer: then any will do.
  d.add(1, 1);
  auto late = start + limits.answer_limit;
  BOOST_CHECK_EQUAL(d.expire(late), 2u);
  for (int i = 0; i < 2; ++i) BOOST_CHECK_EQUAL(d.next(late)->scorer, 1u);
}

BOOST_AUTO_TEST_CASE(next__large_batch_and_no_local_scorer__goes_to_a_remote_one) {
  dispatch_limits limits;
  limits.remote_bytes_max = 1000;
  auto d = with_scorers(0, 1, limits);
  d.add(1, 1001);
  BOOST_CHECK(d.next(start).has_value());
}

BOOST_AUTO_TEST_CASE(front__completed_out_of_order__read_order) {
  auto d = with_scorers(1, 1);
  for (int i = 0; i < 3; ++i) d.add(1, 1);
  while (d.next(start)) {
  }
  BOOST_CHECK(d.complete(batch_seq{2}, 0));
  BOOST_CHECK(d.complete(batch_seq{1}, 0));
  BOOST_CHECK(!d.front());
  BOOST_CHECK(d.complete(batch_seq{0}, 0));
  for (std::uint64_t seq = 0; seq < 3; ++seq) {
    BOOST_REQUIRE(d.front() == batch_seq{seq});
    d.pop();
  }
  BOOST_CHECK(!d.front());
  BOOST_CHECK_EQUAL(d.rows(), 0u);
}

BOOST_AUTO_TEST_CASE(scorer_down__its_batches__queued_again_oldest_first_with_the_next_attempt) {
  auto d = with_scorers(1, 0);
  for (int i = 0; i < 3; ++i) d.add(1, 1);
  while (d.next(start)) {
  }
  d.scorer_down(0);
  BOOST_CHECK_EQUAL(d.queued(), 3u);
  d.scorer_up(1, true);
  auto again = d.next(start);
  BOOST_CHECK(again->seq == batch_seq{0});
  BOOST_CHECK_EQUAL(again->attempt, 1u);
  BOOST_CHECK(!d.complete(batch_seq{0}, 0));
  BOOST_CHECK_EQUAL(d.count().late, 1u);
  BOOST_CHECK_EQUAL(d.count().redispatched, 2u);
  BOOST_CHECK(d.complete(batch_seq{0}, 1));
  BOOST_CHECK(!d.complete(batch_seq{0}, 1)); // a second time
  BOOST_CHECK(!d.complete(batch_seq{77}, 0));
}

BOOST_AUTO_TEST_CASE(not_ready__scorer__benched_for_a_while) {
  auto d = with_scorers(1, 1);
  d.add(1, 1);
  BOOST_CHECK_EQUAL(d.next(start)->scorer, 0u);
  BOOST_CHECK(d.not_ready(batch_seq{0}, 0, start));
  auto elsewhere = d.next(start);
  BOOST_CHECK_EQUAL(elsewhere->scorer, 1u);
  BOOST_CHECK_EQUAL(elsewhere->attempt, 1u);
  d.add(1, 1);
  BOOST_CHECK_EQUAL(d.next(start + d.limits().bench)->scorer, 0u);
}

BOOST_AUTO_TEST_CASE(can_read__bounds__stop_it) {
  dispatch_limits limits;
  limits.rows_max = 10;
  limits.bytes_max = 1000;
  auto d = with_scorers(3, 0, limits);
  BOOST_CHECK(d.can_read(start));
  d.add(9, 10);
  BOOST_CHECK(!d.can_read(start)); // one is queued
  d.next(start);
  BOOST_CHECK(d.can_read(start));
  d.add(1, 10);
  d.next(start);
  BOOST_CHECK(!d.can_read(start)); // rows
  d.complete(batch_seq{0}, 0);
  BOOST_CHECK(!d.can_read(start)); // scored is not produced
  d.pop();
  BOOST_CHECK(d.can_read(start));
  d.add(1, 1000);
  d.next(start);
  BOOST_CHECK(!d.can_read(start)); // bytes
}

// The outcomes of a model of many classes are larger than its rows.
BOOST_AUTO_TEST_CASE(can_read__outcomes_pile_up__stop_it_until_they_are_popped) {
  dispatch_limits limits;
  limits.bytes_max = 1000;
  auto d = with_scorers(2, 0, limits);
  d.add(1, 10);
  d.add(1, 10);
  while (d.next(start)) {
  }
  BOOST_CHECK(d.complete(batch_seq{1}, 0, 990));
  BOOST_CHECK_EQUAL(d.bytes(), 1010u);
  BOOST_CHECK(!d.can_read(start));
  BOOST_CHECK(!d.complete(batch_seq{1}, 0, 990)); // late: not kept
  BOOST_CHECK_EQUAL(d.bytes(), 1010u);
  BOOST_CHECK(d.complete(batch_seq{0}, 0, 5));
  d.pop();
  BOOST_CHECK_EQUAL(d.bytes(), 1000u);
  d.pop();
  BOOST_CHECK_EQUAL(d.bytes(), 0u);
  BOOST_CHECK(d.can_read(start));
  d.add(1, 10);
  d.next(start);
  d.complete(batch_seq{2}, 0, 500);
  d.clear();
  BOOST_CHECK_EQUAL(d.bytes(), 0u);
}

BOOST_AUTO_TEST_CASE(expire__no_answer__elsewhere_with_more_patience_each_time) {
  auto d = with_scorers(2, 0);
  auto limit = d.limits().answer_limit;
  d.add(1, 1);
  auto first = d.next(start)->scorer;
  BOOST_CHECK_EQUAL(d.expire(start + limit - 1ms), 0u);
  BOOST_CHECK_EQUAL(d.expire(start + limit), 1u);
  BOOST_CHECK_NE(d.next(start + limit)->scorer, first);
  BOOST_CHECK_EQUAL(d.expire(start + 2 * limit), 0u);
  BOOST_CHECK_EQUAL(d.expire(start + 3 * limit), 1u);
}

BOOST_AUTO_TEST_CASE(refused__not_ready_for_long__the_oldest_one) {
  auto d = with_scorers(2, 0);
  for (int i = 0; i < 2; ++i) {
    d.add(1, 1);
    d.next(start);
  }
  d.not_ready(batch_seq{1}, 0, start);
  BOOST_CHECK(d.refused(start) == batch_seq{1});
  BOOST_CHECK(!d.refused(start - 1ms));
  d.next(start + 1s);
  d.not_ready(batch_seq{1}, 1, start + 1s); // again: counted from the first
  BOOST_CHECK(d.refused(start) == batch_seq{1});
  d.next(start + 2s);
  d.complete(batch_seq{1}, 2);
  BOOST_CHECK(!d.refused(start + 2s));
}

BOOST_AUTO_TEST_CASE(again__done_or_in_flight__scored_anew_and_old_answers_are_late) {
  auto d = with_scorers(2, 0);
  for (int i = 0; i < 2; ++i) {
    d.add(1, 10);
    d.next(start);
  }
  d.complete(batch_seq{1}, 0, 100);
  d.again(batch_seq{0});
  d.again(batch_seq{1});
  BOOST_CHECK_EQUAL(d.queued(), 2u);
  BOOST_CHECK_EQUAL(d.bytes(), 20u);
  BOOST_CHECK_EQUAL(d.credits(start), 4u);
  BOOST_CHECK(!d.complete(batch_seq{0}, 0));
  for (int i = 0; i < 2; ++i) {
    auto order = d.next(start);
    BOOST_REQUIRE(order);
    BOOST_CHECK_EQUAL(order->attempt, 1u);
    BOOST_CHECK(d.complete(order->seq, order->attempt));
  }
  d.pop();
  d.pop();
  BOOST_CHECK_EQUAL(d.bytes(), 0u);
}

BOOST_AUTO_TEST_CASE(clear__answers_to_what_was__late) {
  auto d = with_scorers(1, 0);
  d.add(5, 5);
  d.next(start);
  d.clear();
  BOOST_CHECK_EQUAL(d.rows() + d.bytes() + d.batches(), 0u);
  BOOST_CHECK_EQUAL(d.credits(start), 2u);
  BOOST_CHECK(!d.complete(batch_seq{0}, 0));
  BOOST_CHECK(d.add(1, 1) == batch_seq{1});
}

BOOST_AUTO_TEST_CASE(chance__scorers_come_and_go__each_batch_leaves_once_in_order) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 random{seed};
    auto d = with_scorers(2, 1);
    scorer_number next_scorer = 3;
    std::set<scorer_number> up{0, 1, 2};
    std::vector<dispatcher::order> sent;
    std::uint64_t added = 0, popped = 0;
    auto now = start;
    for (int i = 0; i < 500; ++i) {
      now += std::chrono::milliseconds{random() % 20};
      switch (random() % 6) {
      case 0:
      case 1:
        if (d.can_read(now)) BOOST_REQUIRE(d.add(1, 1).value == added++);
        break;
      case 2:
        while (auto order = d.next(now)) {
          BOOST_REQUIRE(up.contains(order->scorer));
          sent.push_back(*order);
        }
        break;
      case 3:
        if (!sent.empty()) {
          const auto& order = sent[random() % sent.size()];
          if (random() % 5 == 0)
            d.not_ready(order.seq, order.attempt, now);
          else
            d.complete(order.seq, order.attempt);
        }
        break;
      case 4:
        if (random() % 8 == 0 && !up.empty()) {
          auto gone = *std::next(up.begin(), static_cast<std::ptrdiff_t>(random() % up.size()));
          up.erase(gone);
          d.scorer_down(gone);
          d.scorer_up(next_scorer, random() % 2 == 0);
          up.insert(next_scorer++);
        }
        break;
      case 5:
        for (; d.front(); d.pop()) BOOST_REQUIRE(d.front()->value == popped++);
        break;
      }
      BOOST_REQUIRE_EQUAL(d.rows(), added - popped);
    }
    for (int round = 0; round < 100 && popped < added; ++round) {
      now += 100ms;
      while (auto order = d.next(now)) sent.push_back(*order);
      for (const auto& order : sent) d.complete(order.seq, order.attempt);
      for (; d.front(); d.pop()) BOOST_REQUIRE(d.front()->value == popped++);
    }
    BOOST_TEST_CONTEXT("seed " << seed) BOOST_REQUIRE_EQUAL(popped, added);
  }
}

BOOST_AUTO_TEST_SUITE_END()
