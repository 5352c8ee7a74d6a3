#pragma once
// What must hold at every step of the simulation, whatever fails. It sees what Kafka sees: every append and every
// commit, at the moment they become true there. The invariants are those of docs/architecture.md.
//
// I1: every row has an outcome in the end. At least once: a lane has never written more uncommitted rows than its cap,
// so a crash repeats no more. Exactly once: no row has a second outcome that a read_committed reader gets.
//
// I2: a commit never passes a row without an outcome that is durable.
//
// I3: first outcomes of a source partition come in its order in each output partition; a lane repeats nothing by
// itself.
//
// I4: the model version of first outcomes never goes back in a source partition, unless the alias did; a prediction is
// that version's.
//
// I5 (exactly once): only the lane that the log names commits a partition, and nothing of another lane is under way
// when it is granted.
//
// I6: only the coordinator of the latest claim writes; generations never go back; grants go to members. And: a
// partition is read by one lane only, but for the moment in which the last owner learns of it.
//
// I8: a lane has never taken more rows that are not committed than its cap.
//
// Atomic (exactly once): a transaction has exactly the rows between two committed offsets of its partitions; the label
// that its records carry is no other transaction's. Readers (exactly once): once the faults are over, no transaction
// holds up a read_committed reader for long.
//
// I7 and I9 are walks (walk.hpp).

#include <cmath>
#include <map>
#include <set>
#include <utility>

#include <rapidjson/document.h>

#include "cluster/cluster_state.hpp"
#include "tests/simulation/transactions.hpp"
#include "tests/simulation/world.hpp"

namespace troupe::sim {

/// What is remembered of one lane (a generation of a pipeline on a node).
struct lane_memory {
  process_ptr who;
  generation_id generation;
  producer_session session; ///< exactly once; epoch 0: not open yet
  std::map<std::tuple<topic_partition, bool, std::int32_t>, std::int64_t>
      last_written;                                              ///< source, dead letter?, output partition
  std::map<topic_partition, std::set<std::int64_t>> uncommitted; ///< written, not committed
  std::map<topic_partition, std::set<std::int64_t>> handed_out;  ///< read, not committed
  void start_over(const topic_partition& where) {
    std::erase_if(last_written, [&](auto& entry) { return std::get<0>(entry.first) == where; });
    uncommitted.erase(where);
    handed_out.erase(where);
  }
  void committed(const topic_partition& where, std::int64_t offset) {
    for (auto* open : {&uncommitted[where], &handed_out[where]}) open->erase(open->begin(), open->lower_bound(offset));
  }
};

inline std::size_t count_rows(const std::map<topic_partition, std::set<std::int64_t>>& rows) {
  std::size_t count = 0;
  for (auto& [where, offsets] : rows) count += offsets.size();
  return count;
}

class checker {
public:
  checker(world& w, std::uint64_t uncommitted_max)
      : world_(w)
      , uncommitted_max_(uncommitted_max) {}

  struct source_row {
    bool bad = false;
    double sum = 0;
    std::uint64_t durable = 0; ///< outcomes that are
    std::uint64_t read = 0;    ///< outcomes that a reader has got
  };

  /// Transactions that are under way: for I5.
  void watch(const transactions& all) { transactions_ = &all; }

  void row_appended(const topic_partition& where, std::int64_t offset, bool bad, double sum) {
    rows_[where].rows[offset] = {bad, sum, 0, 0};
    ++total_;
  }
  /// The model with this digest answers `sum + intercept`.
  void model_known(const std::string& sha256, double intercept) { intercepts_[sha256] = intercept; }

  /// A lane has taken rows from its source.
  void handed_out(const lane_memory& lane) {
    if (auto count = count_rows(lane.handed_out); count > uncommitted_max_)
      world_.wrong(fmt::format("I8: a lane has {} uncommitted rows in hand", count));
  }

  // ---- an outcome: appended, durable (at once, or with its transaction), and read

  void outcome_appended(lane_memory& lane, produce_record::target to, std::int32_t partition,
                        const testing::fake_record& record) {
    bool dead_letter = to == produce_record::target::dead_letter;
    auto source = source_of(record, to);
    auto* row = find(source);
    if (!row) return world_.wrong("I1: an outcome of no row: " + name(source));
    if (row->bad != dead_letter)
      world_.wrong("I1: " + name(source) + (dead_letter ? " is a dead letter" : " was predicted"));
    auto [last, fresh] = lane.last_written.try_emplace({source.first, dead_letter, partition}, source.second);
    if (!fresh && source.second <= last->second)
      world_.wrong(fmt::format("I3: a lane wrote {} after {}", name(source), last->second));
    last->second = std::max(last->second, source.second);
    lane.uncommitted[source.first].insert(source.second);
    if (auto count = count_rows(lane.uncommitted); count > uncommitted_max_)
      world_.wrong(fmt::format("I1: a lane has {} uncommitted rows", count));
  }

  /// In the order in which a lane wrote them.
  void outcome_durable(const lane_memory& lane, produce_record::target to, const testing::fake_record& record) {
    auto source = source_of(record, to);
    auto* row = find(source);
    if (!row) return;
    bool first = ++row->durable == 1;
    if (to == produce_record::target::output) check_prediction(lane, source, first, *row, record);
  }

  /// In the order of an output partition. `once`: no reader may get it a second time.
  void outcome_read(produce_record::target to, std::int32_t partition, const testing::fake_record& record, bool once) {
    auto source = source_of(record, to);
    auto* row = find(source);
    if (!row) return;
    if (++row->read > 1) {
      ++repeated_;
      if (once) world_.wrong(fmt::format("I1: a reader gets {} {} times", name(source), row->read));
      return;
    }
    ++done_;
    auto& first = rows_[source.first].first_written[{to == produce_record::target::dead_letter, partition}];
    if (source.second < first) world_.wrong(fmt::format("I3: {} came after {}", name(source), first));
    first = source.second;
  }

  /// A transaction of this lane was committed.
  void transaction_committed(lane_memory& lane, const transaction_contents& contents, testing::fake_kafka& store) {
    std::map<topic_partition, std::set<std::int64_t>> rows;
    std::set<std::string> labels;
    for (auto& written : contents.records) {
      auto record = record_at(store, written);
      auto to = written.where.topic == "preds" ? produce_record::target::output : produce_record::target::dead_letter;
      auto source = source_of(record, to);
      outcome_durable(lane, to, record);
      if (auto* row = find(source); row && row->durable > 1) world_.wrong("I1: a second outcome of " + name(source));
      if (to == produce_record::target::output) labels.insert(record.header("troupe.txn").value_or("none"));
      rows[source.first].insert(source.second);
    }
    if (labels.size() > 1) world_.wrong("atomic: a transaction has records of " + fmt::format("{}", labels.size()));
    for (auto& label : labels)
      if (!labels_.insert(label).second) world_.wrong("atomic: records of " + label + " are in two transactions");
    std::map<topic_partition, std::int64_t> ends;
    for (auto& [group, offset] : contents.offsets) ends[offset.where] = *offset.offset;
    for (auto& [where, offsets] : rows) {
      auto end = ends.find(where);
      if (end == ends.end() || *offsets.rbegin() >= end->second || *offsets.begin() < rows_[where].proven)
        world_.wrong(fmt::format("atomic: rows {} to {} of {} are in a transaction that commits {} to {}",
                                 *offsets.begin(), *offsets.rbegin(), to_string(where), rows_[where].proven,
                                 end == ends.end() ? -1 : end->second));
    }
    for (auto& [where, end] : ends) {
      if (!owns(lane, where))
        world_.wrong(fmt::format("I5: {} is committed by {}, generation {}, which does not own it", to_string(where),
                                 to_string(lane.who->self), lane.generation.value));
      committed(&lane, where, end);
    }
  }

  void committed(lane_memory* lane, const topic_partition& where, std::int64_t offset) {
    auto known = rows_.find(where);
    if (known == rows_.end()) return;
    auto& part = known->second;
    for (auto row = part.rows.lower_bound(part.proven); row != part.rows.end() && row->first < offset; ++row)
      if (row->second.durable == 0)
        return world_.wrong(
            fmt::format("I2: {} is committed, row {} has no outcome", name({where, offset}), row->first));
    part.proven = std::max(part.proven, offset);
    part.stale = lane && !owns(*lane, where);
    if (lane) lane->committed(where, offset);
  }

  void control_appended(const log_record& record) {
    auto term = truth_.term();
    truth_.apply(record);
    truth_.advance_to(record.offset + 1);
    if (!record.value) return;
    auto read = read_record(record.key, *record.value);
    if (!read || !*read) return world_.wrong("I6: a control record can't be read: " + record.key + " " + *record.value);
    std::visit([&](auto& r) { check_control(r, term); }, **read);
    world_.note("log " + std::to_string(record.offset) + ": " + record.key + " " + *record.value);
  }

  /// The lanes that read a partition now, of processes that run and reach Kafka. Called every 50 ms.
  void readers(const topic_partition& where, std::size_t count) {
    auto& since = overlap_[where];
    if (count < 2)
      since.reset();
    else if (!since)
      since = world_.now();
    else if (world_.now() - *since > 1s)
      world_.wrong(name({where, 0}) + ": two lanes read it for more than a second");
  }

  /// A lane that was frozen committed after its successor. At least once: the successor's next commit puts that right.
  [[nodiscard]] bool stale_commit(const topic_partition& where) const {
    auto known = rows_.find(where);
    return known != rows_.end() && known->second.stale;
  }
  [[nodiscard]] const cluster_state& truth() const { return truth_; }
  [[nodiscard]] std::size_t waiting() const { return total_ - done_; }
  [[nodiscard]] std::size_t total() const { return total_; }
  [[nodiscard]] std::uint64_t repeated() const { return repeated_; }
  [[nodiscard]] std::string first_without_outcome() const {
    for (auto& [where, part] : rows_)
      for (auto& [offset, row] : part.rows)
        if (row.read == 0) return name({where, offset});
    return "none";
  }

private:
  using place = std::pair<topic_partition, std::int64_t>;
  struct source_part {
    std::map<std::int64_t, source_row> rows;
    std::int64_t proven = 0; ///< all rows below have outcomes
    std::map<std::pair<bool, std::int32_t>, std::int64_t> first_written;
    model_version newest{0};
    model_version way_back{0}; ///< the alias was moved back to it: it may follow a newer one, once
    bool stale = false;        ///< the last commit came from a lane that was not the owner
  };

  static std::string name(const place& where) {
    return fmt::format("{} offset {}", to_string(where.first), where.second);
  }
  static place source_of(const testing::fake_record& record, produce_record::target to) {
    return to == produce_record::target::output ? source_of_prediction(record) : source_of_letter(record);
  }
  source_row* find(const place& where) {
    auto known = rows_.find(where.first);
    if (known == rows_.end()) return nullptr;
    auto row = known->second.rows.find(where.second);
    return row == known->second.rows.end() ? nullptr : &row->second;
  }
  static testing::fake_record record_at(testing::fake_kafka& store, const record_place& written) {
    auto& records = store.log(written.where.topic, written.where.partition).records;
    return *std::lower_bound(
        records.begin(), records.end(), written.offset,
        [](const testing::fake_record& record, std::int64_t offset) { return record.offset < offset; });
  }
  static place source_of_prediction(const testing::fake_record& record) {
    auto text = record.header("troupe.source").value_or("");
    auto last = text.rfind('/'), middle = text.rfind('/', last - 1);
    if (last == std::string::npos || middle == std::string::npos) return {};
    return {{text.substr(0, middle), std::stoi(text.substr(middle + 1))}, std::stoll(text.substr(last + 1))};
  }
  static place source_of_letter(const testing::fake_record& record) {
    auto part = record.header("__connect.errors.partition"), offset = record.header("__connect.errors.offset");
    if (!part || !offset) return {};
    return {{record.header("__connect.errors.topic").value_or(""), std::stoi(*part)}, std::stoll(*offset)};
  }

  bool owns(const lane_memory& lane, const topic_partition& where) const {
    auto known = truth_.partitions().find({"games", where});
    return known != truth_.partitions().end() && known->second.node == lane.who->self &&
           known->second.generation == lane.generation;
  }

  void check_prediction(const lane_memory& lane, const place& source, bool first, const source_row& row,
                        const testing::fake_record& record) {
    auto& part = rows_[source.first];
    auto label = record.header("troupe.model").value_or("");
    if (label.rfind("games@", 0) != 0) return world_.wrong("I4: " + name(source) + " has no version");
    model_version version{static_cast<std::uint32_t>(std::stoul(label.substr(6)))};
    // What a frozen lane had handed to its producer before comes out when it is thawed: a repetition, from the past.
    if (first && owns(lane, source.first)) {
      if (version < part.newest && std::exchange(part.way_back, model_version{}) == version) part.newest = version;
      if (version < part.newest)
        world_.wrong(fmt::format("I4: {} was scored with {} after {}", name(source), label, part.newest.value));
      part.newest = std::max(part.newest, version);
    }
    auto* model = truth_.find_model("games", version);
    if (!model)
      return world_.wrong("I4: " + name(source) + " was scored with " + label + ", which nobody has registered");
    rapidjson::Document value;
    value.Parse(record.value.value_or("").c_str());
    if (value.HasParseError() || !value.IsObject() || !value.HasMember("pred") || !value["pred"].IsNumber())
      return world_.wrong("I4: " + name(source) + ": not a prediction: " + record.value.value_or("null"));
    if (record.header("troupe.sha256") != model->record.where.sha256)
      world_.wrong("I4: " + name(source) + " names another content than that of " + label);
    auto expected = row.sum + intercepts_.at(model->record.where.sha256);
    if (std::abs(value["pred"].GetDouble() - expected) > 1e-3)
      world_.wrong(fmt::format("I4: {} by {} is {}, not {}", name(source), label, value["pred"].GetDouble(), expected));
  }

  void check_control(const cluster_record&, term_id) {}
  void check_control(const claim_record& claim, term_id before) {
    if (truth_.term() <= before) world_.wrong("I6: a claim of " + to_string(claim.node) + " did not begin a term");
  }
  void check_control(const partition_record& r, term_id term) {
    check_term(r.term, term, "a partition");
    if (r.state != partition_record::state_kind::granted) return;
    if (!truth_.is_member(r.node))
      world_.wrong("I6: " + to_string(r.where) + " is granted to a stranger, " + to_string(r.node));
    auto& newest = generations_[{r.node, r.pipeline}];
    if (r.generation < newest) world_.wrong("I6: a generation went back: " + to_string(r.node));
    newest = r.generation;
    check_others(r);
  }
  /// Nothing of another lane is under way.
  void check_others(const partition_record& granted) {
    if (!transactions_) return;
    for (auto& id : transactions_->open_ids())
      for (auto& [group, offset] : transactions_->open(id)->offsets)
        if (offset.where == granted.where)
          world_.wrong(fmt::format("I5: {} is granted to {} while {} is about to commit it", to_string(granted.where),
                                   to_string(granted.node), id));
  }
  // A push that timed out and is repeated moves the alias back when another one came in between.
  void check_control(const alias_record& record, term_id term) {
    check_term(record.term, term, key_of(record));
    if (record.version < record.previous)
      for (auto& [where, part] : rows_) part.way_back = record.version;
  }
  template <class Record> void check_control(const Record& record, term_id term) {
    check_term(record.term, term, key_of(record));
  }
  void check_term(term_id written, term_id term, const std::string& what) {
    if (written != term)
      world_.wrong(fmt::format("I6: {} of term {} was written in term {}", what, written.value, term.value));
  }

  world& world_;
  const transactions* transactions_ = nullptr;
  std::uint64_t uncommitted_max_;
  std::set<std::string> labels_; ///< of committed transactions
  std::map<topic_partition, source_part> rows_;
  std::map<std::string, double> intercepts_;
  cluster_state truth_;
  std::map<std::pair<node_ref, std::string>, generation_id> generations_;
  std::map<topic_partition, std::optional<sim_time>> overlap_;
  std::size_t total_ = 0, done_ = 0;
  std::uint64_t repeated_ = 0;
};

} // namespace troupe::sim
