#pragma once
// Small helpers of the tests of the decision core: a log in memory, reports in one line.

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cluster/control_records.hpp"
#include "cluster/membership.hpp"

namespace troupe::test {

using namespace std::chrono_literals;

inline steady_time at(std::chrono::milliseconds since_start) { return steady_time{} + 1h + since_start; }

inline node_ref ref(const std::string& name, std::uint64_t incarnation = 1) {
  return {name, incarnation_id{incarnation}};
}

/// The control topic: each append is a transaction, which leaves a marker behind (an offset without a record).
struct memory_log {
  std::vector<log_record> records;
  std::int64_t end = 0;

  std::int64_t append(const std::vector<log_write>& writes) {
    const auto first = end;
    for (const auto& write : writes) records.push_back({end++, 0, write.key, write.value});
    ++end;
    return first;
  }
  std::int64_t append(const control_record& record) { return append(std::vector{to_log(record)}); }

  /// What compaction leaves: the last record of each key.
  void compact() {
    std::map<std::string, std::int64_t> last;
    for (const auto& record : records) last[record.key] = record.offset;
    std::erase_if(records, [&](const log_record& record) { return last[record.key] != record.offset; });
  }
};

inline node_report report_of(const node_ref& node, std::uint64_t sequence, control_offset applied,
                             std::vector<std::string> roles = {"ingest", "scorer", "coordinator"}) {
  node_report report;
  report.node = node;
  report.address = node.name + ":4800";
  report.roles = std::move(roles);
  report.fingerprint = "f1";
  report.sequence = sequence;
  report.applied = applied;
  return report;
}

inline lane_report lane(const std::string& pipeline, std::uint32_t generation,
                        const std::vector<topic_partition>& holding = {}) {
  lane_report report{pipeline, generation_id{generation}, {}, "", false, true};
  for (const auto& where : holding) report.holding.push_back({where, 0, 0, 0});
  return report;
}

} // namespace troupe::test
