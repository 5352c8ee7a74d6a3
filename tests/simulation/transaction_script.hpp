#pragma once
// What transactions do, as a table: steps, and what each comes to. The simulated broker and a real one have to give
// the same answers (tests/simulation/transactions.cpp, tests/kafka_real/transactions.cpp), or the simulation proves
// nothing.
//
// A step is a few words. Producers are A and B, which have one transactional.id, and C, which has another; a case has
// one topic with one partition, and one group.
//
//   A init            -> ok                    opens a producer: a new client each time
//   A begin           -> ok
//   A produce x       -> ok | fenced           one record, until the broker has it
//   A offsets 5       -> ok | fenced           the group's next offset, in the transaction
//   A commit          -> ok | fenced
//   A abort           -> ok | fenced
//   read              -> "x y"                 what a read_committed reader gets from the beginning to its end
//   committed         -> "5" | none | unstable the group's offset
//   commit_outside 3  -> ok                    the group's offset, without a transaction
//   end               -> "3"                   offset after the last record or marker
//   wait              -> ok                    until the broker gives up on transactions that nobody ends

#include <string>
#include <vector>

namespace troupe::sim {

struct script_step {
  std::string what, answer;
};
struct script_case {
  std::string name;
  std::vector<script_step> steps;
};

inline const std::vector<script_case>& transaction_script() {
  static const std::vector<script_case> cases{
      {"committed__records_and_offset_show_together",
       {{"A init", "ok"},
        {"A begin", "ok"},
        {"A produce x", "ok"},
        {"A produce y", "ok"},
        {"read", ""},
        {"A offsets 5", "ok"},
        {"A commit", "ok"},
        {"read", "x y"},
        {"committed", "5"},
        {"end", "3"}}},
      {"aborted__nothing_shows__the_offset_is_the_one_before",
       {{"commit_outside 3", "ok"},
        {"A init", "ok"},
        {"A begin", "ok"},
        {"A produce x", "ok"},
        {"A offsets 5", "ok"},
        {"A abort", "ok"},
        {"read", ""},
        {"committed", "3"},
        {"end", "2"}}},
      {"open__reader_stops_before_it__and_goes_on_after_it",
       {{"A init", "ok"},
        {"C init", "ok"},
        {"A begin", "ok"},
        {"A produce x", "ok"},
        {"C begin", "ok"},
        {"C produce y", "ok"},
        {"C commit", "ok"},
        {"read", ""},
        {"A commit", "ok"},
        {"read", "x y"}}},
      {"open__offset_is_not_stable__until_it_ends",
       {{"A init", "ok"},
        {"A begin", "ok"},
        {"A offsets 5", "ok"},
        {"committed", "unstable"},
        {"A commit", "ok"},
        {"committed", "5"}}},
      {"aborted_between_two_committed__is_skipped",
       {{"A init", "ok"},
        {"A begin", "ok"},
        {"A produce x", "ok"},
        {"A commit", "ok"},
        {"A begin", "ok"},
        {"A produce y", "ok"},
        {"A abort", "ok"},
        {"A begin", "ok"},
        {"A produce z", "ok"},
        {"A commit", "ok"},
        {"read", "x z"},
        {"end", "6"}}},
      {"init__of_a_newer_one__aborts_what_is_open__offset_is_stable_at_once",
       {{"commit_outside 3", "ok"},
        {"A init", "ok"},
        {"A begin", "ok"},
        {"A produce x", "ok"},
        {"A offsets 5", "ok"},
        {"B init", "ok"},
        {"committed", "3"},
        {"read", ""},
        {"end", "2"}}},
      {"zombie__commits__is_fenced__and_nothing_shows",
       {{"A init", "ok"},
        {"A begin", "ok"},
        {"A produce x", "ok"},
        {"A offsets 5", "ok"},
        {"B init", "ok"},
        {"A commit", "fenced"},
        {"read", ""},
        {"committed", "none"}}},
      {"zombie__produces__is_fenced",
       {{"A init", "ok"}, {"A begin", "ok"}, {"B init", "ok"}, {"A produce x", "fenced"}, {"read", ""}}},
      {"zombie__produces_on__is_fenced",
       {{"A init", "ok"},
        {"A begin", "ok"},
        {"A produce x", "ok"},
        {"B init", "ok"},
        {"A produce y", "fenced"},
        {"A commit", "fenced"},
        {"read", ""},
        {"end", "2"}}},
      {"zombie__sends_offsets__is_fenced",
       {{"A init", "ok"}, {"A begin", "ok"}, {"B init", "ok"}, {"A offsets 5", "fenced"}, {"committed", "none"}}},
      {"zombie__aborts__is_fenced__and_the_newer_ones_transaction_goes_on",
       {{"A init", "ok"},
        {"A begin", "ok"},
        {"A produce x", "ok"},
        {"B init", "ok"},
        {"B begin", "ok"},
        {"B produce y", "ok"},
        {"A abort", "fenced"},
        {"B commit", "ok"},
        {"read", "y"}}},
      {"committed__then_fenced__stays_committed",
       {{"A init", "ok"},
        {"A begin", "ok"},
        {"A produce x", "ok"},
        {"A offsets 5", "ok"},
        {"A commit", "ok"},
        {"B init", "ok"},
        {"read", "x"},
        {"committed", "5"}}},
      {"fenced__opens_again__and_is_the_newest__its_old_offset_is_taken",
       {{"A init", "ok"},
        {"B init", "ok"},
        {"C init", "ok"},
        {"C begin", "ok"},
        {"C produce y", "ok"},
        {"C offsets 9", "ok"},
        {"C commit", "ok"},
        {"A init", "ok"},
        {"A begin", "ok"},
        {"A produce x", "ok"},
        {"A offsets 5", "ok"},
        {"A commit", "ok"},
        {"read", "y x"},
        {"committed", "5"},
        {"B begin", "ok"},
        {"B produce z", "fenced"}}},
      {"nobody_ends_it__the_broker_does__and_fences",
       {{"A init", "ok"},
        {"A begin", "ok"},
        {"A produce x", "ok"},
        {"A offsets 5", "ok"},
        {"read", ""},
        {"committed", "unstable"},
        {"wait", "ok"},
        {"read", ""},
        {"committed", "none"},
        {"end", "2"},
        {"A commit", "fenced"},
        {"B init", "ok"},
        {"B begin", "ok"},
        {"B produce y", "ok"},
        {"B commit", "ok"},
        {"read", "y"}}},
  };
  return cases;
}

} // namespace troupe::sim
